"""Which pages there are, and whether those on disk are what the code says."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from django.conf import settings

from portal.manual import api, commands, errors, settings_page, sql, states
from portal.reference import permissions_markdown

FOLDER = Path(settings.BASE_DIR) / "docs" / "reference"
NOTE = "<!-- Written by `make reference` from the code; change the code, not this page. -->\n\n"

PAGES: dict[str, Callable[[], str]] = {
    "api.md": api.page,
    "commands.md": commands.page,
    "errors.md": errors.page,
    "permissions.md": permissions_markdown,
    "settings.md": settings_page.page,
    "sql.md": sql.page,
    "states.md": states.page,
}


@cache
def rendered() -> dict[str, str]:
    """Return each page's file name and full text; the code does not change while it runs."""
    return {name: NOTE + page().strip() + "\n" for name, page in PAGES.items()}


def stale(folder: Path = FOLDER) -> list[str]:
    """Name the pages in `folder` that differ from what the code says, absent ones included."""
    return [
        name
        for name, text in rendered().items()
        if not (folder / name).exists() or (folder / name).read_text() != text
    ]


def write(folder: Path = FOLDER) -> list[str]:
    """Write the pages that differ and return their names."""
    changed = stale(folder)
    folder.mkdir(parents=True, exist_ok=True)
    texts = rendered()
    for name in changed:
        (folder / name).write_text(texts[name])
    return changed
