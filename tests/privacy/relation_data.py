"""A dataset of two private tables and a public one with hostile rows, and random queries that join and nest them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from privacy.schema import Column, Kind, Table
from privacy.unit import PrivacyUnit
from tests.privacy.engine_data import COLUMNS, NOTES, Bench, random_rows

Row = tuple[Any, ...]
DAYS = (None, "2019-12-31", "2020-02-29", "2020-07-01", "2021-12-31", "infinity", "-infinity", "9999-12-31")
TYPES = {
    "v": "_row BIGINT, who VARCHAR, y DOUBLE, k BIGINT, c VARCHAR, note VARCHAR, day DATE",
    "look": "_row BIGINT, id BIGINT, size DOUBLE, name VARCHAR",
}
LOOK = [
    (0, 0, 1.0, "m"),
    (1, 1, 2.5, "n"),
    (2, 2, None, "m"),
    (3, 5, 5.0, "zz"),
    (4, 9, 4.0, "n"),
    (5, 12, 3.0, "m"),
]


def _ordinal(year: int, month: int, day: int) -> Decimal:
    return Decimal(date(year, month, day).toordinal())


def dataset(main: PrivacyUnit, other: PrivacyUnit | None) -> Bench:
    """Return the tables t, v (private, unless None) and look, whose keys 9 and 12 are one once clamped."""
    columns = (
        Column("y", Kind.DECIMAL, Decimal(0), Decimal(20), Decimal("0.1")),
        Column("k", Kind.INTEGER, Decimal(0), Decimal(5)),
        Column("c", Kind.CATEGORY, codes=("p", "q")),
        Column("note", Kind.TEXT, missing=("NA",)),
        Column("day", Kind.DATE, _ordinal(2020, 1, 1), _ordinal(2021, 12, 31)),
    )
    look = Table(
        "look",
        (
            Column("id", Kind.INTEGER, Decimal(0), Decimal(9)),
            Column("size", Kind.DECIMAL, Decimal(0), Decimal(5), Decimal("0.5")),
            Column("name", Kind.CATEGORY, codes=("m", "n")),
        ),
        PrivacyUnit(None, 1, 1),
        20,
        is_public=True,
        key="id",
    )
    private = () if other is None else (Table("v", columns, other, 1000),)
    return Bench(Table("t", COLUMNS, main, 1000, others=(*private, look)))


def people(dice: random.Random) -> Bench:
    """Return the dataset with small random bounds."""
    one, other = (PrivacyUnit("who", dice.randint(1, 2), dice.randint(1, 2)) for _ in range(2))
    return dataset(one, other)


def rows_as_units() -> Bench:
    """Return the dataset whose unit is the row."""
    return dataset(PrivacyUnit(None, 1, 1), None)


def main_rows(dice: random.Random) -> list[Row]:
    """Return rows of t without row numbers."""
    return random_rows(dice, most=40)


def other_rows(dice: random.Random) -> list[Row]:
    """Return rows of v without row numbers: who (text, as another file may hold it), y, k, c, note, day."""
    numbers = (None, float("nan"), float("inf"), float("-inf"), 1e308, -0.0, 0.1, 0.2, 0.3, 19.9)
    return [
        (
            dice.choice([None, *map(str, range(8)), "0", "0", "nobody", "é"]),
            dice.choice([*numbers, dice.uniform(-5, 25)]),
            dice.choice([None, -1, *range(6), 2**62]),
            dice.choice([None, "p", "q", "x"]),
            dice.choice(NOTES),
            dice.choice(DAYS),
        )
        for _ in range(dice.randint(1, 40))
    ]


@dataclass(frozen=True)
class Piece:
    """A part of FROM and what may be asked of it: numbers, groupings with public values, and conditions."""

    text: str
    numbers: tuple[str, ...]
    keys: tuple[str, ...]
    conditions: tuple[str, ...]


T = Piece(
    "t",
    ("t.x", "t.k", "t.x * 2 - t.k", "COALESCE(t.x, 7)"),
    (
        "t.g",
        "t.h",
        "t.k",
        "FLOOR(t.x / 10) * 10",
        "CASE WHEN t.x > 5 THEN 'much' ELSE 'little' END",
        "t.k > 3",
    ),
    ("t.x > 0", "t.h", "t.g = 'a' OR t.x < 10", "t.note LIKE '%u%'", "YEAR(t.day) = 2020", "t.k IS NULL"),
)
V = Piece(
    "v",
    ("v.y", "v.k", "v.y / GREATEST(v.k, 1)", "SQRT(v.y)"),
    ("v.c", "v.k", "DATE_TRUNC('quarter', v.day)", "YEAR(v.day)", "MONTH(v.day)", "v.c = 'p'"),
    ("v.y <= 3", "v.c <> 'q'", "v.day > DATE '2020-06-01'", "v.note IS NOT NULL", "v.y IN (0.1, 0.3)"),
)
LOOKED = Piece(
    "look",
    ("look.size", "COALESCE(look.size, 2)"),
    ("look.name", "look.id"),
    ("look.size > 1", "look.name = 'm'"),
)


def grouped(dice: random.Random, name: str, table: Piece, unit: str) -> Piece:
    """Return a sub-query with one row for each unit, perhaps each of another grouping too."""
    number, other = dice.choice(table.numbers), dice.choice(table.numbers)
    key = dice.choice([None, None, *table.keys])
    items = [f"SUM({number}) AS s", "COUNT(*) AS n", f"AVG({other}) AS a", f"MIN({number}) AS low"]
    items += [
        f"MAX({other}) FILTER (WHERE {dice.choice(table.conditions)}) AS high",
        f"COUNT(DISTINCT {number}) AS d",
    ]
    where = f" WHERE {dice.choice(table.conditions)}" if dice.random() < 0.4 else ""
    having = f" HAVING {dice.choice(['COUNT(*) > 1', 's > 2', 'n < 4'])}" if dice.random() < 0.3 else ""
    chosen = [unit, *([f"{key} AS key"] if key else []), *items]
    group = f"{unit}, key" if key else unit
    text = f"(SELECT {', '.join(chosen)} FROM {table.text}{where} GROUP BY {group}{having}) AS {name}"
    numbers = ("s", "n", "a", "low", "high", "d", "s / n", "GREATEST(low, high)")
    conditions = ("{0}.s <= 0.6", "{0}.n > 1", "{0}.high IS NULL", "{0}.a < {0}.s")
    own = tuple(f"{name}.{figure}".replace(" / n", f" / {name}.n") for figure in numbers[:7])
    keys = (f"{name}.n", f"CASE WHEN {name}.s > 3 THEN 1 ELSE 0 END") + ((f"{name}.key",) if key else ())
    return Piece(text, own, keys, tuple(condition.format(name) for condition in conditions))


def both(one: Piece, other: Piece, text: str) -> Piece:
    """Return what may be asked of two pieces joined by `text`."""
    return Piece(text, one.numbers + other.numbers, one.keys + other.keys, one.conditions + other.conditions)


def private_side(dice: random.Random, name: str) -> Piece:
    """Return t or v: as it is, chosen from, or grouped by its unit."""
    table = T if name == "t" else V
    roll = dice.random()
    if roll < 0.5:
        return table
    if roll < 0.7:
        return Piece(
            f"(SELECT * FROM {name} WHERE {dice.choice(table.conditions)}) AS {name}", *_asked(table)
        )
    if roll < 0.8:
        return Piece(
            f"(SELECT DISTINCT who, k FROM {name}) AS {name}",
            (f"{name}.k",),
            (f"{name}.k",),
            (f"{name}.k > 2",),
        )
    return grouped(dice, name, table, "who")


def _asked(piece: Piece) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    return piece.numbers, piece.keys, piece.conditions


def random_source(dice: random.Random, *, has_people: bool) -> Piece:
    """Return a part of FROM that joins and nests."""
    kind = dice.choice(["JOIN", "LEFT JOIN"])
    if not has_people:
        piece = dice.choice([T, grouped(dice, "t", T, "_row")])
        return both(piece, LOOKED, f"{piece.text} {kind} look ON t.k = look.id") if piece is T else piece
    roll = dice.random()
    if roll < 0.2:
        return grouped(dice, "t", T, "who")
    if roll < 0.35:
        return both(T, LOOKED, f"t {kind} look ON t.k = look.id")
    left, right = private_side(dice, "t"), private_side(dice, "v")
    if dice.random() < 0.3:
        left, right = right, left
    names = [piece.text.rsplit(" ", 1)[-1] for piece in (left, right)]
    on = dice.choice(["USING (who)", f"ON {names[0]}.who = {names[1]}.who"])
    piece = both(left, right, f"{left.text} {kind} {right.text} {on}")
    if dice.random() < 0.25:
        number = next((number for number in piece.numbers if number.endswith(".k")), None)
        if number is not None:
            return both(
                piece, LOOKED, f"{piece.text} {dice.choice(['JOIN', 'LEFT JOIN'])} look ON {number} = look.id"
            )
    return piece


RANKED = ("MEDIAN({v})", "QUANTILE_CONT({v}, 0.9)", "QUANTILE_DISC({v}, 0.05)", "MIN({v})", "MAX({v})")


def random_ranked_query(dice: random.Random, *, has_people: bool) -> str:
    """Return one query for order statistics over joins and sub-queries; the parser refuses some for their range."""
    piece = random_source(dice, has_people=has_people)
    items = [dice.choice(RANKED).format(v=dice.choice(piece.numbers)) for _ in range(dice.randint(1, 2))]
    if dice.random() < 0.25:
        items[0] += f" FILTER (WHERE {dice.choice(piece.conditions)})"
    key = dice.choice(["", *piece.keys])
    columns = [f"{item} AS a{i}" for i, item in enumerate(items)]
    where = f" WHERE {dice.choice(piece.conditions)}" if dice.random() < 0.3 else ""
    sql = f"SELECT {', '.join([key + ' AS k', *columns] if key else columns)} FROM {piece.text}{where}"
    return f"{sql} GROUP BY 1" if key else sql


def random_relation_query(dice: random.Random, *, has_people: bool) -> str:
    """Return one query over joins and sub-queries that the parser accepts."""
    piece = random_source(dice, has_people=has_people)
    keys = dice.sample(piece.keys, min(len(piece.keys), dice.choice([0, 1, 1, 2])))
    items = []
    for _ in range(dice.randint(1, 3)):
        call = dice.choice(["COUNT(*)", "COUNT({v})", "SUM({v})", "AVG({v})"])
        item = call.format(v=dice.choice(piece.numbers))
        if dice.random() < 0.25:
            item += f" FILTER (WHERE {dice.choice(piece.conditions)})"
        items.append(item)
    columns = [f"{key} AS k{i}" for i, key in enumerate(keys)] + [
        f"{item} AS a{i}" for i, item in enumerate(items)
    ]
    sql = f"SELECT {', '.join(columns)} FROM {piece.text}"
    if dice.random() < 0.4:
        sql += f" WHERE {dice.choice(piece.conditions)}"
    if keys:
        sql += f" GROUP BY {', '.join(str(i + 1) for i in range(len(keys)))}"
    return sql
