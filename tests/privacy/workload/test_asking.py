"""What a workload is: two ways of writing it, one plan for each marginal, and what is refused with which words."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from privacy.errors import QueryRejected
from privacy.query.parse import parse as parse_query
from privacy.workload import parse
from privacy.workload.parse import asks_workload
from privacy.workload.plan import Workload, in_words, touched
from privacy.workload.price import price, shares
from privacy.workload.reference import REFUSED, Refused, refusal_of
from tests.privacy.engine_data import people, rows_as_units

TABLE = people().table
SQL = "SELECT g, h, k, COUNT(*) AS n FROM t WHERE x > 0 GROUP BY GROUPING SETS ((g, h), (k), g)"


def asked(**fields: Any) -> Workload:
    return parse.parse(json.dumps(fields), TABLE)


def test_sql_and_json_make_the_same_workload():
    written = asked(marginals=[["g", "h"], ["k"], ["g"]], where="x > 0")
    assert parse.parse(SQL, TABLE) == written
    assert [marginal.name for marginal in written.marginals] == ["g × h", "k", "g"]
    assert written.sha256() == parse.parse(SQL.lower().replace("as n", "as rows"), TABLE).sha256()


def test_each_marginal_is_the_plan_of_its_own_query():
    plan = parse.parse(SQL, TABLE).marginals[0].plan
    alone = parse_query("SELECT g, h, COUNT(*) AS count FROM t WHERE x > 0 GROUP BY g, h", TABLE)
    assert plan == alone


def test_a_workload_is_stored_and_read_back_and_nothing_else_is():
    workload = asked(marginals=[["g", "h"], ["k"]], weights=[3, 1], rows_per_unit=2)
    data = workload.to_dict()
    assert Workload.from_dict(json.loads(json.dumps(data))) == workload
    for spoilt in ({**data, "version": 2}, {**data, "extra": 1}, {"kind": "workload"}):
        with pytest.raises(QueryRejected) as refused:
            Workload.from_dict(spoilt)
        assert refused.value.code == "invalid_workload"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (SQL, True),
        ('{"marginals": [["g"]]}', True),
        ("SELECT COUNT(*) FROM t WHERE note = 'grouping sets'", False),
        ("SELECT g, COUNT(*) FROM t GROUP BY g", False),
        ("GROUPING SETS ((", False),
    ],
)
def test_only_json_and_grouping_sets_ask_for_a_workload(text: str, is_one: bool):
    assert asks_workload(text) == is_one


def test_weights_split_the_loss_and_all_of_it_is_used():
    workload = asked(marginals=[["g", "h"], ["k"], ["g"]], weights=[2, 1, 1])
    assert shares(workload, 10**10 + 3) == (5 * 10**9 + 3, 2_500_000_000, 2_500_000_000)
    pricing = price(workload, TABLE, rho=10**10 + 3)
    assert (pricing.loss.rho, pricing.loss.delta) == (10**10 + 3, 0)
    assert pricing.outputs[0].plus_minus_95 < pricing.outputs[1].plus_minus_95
    assert [output.name for output in pricing.outputs] == ["g × h", "k", "g"]


def test_a_unit_moves_each_marginal_by_no_more_than_its_rows_that_are_kept():
    """One bound for all marginals: its rows may all lie in one cell, so L2 is their number."""
    assert TABLE.unit.max_groups == 2
    for rows, expected in ((None, 2), (1, 1), (4, 4)):
        workload = asked(marginals=[["g", "h"], ["k"]], rows_per_unit=rows)
        sizes = [round(measure.sensitivity, 6) for measure in price(workload, TABLE, rho=10**10).measures]
        assert sizes == [expected, expected]


def test_it_says_in_words_what_is_counted():
    lines = in_words(asked(marginals=[["g", "h"], ["k"]], where="x > 0", weights=[2, 1], rows_per_unit=1))
    assert lines[0] == "Counts rows in 2 tables, all paid for by one charge."
    assert "One count for each g and h. It gets 2 parts of the loss." in lines
    assert "Counts at most 1 rows of each privacy unit." in lines
    assert any("0 < x" in line for line in lines)
    assert touched(asked(marginals=[["g"]], where="x > 0")) == ("g", "x")


def test_numbers_are_cut_into_bins_at_public_points():
    workload = asked(marginals=[["g", "x"], ["x"]], bins={"x": [-5, 0.5]})
    same = "CASE WHEN x < -5 THEN 'below -5' WHEN x < 0.5 THEN '-5 to below 0.5' WHEN x >= 0.5 THEN '0.5 or more' END"
    sql = f"SELECT {same} AS x, g, COUNT(*) FROM t GROUP BY GROUPING SETS ((g, {same}), ({same}))"
    assert parse.parse(sql, TABLE) == workload
    assert touched(workload) == ("g", "x")
    assert (
        price(workload, TABLE, rho=10**10).cells == 4 * 4 + 4
    )  # g's codes and bins, each with one for unknown
    assert any("below -5" in line for line in in_words(workload))


def test_the_condition_cannot_bring_clauses_of_its_own():
    for where in (
        "x > 0) GROUP BY g --",
        "x > 0) GROUP BY (g",
        "TRUE) UNION SELECT 1 WHERE (TRUE",
        "x > 0) LIMIT (3",
    ):
        with pytest.raises(QueryRejected):
            asked(marginals=[["g"]], where=where)


@pytest.mark.parametrize("entry", REFUSED, ids=lambda entry: entry.code)
def test_every_refusal_names_code_clause_reason_and_alternative(entry: Refused):
    refusal = refusal_of(entry)
    assert refusal is not None
    assert refusal.code == entry.code
    assert all(refusal.to_dict().values())
    assert refusal.message.endswith(".")


def test_no_code_is_missing_from_the_reference():
    sources = Path(parse.__file__).parent.glob("*.py")
    raised = {
        code for path in sources for code in re.findall(r'QueryRejected\(\s*"([a-z_]+)"', path.read_text())
    }
    to_programs = {"invalid_workload", "invalid_spec", "rho_too_small"}
    of_models = {"not_covered", "model_too_wide", "model_unknown"}
    assert raised == {entry.code for entry in REFUSED} | to_programs | of_models


SETS = "SELECT COUNT(*) FROM t GROUP BY GROUPING SETS "


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "SELECT g AS a, COUNT(*) FROM t GROUP BY GROUPING SETS ((a))",
            SETS.replace("t G", "t AS t G") + "((g))",
        ),
        (SETS + "((t.g), h)", SETS + "((g), (h))"),
        (
            "SELECT x > 0 AS up, COUNT(*) FROM t GROUP BY GROUPING SETS ((x > 0), (g))",
            "SELECT x > 0 AS up, COUNT(*) FROM t GROUP BY GROUPING SETS ((up), (g))",
        ),
    ],
)
def test_a_marginal_is_what_it_groups_by_however_that_is_called(one: str, other: str):
    plans = [[marginal.plan.keys for marginal in parse.parse(sql, TABLE).marginals] for sql in (one, other)]
    assert plans[0] == plans[1]


def test_an_expression_without_a_name_is_called_as_it_is_written():
    assert [marginal.name for marginal in parse.parse(SETS + "((x > 0), (g))", TABLE).marginals] == [
        "x > 0",
        "g",
    ]


def test_a_workload_may_read_a_named_sub_query():
    inner = parse.parse(
        "WITH a AS (SELECT g, h FROM t) " + SETS.replace("FROM t", "FROM a") + "((g), (h))", TABLE
    )
    assert inner.sha256() == parse.parse(SETS + "((g), (h))", TABLE).sha256()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (SETS + "((g)), h", "workload_sets"),
        (SETS.replace("BY G", "BY k, G") + "((g))", "workload_sets"),
        (SETS + "((g), ())", "workload_sets"),
        (SETS + "((g, g))", "workload_sets"),
        (SETS + "((g), CUBE (h, k))", "workload_sets"),
        (SETS + "((g), GROUPING SETS ((h), (k)))", "workload_sets"),
        (SETS + f"({', '.join(['(g)'] * 65)})", "workload_sets"),
        (SETS + "((g)) UNION SELECT 1", "workload_clause"),
        (SETS + "((g)) LIMIT 3", "workload_clause"),
        (SETS.replace("COUNT", "DISTINCT COUNT") + "((g))", "workload_clause"),
        (SETS.replace("COUNT(*)", "COUNT(*), COUNT(*)") + "((g))", "workload_only_counts"),
        (SETS.replace("COUNT(*)", "g") + "((g))", "workload_only_counts"),
        (SETS.replace("COUNT(*)", "x, COUNT(*)") + "((g))", "workload_only_counts"),
        ("{", "workload_json"),
        ('{"marginals": ' + "[" * 5000, "workload_json"),
        ('{"marginals": [["g"]], "where": "' + "x" * 20_000 + '"}', "workload_json"),
        ('{"marginals": [["g"]], "colour": 1}', "workload_json"),
        ('{"marginals": [["g", ""]]}', "workload_json"),
        ('{"marginals": [[1]]}', "workload_json"),
        ('{"marginals": [["g"]], "where": 3}', "workload_json"),
        ('{"marginals": [["g"]], "bins": [1]}', "workload_json"),
        ('{"marginals": [["g"]], "bins": {"x": [1]}}', "workload_json"),
        ('{"marginals": []}', "workload_sets"),
        ('{"marginals": [["x"]], "bins": {"x": []}}', "workload_bins"),
        ('{"marginals": [["x"]], "bins": {"x": ["a"]}}', "workload_bins"),
        ('{"marginals": [["x"]], "bins": {"x": [true]}}', "workload_bins"),
        ('{"marginals": [["x"]], "bins": {"x": [1e300]}}', "workload_bins"),
        ('{"marginals": [["x"]], "bins": {"x": [1, 1]}}', "workload_bins"),
        ('{"marginals": [["g"]], "weights": [0]}', "workload_weights"),
        ('{"marginals": [["g"]], "weights": [true]}', "workload_weights"),
        ('{"marginals": [["g"]], "rows_per_unit": true}', "workload_rows"),
        ('{"marginals": [["g"]], "rows_per_unit": 0}', "workload_rows"),
    ],
)
def test_what_is_no_workload_is_refused_by_name(text: str, code: str):
    with pytest.raises(QueryRejected) as refused:
        parse.parse(text, TABLE)
    assert refused.value.code == code


def test_the_engine_takes_no_workload_that_the_parser_would_not_write():
    """What is stored is checked again before it runs: too many marginals, or one that is not a count."""
    sound = asked(marginals=[["g"]])
    summed = replace(sound.marginals[0], plan=parse_query("SELECT g, SUM(x) FROM t GROUP BY g", TABLE))
    for marginals, code in (((), "workload_sets"), ((summed,), "workload_only_counts")):
        with pytest.raises(QueryRejected) as refused:
            parse.check_workload(replace(sound, marginals=marginals), TABLE)
        assert refused.value.code == code


def test_a_loss_too_small_to_split_is_refused():
    with pytest.raises(QueryRejected) as refused:
        price(asked(marginals=[["g"], ["h"], ["k"]]), TABLE, rho=2)
    assert refused.value.code == "rho_too_small"


def test_a_row_that_is_its_own_unit_is_counted_once():
    table = rows_as_units().table
    workload = parse.parse(SQL, table)
    assert workload.held(table) == table
    with pytest.raises(QueryRejected) as refused:
        parse.check_workload(replace(workload, rows_per_unit=2), table)
    assert refused.value.code == "workload_rows"
