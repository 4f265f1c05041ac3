"""One question, one plan: what is understood, what is refused, and that hostile text is only ever refused."""

from __future__ import annotations

import json
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.errors import QueryRejected
from privacy.query.dates import beginning, truncated
from privacy.query.intervals import DATE, Typed
from privacy.query.parse import parse
from privacy.query.plan import Plan, columns_touched, describe
from privacy.query.reference import EXAMPLE, REFUSED, SUPPORTED

SAME = [
    (
        "SELECT COUNT(*) AS n FROM visits WHERE sex = 'male' AND age > 40",
        "select  count ( * )  N\nfrom VISITS v where 40.0 < v.AGE and ('male' = SEX) -- a remark",
    ),
    (
        "SELECT COUNT(*) FROM visits WHERE age BETWEEN 1 AND 2",
        "SELECT COUNT(*) FROM visits WHERE age <= 2 AND 1 <= age",
    ),
    (
        "SELECT COUNT(*) FROM visits WHERE score IN (2, 1, 2)",
        "SELECT COUNT(*) FROM visits WHERE score IN (1, 2)",
    ),
    ("SELECT COUNT(*) FROM visits WHERE NOT NOT died", "SELECT COUNT(*) FROM visits WHERE died"),
    ("SELECT COUNT(*) FROM visits WHERE died OR died", "SELECT COUNT(1) FROM visits WHERE died"),
    (
        "SELECT sex, COUNT(*) FROM visits GROUP BY 1",
        "SELECT sex, COUNT(*) FROM visits GROUP BY visits.sex, sex",
    ),
    ("SELECT SUM(age + 2) AS a FROM visits", "SELECT SUM((2 + age)) a FROM visits"),
    ("SELECT SUM(-1 * age) AS a FROM visits", "SELECT SUM(age * -1.0) AS a FROM visits"),
    ("SELECT COUNT_IF(died) AS a FROM visits", "SELECT COUNT(*) FILTER (WHERE died) AS a FROM visits"),
    (
        "SELECT SUM(IF(died, 1, 0)) AS a FROM visits",
        "SELECT SUM(CASE WHEN died THEN 1 ELSE 0 END) AS a FROM visits",
    ),
    (
        "SELECT sex, COUNT(*) n FROM visits GROUP BY sex ORDER BY 2",
        "SELECT sex, COUNT(*) n FROM visits GROUP BY sex ORDER BY n",
    ),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_spellings_of_one_question_share_a_hash(one: str, other: str) -> None:
    assert parse(one, EXAMPLE).sha256() == parse(other, EXAMPLE).sha256()


def test_different_questions_differ() -> None:
    hashes = {parse(entry.sql, EXAMPLE).sha256() for entry in SUPPORTED}
    assert len(hashes) == len(SUPPORTED)


@pytest.mark.parametrize("entry", SUPPORTED, ids=lambda entry: entry.name)
def test_a_plan_survives_its_json(entry: object) -> None:
    plan = parse(entry.sql, EXAMPLE)  # type: ignore[attr-defined]
    again = Plan.from_dict(json.loads(json.dumps(plan.to_dict())))
    assert again == plan
    assert again.canonical() == plan.canonical()


def test_columns_touched_and_words() -> None:
    plan = parse(
        "SELECT sex, AVG(cost) FILTER (WHERE died) AS c, SUM(age) / COUNT(*) AS r FROM visits"
        " WHERE diagnosis LIKE 'C%' AND score IN (1, 2) AND cost IS NOT NULL GROUP BY sex"
        " HAVING COUNT(*) > 5 AND NOT (sex = 'male') ORDER BY c DESC, sex LIMIT 3",
        EXAMPLE,
    )
    assert columns_touched(plan) == ("age", "cost", "diagnosis", "died", "score", "sex")
    text = " ".join(describe(plan))
    for words in (
        "the mean of cost, only where died",
        "matches 'C%'",
        "is one of 1, 2",
        "largest first",
        "at most 3",
    ):
        assert words in text
    everything = (
        "SELECT COUNT(DISTINCT patient), SUM(CASE WHEN died IS TRUE OR admitted = DATE '2020-01-01' THEN -age"
    )
    plan = parse(everything + " ELSE NULL END), COUNT(score) FROM visits", EXAMPLE)
    assert "privacy units" in " ".join(describe(plan))


REFUSED_TOO = [
    ("", "syntax"),
    ("   ", "syntax"),
    ("SELECT COUNT(*) FROM visits WHERE 'unclosed", "syntax"),
    ("SELECT COUNT(*) FROM visits v(a, b)", "unsupported_clause"),
    ("SELECT COUNT(*) FROM other.visits", "unknown_table"),
    ("SELECT COUNT(*) FROM read_csv('/etc/passwd')", "unknown_table"),
    ("SELECT COUNT(*) FROM visits, visits v", "join_condition"),
    ("SELECT COUNT(*)", "unknown_table"),
    ("(SELECT COUNT(*) FROM visits)", "subquery"),
    ("SELECT COUNT(*) FROM visits WHERE age IN (SELECT age FROM visits)", "subquery"),
    ("SELECT COUNT(*) FROM visits WHERE EXISTS (SELECT 1)", "subquery"),
    ("SELECT SUM((SELECT 1)) FROM visits", "subquery"),
    ("SELECT COUNT(*) FROM visits GROUP BY ALL", "group_expression"),
    ("SELECT COUNT(*) FROM visits GROUP BY ROLLUP (sex)", "group_expression"),
    ("SELECT COUNT(*) FROM visits GROUP BY 5", "group_expression"),
    ("SELECT COUNT(*) FROM visits LIMIT 1.5", "bad_limit"),
    ("SELECT COUNT(*) FROM visits LIMIT (SELECT 1)", "bad_limit"),
    ("SELECT COUNT(*) FROM visits LIMIT 10%", "bad_limit"),
    ("SELECT COUNT(*) FROM visits ORDER BY 9", "unsupported_clause"),
    ("SELECT COUNT(*) FROM visits QUALIFY 1 = 1", "window"),
    ("SELECT SUM(DISTINCT age) FROM visits", "count_distinct"),
    ("SELECT COUNT(sex, died) FROM visits", "unknown_function"),
    ("SELECT SUM(RANDOM()) FROM visits", "unknown_function"),
    ("SELECT SUM(age) FROM visits WHERE GETENV('HOME') = 'x'", "unknown_function"),
    ("SELECT SUM(age % 2) FROM visits", "unknown_function"),
    ("SELECT SUM(ROUND(age, 2)) FROM visits", "unknown_function"),
    ("SELECT SUM(POWER(age, 9)) FROM visits", "unknown_function"),
    ("SELECT SUM(EXTRACT(epoch FROM admitted)) FROM visits", "unknown_function"),
    ("SELECT SUM(CAST(diagnosis AS BLOB)) FROM visits", "unknown_function"),
    ("SELECT COUNT(*) FROM visits WHERE diagnosis LIKE diagnosis", "unknown_function"),
    ("SELECT COUNT(*) FROM visits WHERE diagnosis LIKE 'a' ESCAPE 'b'", "unknown_function"),
    ("SELECT COUNT(*) FROM visits WHERE died IS DISTINCT FROM TRUE", "unknown_function"),
    ("SELECT COUNT(*) FROM visits WHERE age IS 3", "unknown_function"),
    ("SELECT LEAST(COUNT(*), 5) FROM visits", "unknown_function"),
    ("SELECT COUNT(*) FROM visits WHERE diagnosis LIKE '%a%b%c%d%e%'", "type_mismatch"),
    ("SELECT COUNT(*) FROM visits WHERE age LIKE 'a'", "type_mismatch"),
    ("SELECT COUNT(*) FROM visits WHERE died < TRUE", "type_mismatch"),
    ("SELECT COUNT(*) FROM visits WHERE age", "type_mismatch"),
    ("SELECT COUNT(*) FROM visits WHERE age AND died", "type_mismatch"),
    ("SELECT COUNT(*) FROM visits WHERE age IN (score, 1)", "type_mismatch"),
    ("SELECT COUNT(*) FROM visits WHERE admitted = DATE '2020-13-45'", "type_mismatch"),
    ("SELECT COUNT(*) FROM visits WHERE YEAR(age) = 3", "type_mismatch"),
    ("SELECT COUNT(*) FROM visits WHERE age > 1e400", "type_mismatch"),
    ("SELECT COUNT(*) FROM visits WHERE age > 0.0000000000000000000000001", "type_mismatch"),
    ("SELECT COUNT(*) FROM visits WHERE diagnosis = 'a\tb'", "type_mismatch"),
    ("SELECT SUM(diagnosis) FROM visits", "type_mismatch"),
    ("SELECT SUM(age + sex) FROM visits", "type_mismatch"),
    ("SELECT SUM(CASE WHEN died THEN 1 ELSE sex END) FROM visits", "type_mismatch"),
    ("SELECT SUM(CAST(admitted AS INTEGER)) FROM visits", "type_mismatch"),
    ("SELECT SUM(CAST(diagnosis AS DOUBLE)) FROM visits", "unbounded"),
    ("SELECT SUM(weight * age) FROM visits", "unbounded"),
    ("SELECT SUM(ABS(weight)) FROM visits", "unbounded"),
    ("SELECT SUM(weight / 2) FROM visits", "unbounded"),
    ("SELECT SUM(SQRT(weight)) FROM visits", "may_be_undefined"),
    ("SELECT SUM(age / weight) FROM visits", "may_divide_by_zero"),
    ("SELECT COUNT(*) FROM visits WHERE sex IN ('male', 'M')", "undeclared_code"),
    ("SELECT sex + 1, COUNT(*) FROM visits GROUP BY sex", "unknown_function"),
    ("SELECT COUNT(*) > 3 AS b FROM visits", "type_mismatch"),
    ("SELECT 3 FROM visits", "no_aggregate"),
    ("SELECT 3, COUNT(*) FROM visits", "no_aggregate"),
    ("SELECT 'a' AS a, COUNT(*) FROM visits", "type_mismatch"),
    ("SELECT COUNT(*) FROM visits HAVING COUNT(*)", "type_mismatch"),
    ("SELECT sex, COUNT(*) FROM visits GROUP BY sex ORDER BY COUNT(*) > 3", "type_mismatch"),
    ("SELECT sex, COUNT(*) FROM visits GROUP BY sex HAVING sex > 'a'", "unknown_function"),
    ("SELECT COUNT(*) FROM visits HAVING died", "ungrouped_column"),
    ("SELECT v.age FROM visits", "unknown_column"),
    ("SELECT a.b.c FROM visits", "unknown_column"),
    ("SELECT _row, COUNT(*) FROM visits GROUP BY _row", "unknown_column"),
    ("SELECT SUM(COUNT(*)) FROM visits", "aggregate_in_rows"),
    ("SELECT COUNT(DISTINCT other.patient) FROM visits", "count_distinct"),
    ("SELECT SUM(a.age) FILTER (WHERE died) OVER () FROM visits a", "window"),
    ("EXPLAIN SELECT COUNT(*) FROM visits", "not_select"),
    ("PRAGMA version", "not_select"),
    ("COPY visits TO '/tmp/x'", "not_select"),
    ("ATTACH '/tmp/x.db'", "not_select"),
    ("INSTALL httpfs", "not_select"),
    ("SET threads = 9", "not_select"),
]


@pytest.mark.parametrize(("sql", "code"), REFUSED_TOO)
def test_what_is_not_on_the_list_is_refused_by_name(sql: str, code: str) -> None:
    with pytest.raises(QueryRejected) as caught:
        parse(sql, EXAMPLE)
    assert caught.value.code == code


def test_spans_of_dates_begin_where_calendars_say() -> None:
    day = date(2024, 2, 29)
    found = [beginning(span, day).isoformat() for span in ("week", "month", "quarter", "year")]
    assert found == ["2024-02-26", "2024-02-01", "2024-01-01", "2024-01-01"]
    assert beginning("week", date.min) == date.min
    late = Typed(DATE, Fraction(date(9999, 11, 5).toordinal()), Fraction(date.max.toordinal()))
    assert truncated("month", late).codes == ("9999-11-01", "9999-12-01")
    assert truncated("month", Typed(DATE, is_nullable=True)) == Typed(DATE, is_nullable=True)


def test_a_query_is_text() -> None:
    with pytest.raises(QueryRejected):
        parse(None, EXAMPLE)  # type: ignore[arg-type]


TEXT = (
    "SELECT FROM visits WHERE GROUP BY HAVING ORDER LIMIT COUNT ( ) * , age cost sex 'male' died AND OR NOT IN IS NULL"
    " CASE WHEN THEN ELSE END + - / 1 0.5 < = >= AVG SUM DISTINCT patient FILTER LIKE 'a%' ; -- \" ' AS BETWEEN"
    " UNION JOIN WITH read_csv OVER :: [ ] { } $1 ? @ % ^ || LATERAL"
)
WORDS = st.sampled_from(TEXT.split())


def outcome(sql: str) -> Plan | str:
    """Return the plan, or the code of the refusal; anything else is a failure of the test."""
    try:
        return parse(sql, EXAMPLE)
    except QueryRejected as refusal:
        return refusal.code


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.lists(WORDS, max_size=30).map(" ".join), st.text(max_size=80)))
def test_any_text_is_a_plan_or_a_refusal(sql: str) -> None:
    found = outcome(sql)
    if isinstance(found, Plan):
        assert Plan.from_dict(found.to_dict()) == found
    else:
        assert found in {entry.code for entry in REFUSED}


@pytest.mark.parametrize("filler", ["NOT ", "- ", "(", "CASE WHEN ", "[", "ABS(", "{'a': "])
def test_deep_nesting_is_refused_quickly(filler: str) -> None:
    with pytest.raises(QueryRejected):
        parse("SELECT COUNT(*) FROM visits WHERE " + filler * 400, EXAMPLE)


def test_a_long_chain_without_brackets_is_answered_or_refused() -> None:
    chain = " + ".join(["age"] * 1200)
    with pytest.raises(QueryRejected):
        parse(f"SELECT SUM({chain}) FROM visits", EXAMPLE)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 9},
        {"extra": 1},
        {"keys": ["nobody"]},
        {"keys": ["sex", "sex"]},
        {"keys": [5]},
        {"where": ["drop", None]},
        {"where": ["col"]},
        {"where": "x"},
        {"where": ["col", 5]},
        {"where": ["bool", "maybe"]},
        {"where": ["case", None]},
        {"where": ["not", None]},
        {"where": ["null", "x"]},
        {"where": ["unit", None]},
        {"where": ["key", "0"]},
        {"aggregates": []},
        {"aggregates": [["median", None, None]]},
        {"aggregates": [["sum", None, None]]},
        {"aggregates": [["units", ["num", "1"], None]]},
        {"aggregates": 5},
        {"outputs": []},
        {"outputs": [["n", ["agg", "7"]]]},
        {"outputs": [["n", ["agg", "-1"]]]},
        {"outputs": [["n", ["agg", "x"]]]},
        {"outputs": [["n", ["col", "age"]]]},
        {"order": [[["agg", "0"], "down"]]},
        {"limit": 0},
        {"limit": True},
        {"table": "elsewhere"},
    ],
)
def test_a_plan_that_no_parser_wrote_is_refused(change: dict[str, object]) -> None:
    from privacy.query.check import check_plan

    data = {**parse("SELECT COUNT(*) AS n FROM visits", EXAMPLE).to_dict(), **change}
    with pytest.raises(QueryRejected):
        check_plan(Plan.from_dict(data), EXAMPLE)


def test_a_plan_too_deep_is_refused() -> None:
    node: list[object] = ["bool", "true"]
    for _ in range(100):
        node = ["not", None, node]
    data = {**parse("SELECT COUNT(*) AS n FROM visits", EXAMPLE).to_dict(), "where": node}
    with pytest.raises(QueryRejected):
        Plan.from_dict(data)
