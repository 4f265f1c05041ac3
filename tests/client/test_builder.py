"""Questions put together as Python values: the SQL they make, what it can never become, and the road to an answer."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import gridhouse
import pytest
from gridhouse import col, count, mean, people
from gridhouse.builder import Ask
from gridhouse.errors import InvalidInput
from gridhouse.terms import Column, literal, quoted
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp, parse_one

from privacy.query.parse import parse
from privacy.query.reference import EXAMPLE
from privacy.query.sketch import Condition, Figure, Group, Sketch
from privacy.query.sketch_write import write
from privacy.schema import Column as Declared
from privacy.schema import Kind, Table
from privacy.unit import PrivacyUnit

TABLE = Table(
    "heart",
    (
        Declared("age", Kind.INTEGER, Decimal(18), Decimal(100)),
        Declared("chol", Kind.DECIMAL, Decimal(0), Decimal(600), Decimal("0.1")),
        Declared("sex", Kind.CATEGORY, codes=("f", "m", "it's")),
        Declared("died", Kind.BOOLEAN),
        Declared("seen", Kind.DATE),
    ),
    PrivacyUnit("person", 3, 2),
    10_000,
)


class Heart:
    """A dataset as the builder needs it, with no node behind it."""

    table = "heart"
    unit_column = "person"


def ask() -> Ask:
    """Begin a question."""
    return Ask(Heart())  # type: ignore[arg-type]


PAIRS = {
    "one count": (ask().agg(count()), "select count(*) from heart", Sketch((Figure("count"),))),
    "means by sex": (
        ask()
        .where(col("age") >= 65, col("sex").is_in(["f", "it's"]))
        .group_by("sex")
        .agg(count().alias("n"), mean("chol").alias("m"), people().alias("who"))
        .order_by("n", descending=True)
        .limit(5),
        "SELECT sex, COUNT(*) AS n, AVG(chol) AS m, COUNT(DISTINCT person) AS who FROM heart "
        "WHERE age >= 65 AND sex IN ('f', 'it''s') GROUP BY sex ORDER BY n DESC LIMIT 5",
        Sketch(
            (Figure("count", name="n"), Figure("mean", "chol", name="m"), Figure("units", name="who")),
            (Condition("age", ">=", "65"), Condition("sex", "in", "f, it's")),
            (Group("sex"),),
            1,
            True,
            5,
        ),
    ),
    "known ones": (
        ask().where(col("chol").is_known(), col("died") == True).agg(gridhouse.sum("chol")),  # noqa: E712
        "SELECT SUM(chol) FROM heart WHERE chol IS NOT NULL AND died = TRUE",
        Sketch((Figure("sum", "chol"),), (Condition("chol", "known"), Condition("died", "=", "yes"))),
    ),
    "dates": (
        ask().where(col("seen") >= date(2024, 2, 29)).agg(count("age")),
        "SELECT COUNT(age) FROM heart WHERE seen >= DATE '2024-02-29'",
        Sketch((Figure("count", "age"),), (Condition("seen", ">=", "2024-02-29"),)),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_builder_form_and_sql_ask_the_very_same_question(name: str) -> None:
    built, sql, form = PAIRS[name]
    hashes = {parse(text, TABLE).sha256() for text in (built.sql(), sql, write(form, TABLE))}
    assert len(hashes) == 1, (built.sql(), sql, write(form, TABLE))


def test_conditions_join_by_and_or_and_not() -> None:
    built = ask().where(~((col("age") < 30) | (col("age") > 60)) & col("chol").between(1, 2.5)).agg(count())
    by_hand = "SELECT COUNT(*) FROM heart WHERE NOT (age < 30 OR age > 60) AND chol BETWEEN 1 AND 2.5"
    assert parse(built.sql(), TABLE).sha256() == parse(by_hand, TABLE).sha256()


@given(st.text(alphabet=st.characters(exclude_characters="\0"), max_size=60))
def test_no_text_leaves_its_quotes(text: str) -> None:
    tree = parse_one(f"SELECT COUNT(*) FROM t WHERE x = {literal(text)}", read="duckdb")
    value = tree.find(exp.EQ).expression
    assert isinstance(value, exp.Literal)
    assert (value.is_string, value.this) == (True, text)


@given(st.text(alphabet=st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=60))
def test_no_name_leaves_its_quotes(name: str) -> None:
    found = parse_one(f"SELECT {quoted(name)} FROM t", read="duckdb").expressions[0]
    assert isinstance(found, exp.Column)
    assert found.name == name


def test_a_quote_that_is_not_doubled_would_be_noticed() -> None:
    broken = "'f' OR 'x' = 'x'"  # what a value becomes where it is pasted in
    assert not isinstance(
        parse_one(f"SELECT COUNT(*) FROM t WHERE x = {broken}").find(exp.Where).this, exp.EQ
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, [1], datetime(2024, 1, 1), "a\0b", 1j])  # noqa: DTZ001
def test_what_has_no_literal_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        literal(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 200, 7, "\x1b[0m"])
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(InvalidInput):
        quoted(name)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "misuse",
    [
        lambda: ask().sql(),
        lambda: ask().where(col("age") > 3 and col("age") < 9),
        lambda: ask().where("age > 3"),
        lambda: ask().agg("COUNT(*)"),
        lambda: ask().limit(0),
        lambda: ask().limit(True),
        lambda: col("sex").is_in([]),
        lambda: gridhouse.bin("age", 0),
        lambda: gridhouse.bin("age", float("nan")),
        lambda: gridhouse.period("seen", "fortnight"),
        lambda: gridhouse.quantile("age", 1.5),
        lambda: ask().agg(gridhouse.cumulative()).sql(),
        lambda: ask().join("visits", how="cross"),
    ],
)
def test_misuse_is_told_before_anything_is_sent(misuse: object) -> None:
    with pytest.raises(InvalidInput):
        misuse()  # type: ignore[operator]


def test_every_figure_writes_its_sql() -> None:
    made = [
        gridhouse.variance("age"),
        gridhouse.stddev("age"),
        gridhouse.median("age"),
        gridhouse.quantile("age", 0.9),
        gridhouse.min("age"),
        gridhouse.max("age"),
        gridhouse.cumulative(),
        count().where(col("sex") == "{window} COUNT(DISTINCT {unit})"),
    ]
    sql = ask().group_by("sex", gridhouse.bin("age", 10), gridhouse.period("seen", "month")).agg(*made).sql()
    for part in (
        'VARIANCE("age")',
        'MEDIAN("age")',
        'QUANTILE_CONT("age", 0.9)',
        'SUM(COUNT(*)) OVER (PARTITION BY "sex", FLOOR("age" / 10) * 10 ORDER BY DATE_TRUNC(\'month\', "seen"))',
        'FLOOR("age" / 10) * 10 AS "age_from"',
        "= '{window} COUNT(DISTINCT {unit})'",
    ):
        assert part in sql
    assert parse_one(sql, read="duckdb").find(exp.Where) is not None


class Visits:
    """The example of several tables, with no node behind it."""

    table = "visits"
    unit_column = "patient"


def test_a_join_asks_the_same_as_by_hand() -> None:
    built = (
        Ask(Visits())  # type: ignore[arg-type]
        .join("patients")
        .join("wards", on=("ward", "id"), how="left")
        .where(Column("patients.region") == "north")
        .group_by("wards.type")
        .agg(count().alias("n"), people().alias("p"), mean("visits.cost").alias("m"))
    )
    by_hand = (
        "SELECT w.type, COUNT(*) AS n, COUNT(DISTINCT visits.patient) AS p, AVG(cost) AS m FROM visits "
        "JOIN patients USING (patient) LEFT JOIN wards w ON visits.ward = w.id WHERE region = 'north' GROUP BY 1"
    )
    assert parse(built.sql(), EXAMPLE).sha256() == parse(by_hand, EXAMPLE).sha256()


def test_bins_ask_the_same_as_by_hand() -> None:
    built = ask().group_by(gridhouse.bin("age", 10)).agg(count().alias("n")).order_by("age_from")
    by_hand = "SELECT FLOOR(age / 10) * 10 AS age_from, COUNT(*) AS n FROM heart GROUP BY 1 ORDER BY 1"
    assert parse(built.sql(), TABLE).sha256() == parse(by_hand, TABLE).sha256()


def test_a_built_question_goes_the_whole_road(node, connect) -> None:
    dataset = connect("sam").dataset("support2")
    built = dataset.where(col("age") >= 65).group_by("sex").agg(count().alias("n"), mean("age").alias("m"))
    assert built.sql().startswith('SELECT "sex", COUNT(*) AS "n", AVG("age") AS "m"\nFROM "support2"')
    at_epsilon = built.estimate(epsilon=0.1)
    assert at_epsilon.epsilon == Decimal("0.1")
    assert at_epsilon.mechanisms[0]["mechanism"] == "discrete Gaussian"
    for_error = built.estimate(error=25, figure="n")
    measure = for_error.measures[0]
    assert Decimal(measure["plus_minus_95"]) <= 25
    supposed = built.estimate(error=2, figure="m", rows=500)
    assert Decimal(supposed.measures[1]["expected_95"]) <= 2
    assert "m: ± " in str(supposed)
    assert built.submit(error=25, figure="n", title="Built").details()["epsilon"] == str(for_error.epsilon)


def test_an_estimate_takes_an_epsilon_or_an_error_and_not_both(node, connect) -> None:
    built = connect("sam").dataset("support2").agg(count())
    with pytest.raises(InvalidInput, match="either"):
        built.estimate(epsilon=0.1, error=5)
    with pytest.raises(InvalidInput):
        built.submit()
    with pytest.raises(gridhouse.QueryRejected, match="error"):
        built.estimate(error=5, figure="nobody")
