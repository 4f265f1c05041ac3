"""Work that tidies up, run every few seconds by the dispatcher: idempotent, and no rule depends on it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from domains.jobs import actions

log = logging.getLogger(__name__)
Sweep = Callable[[datetime], object]

_registry: list[Sweep] = [actions.expire]


def register(sweep: Sweep) -> None:
    """Add a sweep, once; it is called with the present time."""
    if sweep not in _registry:
        _registry.append(sweep)


def run_all(now: datetime) -> None:
    """Run every sweep; one that fails does not stop the others and is tried again next time."""
    for sweep in tuple(_registry):
        try:
            sweep(now)
        except Exception as error:
            name = f"{sweep.__module__}.{getattr(sweep, '__name__', 'sweep')}"
            log.error("a sweep failed: %s", name, exc_info=error)
