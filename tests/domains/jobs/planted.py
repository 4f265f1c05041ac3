"""Jobs for children that do well or badly on purpose; named to a fork server by the tests that start it."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from privacy.errors import PrivacyError, QueryRejected

SECRET = "the canary value 4711"  # stands for a private value in an error's text


@dataclass
class Prepared:
    deed: str
    facts: dict[str, Any] = field(default_factory=dict)

    def run(self, **payload: Any) -> bytes:
        return DEEDS[self.deed](payload)


def prepare(spec: dict[str, Any]) -> Prepared:
    if spec.get("early"):
        DEEDS[spec["deed"]]({})
    return Prepared(spec["deed"], {"pid": os.getpid(), "group": os.getsid(0)})


def _echo(payload: dict[str, Any]) -> bytes:
    return repr(sorted(payload.items())).encode()


def _hog(payload: dict[str, Any]) -> bytes:
    return bytes(8 << 30)


def _sleep(payload: dict[str, Any]) -> bytes:
    time.sleep(60)
    return b""


def _crash(payload: dict[str, Any]) -> bytes:
    os.kill(os.getpid(), signal.SIGSEGV)
    return b""


def _leak(payload: dict[str, Any]) -> bytes:
    print(SECRET)
    print(SECRET, file=sys.stderr)
    raise ValueError(SECRET)


def _reject(payload: dict[str, Any]) -> bytes:
    raise QueryRejected("unknown_column", "where", SECRET)


def _forge(payload: dict[str, Any]) -> bytes:
    raise PrivacyError(SECRET, code=SECRET)


def _write(payload: dict[str, Any]) -> bytes:
    with open(payload["path"], "wb") as file:
        file.write(bytes(payload["size"]))
    return b"written"


def _spawn(payload: dict[str, Any]) -> bytes:
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    return str(pid).encode()


def _spin(payload: dict[str, Any]) -> bytes:
    while True:
        pass


def _know(payload: dict[str, Any]) -> bytes:
    names = sorted(name for name in sys.modules if name.split(".")[0] in {"django", "celery", "portal"})
    handles = sorted(
        os.readlink(f"/proc/self/fd/{n}")
        for n in os.listdir("/proc/self/fd")
        if n.isdigit() and int(n) > 2 and os.path.exists(f"/proc/self/fd/{n}")
    )
    return repr({"modules": names, "environ": dict(os.environ), "handles": handles}).encode()


def _long(payload: dict[str, Any]) -> bytes:
    return bytes(70 << 20)


DEEDS = {
    "echo": _echo, "hog": _hog, "sleep": _sleep, "crash": _crash, "leak": _leak, "reject": _reject, "forge": _forge,
    "write": _write, "spawn": _spawn, "spin": _spin, "know": _know, "long": _long,
}  # fmt: skip
