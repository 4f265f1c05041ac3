"""Every error code that can leave the node, found where it is raised."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings

from domains.errors import DomainError
from portal.errors import TABLE
from portal.manual.tables import table
from privacy.errors import PrivacyError

INTRODUCTION = """# Errors

The API answers an error as `application/problem+json` (RFC 9457) with `status`, `title`, `code` and `detail`;
pages show the same title and detail. `code` is stable: programs may rely on it. The Python client raises an
exception of the class's name. No error ever carries a private value."""
ROOMS = ("domains", "privacy", "portal")


@dataclass(frozen=True)
class Raised:
    """One place that raises an error: its class, its code and its text, `…` standing for what varies."""

    kind: str
    code: str
    text: str


def family() -> dict[str, type[Exception]]:
    """Return the error classes by name, those of all rooms included."""
    known: dict[str, type[Exception]] = {}
    waiting: list[type[Exception]] = [DomainError, PrivacyError]
    while waiting:
        kind = waiting.pop()
        known[kind.__name__] = kind
        waiting += kind.__subclasses__()
    return known


@cache
def raised() -> list[Raised]:
    """Return every place in the code that makes an error with a code of its own."""
    known = family()
    found = set()
    for room in ROOMS:
        for path in sorted((Path(settings.BASE_DIR) / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and (kind := _name(node.func)) in known:
                    found |= _made(node, kind)
    return sorted(found, key=lambda one: (one.code, one.kind, one.text))


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _made(call: ast.Call, kind: str) -> set[Raised]:
    arguments = call.args
    if kind == "QueryRejected":  # code, clause, text, alternative
        if len(arguments) < 3 or not isinstance(arguments[0], ast.Constant):
            return set()
        return {Raised(kind, str(arguments[0].value), _words(arguments[2]))}
    codes = [k.value.value for k in call.keywords if k.arg == "code" and isinstance(k.value, ast.Constant)]
    return {Raised(kind, str(code), _words(arguments[0]) if arguments else "") for code in codes if code}


def _words(node: ast.expr) -> str:
    """Return the text that an expression shows, with `…` for what is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(p.value) if isinstance(p, ast.Constant) else "…" for p in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _words(node.left) + _words(node.right)
    return "…"


def page() -> str:
    """Return the page."""
    classes = [
        (f"`{kind.__name__}`", str(status), f"`{getattr(kind, 'code', '')}`", title, _first_line(kind))
        for kind, (status, title) in TABLE.items()
    ]
    by_code: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in raised():
        by_code[one.code, one.kind].append(one.text)
    rows = [
        (f"`{code}`", f"`{kind}`", " / ".join(dict.fromkeys(t for t in texts if t)))
        for (code, kind), texts in sorted(by_code.items())
    ]
    return "\n\n".join(
        [
            INTRODUCTION,
            "## Classes",
            table(("Class", "Status", "Code unless a closer one is given", "Title", "Meaning"), classes),
            "Any other failure of the computation is a 500 with code `computation_failed` and a fixed text.",
            "While the database or the cache is away: a 503 with code `service_unavailable`; nothing was changed.",
            "## Codes",
            table(("Code", "Class", "What it says"), rows),
        ]
    )


def _first_line(kind: type[Exception]) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]
