"""The SQL that can be asked, from the engine's own tables."""

from __future__ import annotations

from privacy.query import reference


def page() -> str:
    """Return the page."""
    return reference.markdown()
