"""People to tell, mail that works, and a receiver of webhooks on this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.utils import timezone

from domains.people.models import User
from domains.people.permissions import Role
from tests.cast import person

LOCMEM = "django.core.mail.backends.locmem.EmailBackend"


@pytest.fixture(autouse=True)
def _no_mail(settings: Any) -> None:
    """Send no mail but where a test says so."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"


@pytest.fixture
def sam(db: None) -> User:
    return person("Sam", Role.SCIENTIST)


@pytest.fixture
def rita(db: None) -> User:
    return person("Rita", Role.REVIEWER)


@pytest.fixture
def ada(db: None) -> User:
    return person("Ada", Role.ADMINISTRATOR)


@pytest.fixture
def mail_works(settings: Any) -> None:
    settings.EMAIL_BACKEND = LOCMEM


@pytest.fixture
def later() -> Callable[..., datetime]:
    """A moment from now: `later(hours=1)`."""
    return lambda **span: timezone.now() + timedelta(**span)


class Receiver:
    """What somebody outside runs: keeps what it was told, and answers as a test says."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.calls.append(({key.lower(): value for key, value in self.headers.items()}, body))
                code, headers = receiver.answers.pop(0) if receiver.answers else (204, {})
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *words: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    """A receiver that the settings allow, as on a closed network."""
    settings.WEBHOOK_HTTP, settings.WEBHOOK_NETWORKS = True, ["127.0.0.0/8"]
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()
