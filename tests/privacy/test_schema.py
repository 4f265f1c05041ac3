"""A schema says everything in public and contradicts itself nowhere."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from privacy.errors import SchemaInvalid
from privacy.query.reference import EXAMPLE
from privacy.schema import Column, Kind, Table
from privacy.unit import PrivacyUnit

UNIT = PrivacyUnit("who", 2, 3)


def test_a_table_survives_its_json() -> None:
    assert Table.from_dict(EXAMPLE.to_dict()) == EXAMPLE


def test_bounds_have_one_spelling() -> None:
    column = Column("x", Kind.DECIMAL, Decimal("0.00"), Decimal("1E+2"), Decimal("0.50"))
    assert (column.to_dict()["lower"], column.to_dict()["upper"], column.to_dict()["step"]) == (
        "0",
        "100",
        "0.5",
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "a\nb"},
        {"name": "_ROW"},
        {"name": "x" * 200},
        {"kind": "number"},
        {"lower": Decimal(0)},
        {"lower": Decimal(2), "upper": Decimal(1)},
        {"lower": Decimal("NaN"), "upper": Decimal(1)},
        {"lower": "zero", "upper": Decimal(1)},
        {"lower": True, "upper": Decimal(1)},
        {"lower": Decimal(0), "upper": Decimal(2**60)},
        {"lower": Decimal(0), "upper": Decimal("1.5")},
        {"lower": Decimal(0), "upper": Decimal(1), "kind": Kind.TEXT},
        {"lower": Decimal(0), "upper": Decimal(1), "kind": Kind.DATE},
        {"lower": Decimal(1), "upper": Decimal(4_000_000), "kind": Kind.DATE},
        {"lower": Decimal(1), "upper": Decimal("1.5"), "kind": Kind.DATE},
        {"lower": Decimal(9), "upper": Decimal(8), "kind": Kind.DATE},
        {"lower": Decimal(1), "upper": Decimal(9), "step": Decimal(2), "kind": Kind.DATE},
        {"step": Decimal(0)},
        {"step": Decimal(-1)},
        {"step": None},
        {"kind": Kind.DECIMAL, "lower": Decimal(0), "upper": Decimal(2**52), "step": Decimal("1e-9")},
        {"kind": Kind.CATEGORY},
        {"kind": Kind.TEXT, "codes": ("a",)},
        {"kind": Kind.CATEGORY, "codes": ("a", 1)},
        {"kind": Kind.CATEGORY, "codes": (1.5,)},
        {"kind": Kind.INTEGER, "codes": ("a",)},
        {"kind": Kind.CATEGORY, "codes": ("a", "a")},
        {"kind": Kind.CATEGORY, "codes": ("a\x00b",)},
        {"kind": Kind.CATEGORY, "codes": (2**60,)},
        {"missing": (5,)},
        {"nullable": "yes"},
        {"description": None},
    ],
)
def test_a_contradictory_column_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(SchemaInvalid):
        Column(**{"name": "x", "kind": Kind.INTEGER, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [
        {"name": "x"},
        {"name": "x", "kind": "number"},
        {"name": "x", "kind": "integer", "extra": 1},
        {"name": "x", "kind": "category", "codes": "ab"},
    ],
)
def test_a_column_is_read_strictly(data: dict[str, object]) -> None:
    with pytest.raises(SchemaInvalid):
        Column.from_dict(data)


def test_names_that_differ_by_case_only_are_refused() -> None:
    with pytest.raises(SchemaInvalid, match="case"):
        Table("t", (Column("a", Kind.TEXT), Column("A", Kind.TEXT)), UNIT, 10)


@pytest.mark.parametrize("size", [0, -1, 10**13, "many"])
def test_the_size_bound_is_a_positive_number(size: object) -> None:
    with pytest.raises(SchemaInvalid):
        Table("t", (Column("a", Kind.TEXT),), UNIT, size)  # type: ignore[arg-type]


def test_a_table_needs_columns_and_is_read_strictly() -> None:
    with pytest.raises(SchemaInvalid):
        Table("t", (), UNIT, 10)
    for change in ({"extra": 1}, {"columns": 3}, {"unit": 3}):
        with pytest.raises(SchemaInvalid):
            Table.from_dict({**EXAMPLE.to_dict(), **change})


@pytest.mark.parametrize(
    "args", [("who", 0, 1), ("who", 1, 0), (None, 2, 1), ("", 1, 1), ("_row", 1, 1), ("who", True, 1)]
)
def test_contribution_bounds_are_positive_and_a_row_has_one(args: tuple[str | None, int, int]) -> None:
    with pytest.raises(SchemaInvalid):
        PrivacyUnit(*args)


@pytest.mark.parametrize("change", [{"column": 5}, {"max_groups": "2"}, {"max_rows": None}])
def test_a_unit_is_read_strictly(change: dict[str, object]) -> None:
    with pytest.raises(SchemaInvalid):
        PrivacyUnit.from_dict({**UNIT.to_dict(), **change})


def test_a_unit_of_rows_is_counted_by_its_row_number() -> None:
    assert (PrivacyUnit(None, 1, 1).name, UNIT.name) == ("_row", "who")
    assert PrivacyUnit.from_dict(UNIT.to_dict()) == UNIT


def test_a_dates_bounds_are_days_in_json_and_ordinals_in_the_value() -> None:
    data = {"name": "seen", "kind": "date", "lower": "1989-06-12", "upper": "1994-12-31"}
    column = Column.from_dict(data)
    assert (column.lower, column.upper) == (date(1989, 6, 12).toordinal(), date(1994, 12, 31).toordinal())
    assert (column.to_dict()["lower"], column.to_dict()["upper"]) == ("1989-06-12", "1994-12-31")
    assert Column.from_dict(column.to_dict()) == column


@pytest.mark.parametrize(
    "bound", ["726265", "1989-6-12", "19890612", "1989-W24-1", "1989-02-30", "x" * 10, 3]
)
def test_a_dates_bound_is_read_as_a_day_only(bound: object) -> None:
    with pytest.raises(SchemaInvalid, match="YYYY-MM-DD"):
        Column.from_dict({"name": "seen", "kind": "date", "lower": bound, "upper": "1994-12-31"})


MAIN = Table("patients", (Column("sex", Kind.TEXT),), UNIT, 10)
VISITS = Table("visits", (Column("day", Kind.DATE),), PrivacyUnit("patient", 1, 9), 10)
GROUPS = Table(
    "groups",
    (Column("code", Kind.TEXT), Column("name", Kind.TEXT)),
    PrivacyUnit(None, 1, 1),
    50,
    is_public=True,
    key="code",
)


def test_a_dataset_of_several_tables_survives_its_json() -> None:
    table = replace(MAIN, others=(VISITS, GROUPS))
    assert Table.from_dict(table.to_dict()) == table
    assert [each.name for each in table.tables] == ["patients", "visits", "groups"]
    assert (table.find_table("VISITS"), table.find_table("wards")) == (VISITS, None)


def test_a_single_table_is_read_without_naming_the_rest() -> None:
    data = {
        name: value for name, value in MAIN.to_dict().items() if name not in ("others", "is_public", "key")
    }
    assert Table.from_dict(data) == MAIN


@pytest.mark.parametrize(
    "change",
    [
        {"others": (VISITS, VISITS)},
        {"others": (replace(VISITS, name="Patients"),)},
        {"others": (replace(MAIN, name="nest", others=(VISITS,)),)},
        {"others": (replace(VISITS, unit=PrivacyUnit(None, 1, 1)),)},
        {"others": (VISITS,), "unit": PrivacyUnit(None, 1, 1)},
        {"others": tuple(replace(VISITS, name=f"t{number}") for number in range(40))},
        {"key": "sex"},
        {"is_public": "yes"},
        {"is_public": True, "key": "sex"},
    ],
)
def test_tables_that_do_not_belong_together_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SchemaInvalid):
        replace(MAIN, **change)


@pytest.mark.parametrize("change", [{"key": None}, {"key": "CODE"}, {"unit": UNIT}, {"others": (VISITS,)}])
def test_a_public_table_has_a_key_and_protects_nobody(change: dict[str, Any]) -> None:
    with pytest.raises(SchemaInvalid):
        replace(GROUPS, **change)


def test_rows_as_units_still_look_up_public_tables() -> None:
    assert replace(MAIN, unit=PrivacyUnit(None, 1, 1), others=(GROUPS,)).others == (GROUPS,)


@pytest.mark.parametrize("others", [3, "ab", [3]])
def test_further_tables_are_read_strictly(others: object) -> None:
    with pytest.raises(SchemaInvalid):
        Table.from_dict({**MAIN.to_dict(), "others": others})
