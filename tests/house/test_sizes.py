"""Small rooms: a module under 300 lines, a function of at most 40 without its docstring. Nothing is excused."""

import ast

import pytest

from tests.house.source import modules, tree

MOST_LINES, MOST_IN_FUNCTION = 300, 40


@pytest.mark.parametrize("module", modules())
def test_a_module_fits_on_a_few_screens(module):
    assert len(modules()[module].read_text().splitlines()) < MOST_LINES


@pytest.mark.parametrize("module", modules())
def test_a_function_fits_on_one(module):
    long = [
        f"{node.name}: {lines}"
        for node in ast.walk(tree(modules()[module]))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := _lines(node)) > MOST_IN_FUNCTION
    ]
    assert long == []


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    docstring = first.end_lineno - first.lineno + 1 if ast.get_docstring(node) else 0
    return node.end_lineno - node.lineno + 1 - docstring
