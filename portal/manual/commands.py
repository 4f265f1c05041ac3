"""The commands of a node, and those of the Makefile."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings
from django.core.management import get_commands, load_command_class

from portal.manual.tables import table


def names() -> list[str]:
    """Return the names of this project's own management commands."""
    return sorted(name for name, app in get_commands().items() if str(app).startswith(("portal", "domains")))


def page() -> str:
    """Return the page."""
    ours = [(f"`manage.py {name}`", str(load_command_class(_app(name), name).help)) for name in names()]
    text = (Path(settings.BASE_DIR) / "Makefile").read_text()
    targets = [(f"`make {name}`", words) for name, words in re.findall(r"^([a-z]+):.*?## (.+)$", text, re.M)]
    return "\n\n".join(
        [
            "# Commands",
            "## Make",
            table(("Command", "What it does"), targets),
            "## The node",
            "Run with the node's environment, as `.venv/bin/python manage.py …`; `--help` explains each.",
            table(("Command", "What it does"), ours),
        ]
    )


def _app(name: str) -> str:
    return str(get_commands()[name])
