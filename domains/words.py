"""Checks of what people type, shared by the rooms above; each error names the field and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction

from domains.errors import InvalidInput


def text(value: str, field: str, *, most: int, least: int = 1) -> str:
    """Return `value` without outer blanks; raise InvalidInput unless it has `least` to `most` characters."""
    if not isinstance(value, str):
        raise InvalidInput(f"The {field} must be text.", code="text_invalid")
    trimmed = value.strip()
    if not least <= len(trimmed) <= most or "\0" in trimmed:
        size = f"between {least} and {most:,}" if least else f"at most {most:,}"
        raise InvalidInput(f"The {field} needs {size} characters.", code="text_invalid")
    return trimmed


def stated_reason(value: str) -> str:
    """Return a reason as it will stand in the log, or raise InvalidInput: those affected must learn why."""
    return text(value, "reason", most=300)


@contextmanager
def once(message: str, *, code: str = "taken") -> Iterator[None]:
    """Turn a broken unique constraint in this block into InvalidInput; the outer transaction stays usable."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise InvalidInput(message, code=code) from error
