"""The source as a value: what files there are, what functions they hold, and whom those lead to."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("privacy", "domains", "portal", "client")


@cache
def modules(*rooms: str) -> dict[str, Path]:
    """Return the Python modules of `rooms` (all without any) by dotted name; migrations are left out."""
    found = {}
    for room in rooms or ROOMS:
        base = ROOT / room if room == "client" else ROOT
        for path in sorted((ROOT / room).rglob("*.py")):
            if "migrations" not in path.parts:
                parts = path.relative_to(base).with_suffix("").parts
                found[".".join(part for part in parts if part != "__init__")] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text())


def committed() -> list[Path]:
    """Return the files that belong to the project: those git would take, ignored ones left out."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for line in listed.stdout.splitlines() if (path := ROOT / line).is_file()]


@dataclass(frozen=True)
class Function:
    """A function of a module; `name` is dotted below it."""

    module: str
    name: str
    node: ast.FunctionDef

    @property
    def is_public(self) -> bool:
        return not self.name.startswith("_")

    @property
    def is_outermost(self) -> bool:
        """Whether it opens the durable transaction itself, and so is what a face of the node calls."""
        return any(
            isinstance(node, ast.keyword) and node.arg == "durable" and ast.unparse(node.value) == "True"
            for node in ast.walk(self.node)
        )

    @property
    def keywords(self) -> set[str]:
        return {argument.arg for argument in self.node.args.kwonlyargs}


def functions(*rooms: str) -> Iterator[Function]:
    """Yield every top-level function of `rooms`."""
    for module, path in modules(*rooms).items():
        for node in tree(path).body:
            if isinstance(node, ast.FunctionDef):
                yield Function(module, node.name, node)


def imported(module: ast.Module) -> dict[str, str]:
    """Return what each name that a module imports stands for, dotted."""
    names = {}
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Import):
            names |= {a.asname or a.name: a.name for a in node.names}
    return names


@cache
def leads_to(function: str) -> frozenset[str]:
    """Return the dotted names that a function mentions, its own helpers' included, however deep."""
    graph, seen, waiting = _graph(), set(), [function]
    while waiting:
        here = waiting.pop()
        if here not in seen:
            seen.add(here)
            waiting += graph.get(here, ())
    return frozenset(seen)


@cache
def _graph() -> dict[str, frozenset[str]]:
    """Return, for each top-level name of `domains`, the dotted names it mentions."""
    graph = {}
    for module, path in modules("domains").items():
        body = tree(path)
        names = imported(body)
        for node in body.body:
            for name in _defined(node):
                names.setdefault(name, f"{module}.{name}")
        for node in body.body:
            mentions = frozenset(_mentions(node, names))
            graph |= {f"{module}.{name}": mentions for name in _defined(node)}
    return graph


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _mentions(node: ast.AST, names: dict[str, str]) -> Iterator[str]:
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and child.id in names:
            yield names[child.id]
        elif isinstance(child, ast.Attribute) and getattr(child.value, "id", None) in names:
            yield f"{names[child.value.id]}.{child.attr}"
