"""What crosses a child's socket, frame by frame, without a fork: facts, then an answer or a public code, nothing else.

What the fork server does with processes and limits is in `test_children`, with real ones.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from domains.jobs import forkserver, frames
from privacy.errors import PrivacyError, QueryRejected

SECRET = "the canary value 4711"
Frame = tuple[bytes, bytes]


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Let a test say what a job prepares; an error is raised instead."""

    def name(prepared: Any) -> None:
        def prepare(spec: object) -> Any:
            if isinstance(prepared, BaseException):
                raise prepared
            return prepared

        monkeypatch.setattr(forkserver, "load", lambda target: {"the:target": prepare}[target])

    return name


def running(run: Callable[..., Any], **parts: Any) -> SimpleNamespace:
    return SimpleNamespace(run=run, **parts)


def raising(error: BaseException) -> Callable[..., Any]:
    def run(**payload: Any) -> Any:
        raise error

    return run


def spoken(*said: Frame) -> list[Frame]:
    """Say the worker's frames to a child and return the child's, until it is done."""
    ours, theirs = socket.socketpair()
    with ours:
        for tag, body in said:
            frames.send(ours, tag, body)
        ours.shutdown(socket.SHUT_WR)
        with theirs:
            forkserver.serve_child(theirs, {"job": "the:target"}, limit=False)
        heard: list[Frame] = []
        while True:
            try:
                heard.append(frames.receive(ours))
            except frames.Closed:
                return heard


def start(name: str = "job") -> Frame:
    return frames.START, json.dumps({"entry": name, "spec": {}}).encode()


GO = (frames.GO, b'{"x": 1}')


def test_a_job_says_its_facts_and_after_the_word_its_answer(entry) -> None:
    entry(running(lambda x: b"answer %d" % x, facts={"rows": 3}))
    assert spoken(start(), GO) == [(frames.FACTS, b'{"rows": 3}'), (frames.ANSWER, b"answer 1")]


def test_an_answer_may_know_its_own_bytes(entry) -> None:
    entry(running(lambda x: SimpleNamespace(to_bytes=lambda: b"mine")))
    assert spoken(start(), GO) == [(frames.FACTS, b"{}"), (frames.ANSWER, b"mine")]


def test_without_the_word_nothing_runs(entry) -> None:
    entry(running(raising(AssertionError("it ran"))))
    assert spoken(start()) == [(frames.FACTS, b"{}")]
    assert spoken(start(), (frames.START, b"{}")) == [(frames.FACTS, b"{}")]


def test_what_does_not_begin_with_a_start_is_not_served(entry) -> None:
    entry(AssertionError("it was prepared"))
    assert spoken(GO) == []
    assert spoken() == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (QueryRejected("unknown_table", "FROM", SECRET), b"unknown_table"),
        (PrivacyError(SECRET, code="A code with " + SECRET), b"computation_failed"),
        (ValueError(SECRET), b"computation_failed"),
        (MemoryError(SECRET), b"computation_failed"),
        (SystemExit(SECRET), b"computation_failed"),
        (KeyboardInterrupt(SECRET), b"computation_failed"),
    ],
)
def test_of_an_error_only_a_public_code_crosses(entry, error: BaseException, code: bytes) -> None:
    entry(running(raising(error)))
    assert spoken(start(), GO) == [(frames.FACTS, b"{}"), (frames.ERROR, code)]
    entry(error)
    assert spoken(start(), GO) == [(frames.ERROR, code)]


def test_an_error_of_others_with_a_code_of_its_own_says_nothing_by_it(entry) -> None:
    error = ValueError()
    error.code = "diagnosis_c34"  # type: ignore[attr-defined]
    entry(running(raising(error)))
    assert spoken(start(), GO)[-1] == (frames.ERROR, b"computation_failed")


def test_only_what_the_server_lists_can_be_named(entry) -> None:
    entry(running(raising(AssertionError("it ran"))))
    assert spoken(start("os:system"), GO) == [(frames.ERROR, b"computation_failed")]


def test_every_listed_entry_is_there() -> None:
    assert all(callable(forkserver.load(target)) for target in forkserver.ENTRIES.values())


def test_a_library_that_does_not_load_is_named_without_its_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str) -> None:
        raise ImportError(SECRET)

    monkeypatch.setattr(forkserver.importlib, "import_module", broken)
    forkserver.preload("duckdb")
    assert capsys.readouterr().err == "fork server: duckdb does not load: ImportError\n"
