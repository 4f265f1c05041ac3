"""The API against its own document: calls made up from it, sound and unsound, by three people. Nothing may fail.

Whether a call that fits the document is granted depends on rules that no document can state, so that is not asked.
What is: no failure of the server, no answer of a kind or shape that is not in the document, no unsound body let in,
no answer without a sign-in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from portal.api import budgets
from tests.portal.test_matrix import undone
from tests.world import World, built, node

__all__ = ["built", "node"]

PEOPLE = ("sam", "alice", "ada")
CALLS = 6  # of each kind, on each address and method


@pytest.fixture
def _one_connection() -> Iterator[None]:
    """Keep the database's connection from call to call, as Django's own test client does: all is rolled back."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


def findings(node: World, calls: int, of: str = "") -> dict[str, str]:
    """Return what was found wrong, by method, address and kind of call."""
    document = schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", WSGIHandler())
    found = {}
    for operation in (result.ok() for result in document.get_all_operations()):
        for kind in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if of in operation.label and (wrong := _tried(operation, kind, node, calls)):
                found[f"{operation.label}, {kind.value}"] = wrong
    return found


def _tried(operation: Any, kind: GenerationMode, node: World, calls: int) -> str:
    @hypothesis.given(case=operation.as_strategy(generation_mode=kind))
    @hypothesis.settings(
        max_examples=calls,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def answered_soundly(case: Any) -> None:
        for name in PEOPLE:
            _call(case, node.tokens[name])

    try:
        answered_soundly()
    except Unsatisfiable:  # what takes no value cannot be given an unsound one
        return ""
    except BaseExceptionGroup as wrong:
        return "\n".join(str(each) for each in wrong.exceptions)
    return ""


def _call(case: Any, token: str) -> None:
    cache.clear()  # no call is refused for the number of those before it
    unasked = [positive_data_acceptance]
    if case.method == "GET":  # a filter that makes no sense is left aside, as lists on the web do
        unasked.append(negative_data_rejection)
    with undone():
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, excluded_checks=unasked)


@pytest.mark.prove
@pytest.mark.filterwarnings("ignore:Exception ignored in.*upload:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("_one_connection")
def test_no_made_up_call_finds_a_fault(node: World) -> None:
    found = findings(node, CALLS)
    assert not found, "\n\n".join(f"{call}\n{wrong}" for call, wrong in found.items())


@pytest.mark.prove
@pytest.mark.filterwarnings("ignore:Exception ignored in.*upload:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("_one_connection")
def test_a_view_that_fails_is_found(node: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: Any, request: Any) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(budgets.MyBudgets, "get", failing)
    assert "Server error" in "".join(findings(node, 1, of="GET /api/v1/budgets/").values())
