"""Every row of the table of unhappy paths is shown by tests that exist."""

from __future__ import annotations

import pytest

from tests.house.proofs import Row, missing, page, rows

ROWS = page("unhappy-paths.md")
SHOWN = 4
# Rows whose rooms are being built; each ends here when its tests are there.
LATER = {
    "The only owner of a dataset leaves": "people who leave",
    "A member is taken off a project": "people who leave",
}
TRIGGERS = 21  # as the specification lists them


def _id(row: Row) -> str:
    return row.name


def test_the_table_is_whole():
    assert len(ROWS) == TRIGGERS
    assert len({row.name for row in ROWS}) == TRIGGERS
    assert all(len(row.cells) == SHOWN + 1 for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=_id)
def test_each_row_says_what_happens_and_is_shown(row: Row):
    assert all(row.cells)
    assert bool(row.tests(SHOWN)) != (row.name in LATER)
    assert missing(row, SHOWN) == []


def test_nothing_is_later_that_is_no_row():
    assert set(LATER) <= {row.name for row in ROWS}


def test_a_row_whose_test_is_gone_would_be_seen():
    (row,) = rows(
        "| T | S | B | W | By |\n|---|---|---|---|---|\n| It | x | y | z | `tests/house/test_sizes.py::test_gone` |"
    )
    assert missing(row, SHOWN) == ["tests/house/test_sizes.py::test_gone"]
