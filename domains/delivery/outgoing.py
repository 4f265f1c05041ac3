"""One POST to a webhook: to the pinned address, no redirects, no proxy, within seconds, and its answer unread."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping

from domains.delivery import guard
from domains.delivery.guard import Place
from domains.delivery.policy import Outcome, judge

STEP = 5.0  # seconds for each wait: to connect, for each packet
WHOLE = 15.0  # seconds for all of it: whoever drips bytes is cut off
MOST = 4096  # bytes of an answer's body that are taken, and thrown away


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, whatever its host is said to be elsewhere; TLS still proves the host's name."""

    def __init__(self, place: Place, address: str) -> None:
        super().__init__(place.host, place.port, timeout=STEP)
        self._place, self._address = place, address
        self.plain: socket.socket | None = None
        self.is_cut = False

    def connect(self) -> None:
        self.plain = socket.create_connection((self._address, self._place.port), STEP)
        self.sock = self.plain
        if self._place.is_tls:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.plain, server_hostname=self._place.host)

    def cut(self) -> None:
        """End it from another thread, whatever it waits for."""
        self.is_cut = True
        for sock in (self.sock, self.plain):
            with contextlib.suppress(OSError):  # closed already
                if sock is not None:
                    sock.shutdown(socket.SHUT_RDWR)


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
    """Send one message and say what became of it; never raises for the other side."""
    try:
        place = guard.parse(url)
        connection = _Pinned(place, guard.pin(place))
    except guard.Refused as refusal:
        return Outcome(refusal.code)
    except guard.InvalidInput as error:  # the settings became stricter since it was added
        return Outcome(error.code, is_final=True)
    watch = threading.Timer(WHOLE, connection.cut)
    watch.daemon = True
    watch.start()
    try:
        outcome = _exchange(connection, place.path, body, headers)
        return Outcome("timed_out") if connection.is_cut else outcome
    finally:
        watch.cancel()
        connection.close()


def _exchange(connection: _Pinned, path: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
    sent = {
        "content-type": "application/json",
        "user-agent": "Gridhouse-Webhooks/1",
        "connection": "close",
        **headers,
    }
    try:
        connection.request("POST", path, body, sent)
        answer = connection.getresponse()
        status = answer.status
    except TimeoutError:
        return Outcome("timed_out")
    except ssl.SSLError:
        return Outcome("tls_failed")
    except (OSError, http.client.HTTPException, ValueError):
        return Outcome("unreachable")
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        answer.read(MOST)  # a courtesy to the sender; how it ends changes nothing
    return judge(status)
