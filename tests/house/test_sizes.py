"""Small rooms: a module under 300 lines, a function of at most 40, blank lines and docstrings apart."""

import ast

import pytest

from tests.house.source import ROOMS, modules, tree

MOST_LINES, MOST_IN_FUNCTION = 300, 40
LARGER = {"gridhouse.verify": 520}  # outsiders copy it and read it alone, so it stays one file
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _docstring(node: ast.AST) -> int:
    """Count the lines of a docstring: words are not what makes a room large."""
    if not isinstance(node, DOCUMENTED) or not ast.get_docstring(node):
        return 0
    return node.body[0].end_lineno - node.body[0].lineno + 1


@pytest.mark.parametrize("room", ROOMS)
def test_a_module_fits_on_a_few_screens(room):
    sizes = {}
    for name, path in modules(room).items():
        lines = sum(1 for line in path.read_text().splitlines() if line.strip())
        sizes[name] = lines - sum(_docstring(node) for node in ast.walk(tree(path)))
    assert {name: size for name, size in sizes.items() if size >= LARGER.get(name, MOST_LINES)} == {}


@pytest.mark.parametrize("room", ROOMS)
def test_a_function_fits_on_one(room):
    long = {}
    for name, path in modules(room).items():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                long[f"{name}.{node.name}"] = node.end_lineno - node.lineno + 1 - _docstring(node)
    assert {name: size for name, size in long.items() if size > MOST_IN_FUNCTION} == {}
