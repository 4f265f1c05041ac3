"""The sweep that carries notices outward, on threads of its own: a slow server delays no job and no decision."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

from django.conf import settings
from django.db import connection
from django.utils import timezone

from domains.delivery import calls, mail, routing, trying
from domains.delivery.models import Channel

logger = logging.getLogger(__name__)

AT_ONCE = 4  # webhooks that are called side by side
_routing, _running = threading.Lock(), {"mail": threading.Lock(), "webhook": threading.Lock()}
T = TypeVar("T")
U = TypeVar("U")


def start(now: datetime | None = None) -> list[str]:
    """Start what there is to do unless it is running; return which threads were started.

    The sweep that the dispatcher calls every few seconds: two short queries when there is nothing to do.
    """
    now = now or timezone.now()
    with _routing:
        while routing.route(now) == routing.BATCH:
            pass
    if not settings.SENDS_NOTICES:  # another worker, which has a way out, sends them
        return []
    works = {"mail": (Channel.MAIL, mail.send), "webhook": (Channel.WEBHOOK, _call)}
    return [
        name
        for name, (channel, send) in works.items()
        if trying.due(channel, now).exists() and _start(name, send)
    ]


def _start(name: str, send: Callable[[datetime], int]) -> bool:
    if not _running[name].acquire(blocking=False):
        return False
    threading.Thread(target=_run, args=(name, send), name=f"delivery-{name}", daemon=True).start()
    return True


def _run(name: str, send: Callable[[datetime], int]) -> None:
    try:
        send(timezone.now())
    except Exception:  # a thread that dies silently would be worse; the next sweep tries again
        logger.exception("a delivery sweep failed")
    finally:
        connection.close()
        _running[name].release()


def _call(now: datetime) -> int:
    return calls.send(now, _side_by_side)


def _side_by_side(function: Callable[[T], U], items: Iterable[T]) -> list[U]:
    """Do the same to each item on a few threads, each of which closes its database connection."""

    def one(item: T) -> U:
        try:
            return function(item)
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="delivery-call") as pool:
        return list(pool.map(one, items))
