"""Tables in the documentation whose last columns name the tests that show each row."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache

from tests.house.source import ROOT

_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@dataclass(frozen=True)
class Row:
    """One row of a table: its first cell, and for each further column the tests that it names."""

    name: str
    cells: tuple[str, ...]

    def tests(self, column: int) -> list[tuple[str, str]]:
        """Return (file, test) for each test that a cell names."""
        return _TEST.findall(self.cells[column])


def rows(text: str) -> list[Row]:
    """Return the rows of a page's first table."""
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    split = [[cell.strip() for cell in line.strip().strip("|").split(" | ")] for line in lines]
    return [Row(cells[0].strip("| "), tuple(cells)) for cells in split]


def page(name: str) -> list[Row]:
    """Return the rows of a page under docs/explanation."""
    return rows((ROOT / "docs" / "explanation" / name).read_text())


@cache
def tests_of(file: str) -> frozenset[str]:
    """Return the names of the tests of a file; none where there is no such file."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def missing(row: Row, column: int) -> list[str]:
    """Return the tests that a cell names and that are not there."""
    return [f"{file}::{name}" for file, name in row.tests(column) if name not in tests_of(file)]
