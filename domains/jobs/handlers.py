"""Who does which kind of job. Apps above register theirs, so this table need not know them."""

from __future__ import annotations

from collections.abc import Callable

from domains.jobs.actions import Claim
from domains.jobs.models import JobKind

Handler = Callable[[Claim], None]

_registry: dict[str, Handler] = {}


def register(kind: JobKind | str, handler: Handler) -> None:
    """Name the one function that does jobs of `kind`; it must bear being called twice for one job."""
    _registry[str(kind)] = handler


def of(kind: str) -> Handler:
    """Return the handler of `kind`; KeyError when no installed app does such jobs."""
    return _registry[kind]
