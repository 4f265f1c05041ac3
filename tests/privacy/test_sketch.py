"""The form's SQL: what it writes, what it reads back, and that both ask the very same question."""

from __future__ import annotations

import itertools
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.errors import QueryRejected
from privacy.query import sketch, sketch_read
from privacy.query.parse import parse
from privacy.query.reference import EXAMPLE
from privacy.query.sketch import Condition, Figure, Group, Having, Join, Sketch, SketchInvalid, offered
from privacy.query.sketch_read import BeyondForm, read
from privacy.query.sketch_write import write
from privacy.schema import Column, Kind, Table
from privacy.unit import PrivacyUnit

HOSTILE = '"; DROP TABLE x; --'
TABLE = Table(
    "heart",
    (
        Column("age", Kind.INTEGER, Decimal(18), Decimal(100)),
        Column("chol", Kind.DECIMAL, Decimal(0), Decimal(600), Decimal("0.1")),
        Column("sex", Kind.CATEGORY, codes=("f", "m", "it's, well", HOSTILE)),
        Column("grade", Kind.CATEGORY, codes=(1, 2, 3)),
        Column("died", Kind.BOOLEAN),
        Column("seen", Kind.DATE),
        Column("select", Kind.CATEGORY, codes=("a", "b")),
        Column(HOSTILE, Kind.INTEGER, Decimal(0), Decimal(9)),
    ),
    PrivacyUnit("person", 3, 2),
    10_000,
)
ROWS = Table("heart", TABLE.columns, PrivacyUnit(None, 1, 1), 10_000)
NUMBERS = ["age", "chol", "grade", HOSTILE]
KEYS = ["sex", "grade", "died", "select", HOSTILE, "age"]


def test_a_form_writes_sql_that_people_can_read() -> None:
    asked = Sketch(
        (Figure("count", name="n"), Figure("mean", "chol", name="m")),
        (Condition("age", ">=", "65"), Condition("sex", "in", "f, m")),
        (Group("sex"),),
        order=1,
        descending=True,
        limit=5,
    )
    assert write(asked, TABLE) == (
        "SELECT sex, COUNT(*) AS n, AVG(chol) AS m\nFROM heart\nWHERE age >= 65\n  AND sex IN ('f', 'm')\n"
        "GROUP BY sex\nORDER BY 2 DESC\nLIMIT 5"
    )
    assert read(write(asked, TABLE), TABLE) == asked


def test_a_form_joins_by_or_filters_one_figure_and_drops_lines_of_the_answer() -> None:
    asked = Sketch(
        (Figure("count", name="n"), Figure("mean", "chol", name="m")),
        (
            Condition("age", ">=", "65"),
            Condition("sex", "=", "f", is_or=True),
            Condition("died", "=", "yes"),
            Condition("grade", "=", "2", of=1),
        ),
        (Group("sex"),),
        having=(Having(0, ">=", "10"), Having(1, "<", "250.5")),
    )
    assert write(asked, TABLE) == (
        "SELECT sex, COUNT(*) AS n, AVG(chol) FILTER (WHERE grade = 2) AS m\nFROM heart\n"
        "WHERE (age >= 65 OR sex = 'f')\n  AND died = TRUE\nGROUP BY sex\n"
        "HAVING COUNT(*) >= 10\n  AND AVG(chol) FILTER (WHERE grade = 2) < 250.5"
    )
    assert read(write(asked, TABLE), TABLE) == asked


def test_limits_on_the_answer_are_free_and_filters_are_not_where() -> None:
    bare = Sketch((Figure("count"),), groups=(Group("sex"),))
    limited, plain = (
        parse(write(s, TABLE), TABLE) for s in (replace(bare, having=(Having(0, ">", "3"),)), bare)
    )
    assert limited.having is not None
    assert replace(limited, having=None) == plain, "only what happens after the noise differs"
    filtered = parse(write(replace(bare, conditions=(Condition("age", ">", "3", of=0),)), TABLE), TABLE)
    assert (filtered.where, filtered.aggregates[0].filter is None) == (None, False)


figures = st.one_of(
    st.builds(Figure, st.just("count"), st.sampled_from(["", "age", "sex", HOSTILE])),
    st.builds(
        Figure,
        st.sampled_from(sorted(set(offered(TABLE)) & {"sum", "mean", "variance", "stddev"})),
        st.sampled_from(NUMBERS),
    ),
    st.just(Figure("units")),
)
conditions = st.one_of(
    st.builds(Condition, st.just("age"), st.sampled_from(["=", "<", ">="]), st.integers(-9, 99).map(str)),
    st.builds(
        Condition, st.just("chol"), st.sampled_from([">", "<="]), st.sampled_from(["0.5", "-3", "120"])
    ),
    st.builds(
        Condition, st.just("sex"), st.sampled_from(["=", "<>"]), st.sampled_from(["f", "it's, well", HOSTILE])
    ),
    st.builds(
        lambda codes: Condition("sex", "in", sketch.listed(codes)),
        st.lists(st.sampled_from(["f", "it's, well", HOSTILE]), min_size=1, max_size=3, unique=True),
    ),
    st.builds(Condition, st.just("died"), st.just("="), st.sampled_from(["yes", "no"])),
    st.builds(Condition, st.just("seen"), st.sampled_from(["<", ">="]), st.just("2024-02-29")),
    st.builds(Condition, st.sampled_from(KEYS), st.sampled_from(["known", "unknown"])),
)


@st.composite
def sketches(draw: st.DrawFn) -> Sketch:
    """Draw a form as people may fill it in, no figure twice, for either could be meant by a limit."""
    chosen = draw(st.lists(figures, min_size=1, max_size=4, unique=True))
    named = tuple(Figure(f.fn, f.column, f.point, f"Figure {n}") for n, f in enumerate(chosen))
    groups = tuple(Group(name) for name in draw(st.lists(st.sampled_from(KEYS), max_size=2, unique=True)))
    order = draw(st.one_of(st.none(), st.integers(0, len(named) + len(groups) - 1)))
    down = order is not None and draw(st.booleans())
    where = [draw(joined(of)) for of in (None, *range(len(named)))]
    most = draw(st.one_of(st.none(), st.integers(1, 99)))
    limits = st.builds(
        Having, st.integers(0, len(named) - 1), st.sampled_from(sorted(sketch.LIMITS)), st.just("-2.5")
    )
    having = tuple(draw(st.lists(limits, max_size=2)))
    return Sketch(
        named, tuple(itertools.chain.from_iterable(where)), groups, order, down, most, having=having
    )


@st.composite
def joined(draw: st.DrawFn, of: int | None) -> list[Condition]:
    """Draw what is asked of the rows of every figure, or of one, here and there joined by “or”."""
    drawn = draw(st.lists(conditions, max_size=3 if of is None else 2))
    return [replace(c, of=of, is_or=n > 0 and draw(st.booleans())) for n, c in enumerate(drawn)]


@settings(max_examples=100, deadline=None)
@given(sketches())
def test_what_the_form_writes_it_reads_back(asked: Sketch) -> None:
    sql = write(asked, TABLE)
    assert read(sql, TABLE) == asked
    assert parse(sql, TABLE).sha256() == parse(write(read(sql, TABLE), TABLE), TABLE).sha256()


@pytest.mark.parametrize(
    "sql",
    [
        "select Sex, count(*) N from heart where age between 3 and 20 group by 1 order by count(*) desc",
        "SELECT COUNT(age), SUM(chol) FROM heart h WHERE (h.age >= 3) AND died = TRUE LIMIT 4",
        "SELECT sex, COUNT(DISTINCT person) AS people FROM heart GROUP BY sex ORDER BY people",
        "SELECT sex, COUNT(*) AS n FROM heart GROUP BY sex HAVING (n > 3) AND COUNT(*) <= 9",
        "SELECT COUNT(*) FROM heart WHERE (age > 3 OR age < 2 OR (age = 7)) AND died = TRUE",
        "SELECT COUNT(*) FILTER (WHERE age > 3 AND (sex = 'f' OR died = TRUE)) AS n, SUM(age) FROM heart",
        "SELECT age, SUM(COUNT(*) FILTER (WHERE chol > 3)) OVER (ORDER BY age) FROM heart GROUP BY age",
    ],
)
def test_sql_by_hand_is_shown_where_the_form_asks_the_same(sql: str) -> None:
    assert parse(write(read(sql, TABLE), TABLE), TABLE).sha256() == parse(sql, TABLE).sha256()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sex, COUNT(*) FROM heart GROUP BY sex HAVING SUM(age) > 3",
        "SELECT sex, COUNT(*) FROM heart GROUP BY sex HAVING COUNT(*) > 3 OR COUNT(*) < 1",
        "SELECT sex, COUNT(*) FROM heart GROUP BY sex HAVING sex = 'f'",
        "SELECT COUNT(*) AS n, sex FROM heart GROUP BY sex",
        "SELECT SUM(age * 2) FROM heart",
        "SELECT COUNT(*) FROM heart WHERE age > 3 OR (age < 2 AND sex = 'f')",
        "SELECT COUNT(*) FROM heart WHERE age BETWEEN 1 AND 2 OR age > 3",
        "SELECT COUNT(*) FROM heart WHERE NOT (age > 3 OR age < 2)",
        "SELECT COUNT(*) FROM heart WHERE age > chol",
        "SELECT SUM(age) / COUNT(*) FROM heart",
        "SELECT sex, COUNT(*) FROM heart GROUP BY sex ORDER BY sex, 2",
        "SELECT COUNT(*) FROM heart GROUP BY sex",
        "SELECT COUNT(*) FROM heart WHERE sex LIKE 'f%'",
        "SELECT COUNT(*) FROM heart WHERE age IN (1, NULL)",
        "WITH a AS (SELECT age FROM heart) SELECT COUNT(*) FROM a",
        "SELECT COUNT(*) FROM (SELECT age FROM heart) AS s",
        "SELECT FLOOR(age / 10) * 10 AS decade, COUNT(*) FROM heart GROUP BY 1",
        "SELECT FLOOR(age / 10) * 5 AS age_from, COUNT(*) FROM heart GROUP BY 1",
        "SELECT sex, SUM(COUNT(DISTINCT person)) OVER (ORDER BY sex) AS n FROM heart GROUP BY sex",
        "SELECT sex, COUNT(*) FROM heart GROUP BY sex ORDER BY COUNT(*) + 1",
        "SELECT sex, COUNT(*) FROM heart GROUP BY sex ORDER BY SUM(age)",
    ],
)
def test_what_the_form_cannot_show_it_says(sql: str) -> None:
    with pytest.raises(BeyondForm, match="form"):
        read(sql, TABLE)


def test_a_reader_that_drops_a_condition_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketch_read, "_conditions", lambda node: iter(()))
    with pytest.raises(BeyondForm, match="same question"):
        read("SELECT COUNT(*) FROM heart WHERE age > 3", TABLE)


def test_a_reader_that_takes_or_for_and_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    faithful = sketch_read._either
    monkeypatch.setattr(
        sketch_read, "_either", lambda node: (replace(each, is_or=False) for each in faithful(node))
    )
    with pytest.raises(BeyondForm, match="same question"):
        read("SELECT COUNT(*) FROM heart WHERE age > 3 OR died = TRUE", TABLE)


def test_what_cannot_be_asked_is_refused_as_everywhere() -> None:
    with pytest.raises(QueryRejected):
        read("SELECT age FROM heart", TABLE)


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        (Sketch(()), "fn"),
        (Sketch((Figure("mean"),)), "column"),
        (Sketch((Figure("mean", "sex"),)), "column"),
        (Sketch((Figure("mean", "nobody"),)), "column"),
        (Sketch((Figure("DROP"),)), "fn"),
        (Sketch((Figure("count"),), (Condition("age", ">", "old"),)), "value"),
        (Sketch((Figure("count"),), (Condition("age", ">", "1e400"),)), "value"),
        (Sketch((Figure("count"),), (Condition("sex", "=", "other"),)), "value"),
        (Sketch((Figure("count"),), (Condition("grade", "=", "4"),)), "value"),
        (Sketch((Figure("count"),), (Condition("sex", "in", "f,,m"),)), "value"),
        (Sketch((Figure("count"),), (Condition("died", "=", "perhaps"),)), "value"),
        (Sketch((Figure("count"),), (Condition("seen", "=", "29.2.2024"),)), "value"),
        (Sketch((Figure("count"),), (Condition("sex", ">", "f"),)), "op"),
        (Sketch((Figure("count"),), (Condition("sex", "OR 1=1 --", "f"),)), "op"),
        (Sketch((Figure("count"),), (), (Group("age", "0"),)), "step"),
        (Sketch((Figure("count"),), (), (Group("sex", "10"),)), "step"),
        (Sketch((Figure("count"),), (), (Group("seen", "fortnight"),)), "step"),
        (Sketch((Figure("count"),), (), (Group("nobody"),)), "column"),
        (Sketch((Figure("count"),), order=4), "order"),
        (Sketch((Figure("count"),), (Condition("age", ">", "3", is_or=True),)), "link"),
        (Sketch((Figure("count"),), (Condition("age", ">", "3", of=0, is_or=True),)), "link"),
        (Sketch((Figure("count"),), (Condition("age", ">", "3", of=1),)), "of"),
        (Sketch((Figure("count"),), (Condition("age", ">", "3", of=sketch.NOWHERE),)), "of"),
        (Sketch((Figure("count"),), having=(Having(1, ">", "3"),)), "figure"),
        (Sketch((Figure("count"),), having=(Having(0, "=", "3"),)), "op"),
        (Sketch((Figure("count"),), having=(Having(0, ">", "many"),)), "value"),
    ],
)
def test_what_does_not_fit_is_said_of_its_field(asked: Sketch, part: str) -> None:
    with pytest.raises(SketchInvalid) as caught:
        write(asked, TABLE)
    assert caught.value.part == part


def test_only_figures_that_the_engine_has_are_offered() -> None:
    assert {"count", "units", "sum", "mean"} <= set(offered(TABLE))
    assert "units" not in offered(ROWS), "each row is one unit, so its count is the count of rows"


def test_bins_are_groups_in_steps() -> None:
    asked = Sketch((Figure("count", name="n"),), (), (Group("age", "10"), Group("chol", "50")), 0)
    assert "FLOOR(chol / 50) * 50 AS chol_from" in write(asked, TABLE)
    assert read(write(asked, TABLE), TABLE) == asked


JOINED = Sketch(
    (Figure("count", name="n"), Figure("units", name="p"), Figure("mean", "cost", name="m")),
    (Condition("patients.region", "=", "north"), Condition("age", ">", "30")),
    (Group("wards.type"),),
    0,
    joins=(Join("patients"), Join("wards", "ward", True)),
)


def test_a_form_joins_the_datasets_other_tables() -> None:
    sql = write(JOINED, EXAMPLE)
    assert "JOIN patients ON visits.patient = patients.patient" in sql
    assert "LEFT JOIN wards ON visits.ward = wards.id" in sql
    assert read(sql, EXAMPLE) == JOINED


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT region, AVG(cost) FROM visits JOIN patients USING (patient) GROUP BY region",
        "SELECT w.type, COUNT(*) FROM visits AS v LEFT JOIN wards AS w ON v.ward = w.id GROUP BY w.type",
    ],
)
def test_joins_by_hand_are_shown(sql: str) -> None:
    assert parse(write(read(sql, EXAMPLE), EXAMPLE), EXAMPLE).sha256() == parse(sql, EXAMPLE).sha256()


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        (Sketch((Figure("mean", "patients.born"),)), "column"),
        (Sketch((Figure("count"),), joins=(Join("nobody"),)), "table"),
        (Sketch((Figure("count"),), joins=(Join("wards"),)), "on"),
        (Sketch((Figure("count"),), joins=(Join("patients", "age"),)), "on"),
    ],
)
def test_a_join_that_does_not_fit_is_said_of_its_field(asked: Sketch, part: str) -> None:
    with pytest.raises(SketchInvalid) as caught:
        write(asked, EXAMPLE)
    assert caught.value.part == part


@pytest.mark.parametrize("grouped", [(Group("sex"),), (Group("sex"), Group("age", "10"))])
@pytest.mark.parametrize("fn", ["variance", "stddev", "quantile", "min", "max", "running"])
def test_every_figure_goes_into_sql_and_back(fn: str, grouped: tuple[Group, ...]) -> None:
    point = "0.9" if fn == "quantile" else ""
    asked = Sketch((Figure(fn, "" if fn == "running" else "cost", point, "x"),), (), grouped, 0)
    assert read(write(asked, EXAMPLE), EXAMPLE) == asked


def test_a_cumulative_count_needs_something_to_run_along() -> None:
    with pytest.raises(SketchInvalid, match="runs along a group"):
        write(Sketch((Figure("running"),)), EXAMPLE)
