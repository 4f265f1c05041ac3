"""The client against the real portal, without a socket: httpx hands each call to the WSGI application."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import gridhouse
import httpx
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from gridhouse import queries, session

from tests.world import World, answer, built, node

__all__ = ["answer", "built", "node"]


@pytest.fixture
def application() -> Iterator[WSGIHandler]:
    """Return the portal's application; the test's transaction outlives each call, so connections stay open."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield WSGIHandler()
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def connect(node: World, application: WSGIHandler) -> Iterator[Callable[[str], gridhouse.Client]]:
    """Return a way in for each of the cast: `connect("sam")`."""
    opened = []

    def connecting(name: str) -> gridhouse.Client:
        transport = httpx.WSGITransport(app=application)
        client = gridhouse.connect("http://localhost", node.tokens[name], transport=transport)
        opened.append(client)
        return client

    yield connecting
    for client in opened:
        client.close()


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make waiting between two looks take no time."""
    monkeypatch.setattr(session.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(queries.time, "sleep", lambda seconds: None)
