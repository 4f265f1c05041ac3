"""Names and texts as our own SQL writes them: quoted, whatever they hold."""

from __future__ import annotations

from collections.abc import Sequence

from privacy.errors import EngineFault


def name_sql(name: str) -> str:
    """Return `name` as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def text_sql(text: str) -> str:
    """Return `text` as a quoted literal, which knows no escapes; raise EngineFault for one with a zero byte."""
    if "\0" in text:
        raise EngineFault("A literal cannot be written.")
    return "'" + text.replace("'", "''") + "'"


def list_sql(texts: Sequence[str]) -> str:
    """Return `texts` as a bracketed list of literals."""
    return "[" + ", ".join(text_sql(text) for text in texts) + "]"
