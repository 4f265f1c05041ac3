"""Of many calls at once under one key exactly one is made."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from domains.projects.models import Project
from tests import cast
from tests.portal.api.kit import Client, call_as

pytestmark = pytest.mark.django_db(transaction=True)
CALLERS = 8


def at_once(client: Client, body: dict[str, object], keys: list[str | None]) -> Counter[int]:
    """Send the same proposal from many threads at the same moment; return how often each status came back."""
    gate = Barrier(len(keys))

    def send(key: str | None) -> int:
        try:
            caller = Client("")
            caller.http.credentials(**client.http._credentials)
            gate.wait(10)
            return int(caller.post("projects/", body, key=key).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(keys)) as pool:
        return Counter(pool.map(send, keys))


@pytest.fixture
def proposal() -> tuple[Client, dict[str, object]]:
    given = cast.cast()
    cast.dataset(given)
    words = {"area": "intensive-care", "title": "Costs", "lay_summary": "Costs.", "purpose": "Fair payment."}
    return call_as(given.sam), words | {"datasets": ["support2"]}


def test_one_project_comes_of_many_calls_under_one_key(proposal):
    client, body = proposal
    answers = at_once(client, body, ["same"] * CALLERS)
    assert Project.objects.count() == 1
    assert set(answers) <= {201, 409}
    assert answers[201] >= 1
    assert client.post("projects/", body, key="same").status_code == 201  # the stored answer
    assert Project.objects.count() == 1


def test_without_a_key_each_call_is_made(proposal):
    """The harness itself: the same calls do race, and only the key keeps them to one."""
    client, body = proposal
    answers = at_once(client, body, [None] * 3)
    assert answers == {201: 3}
    assert Project.objects.count() == 3
