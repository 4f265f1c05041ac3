"""Every rule of the separation of duties is shown by a test of its guard and one that breaks it by raw SQL."""

from __future__ import annotations

import pytest

from tests.house.proofs import Row, missing, page

ROWS = page("separation-of-duties.md")
GUARD, DATABASE = 1, 2
# Where there is nothing that a constraint could say.
GUARD_ALONE = {"S8", "S10"}


def _id(row: Row) -> str:
    return row.name.split()[0]


def test_the_table_is_whole():
    assert [_id(row) for row in ROWS] == [f"S{number}" for number in range(1, 12)]


@pytest.mark.parametrize("row", ROWS, ids=_id)
def test_each_rule_is_shown_by_its_guard_and_by_the_database(row: Row):
    assert row.tests(GUARD)
    assert bool(row.tests(DATABASE)) != (_id(row) in GUARD_ALONE)
    assert missing(row, GUARD) == []
    assert missing(row, DATABASE) == []
