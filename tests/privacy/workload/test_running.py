"""Running a workload: what its answer holds, what its mechanisms are held to, and the neighbour replay.

The replay stacks all marginals' exact vectors, each divided by its noise scale: whoever is taken away, the joint
L2² must stay within 2ρ of the whole charge. Planted faults must be caught.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pytest

from privacy.errors import LossExceeded, QueryRejected
from privacy.loss import RHO_UNIT, Loss
from privacy.query import execute as query
from privacy.query.answer import Answer, AnswerColumn
from privacy.workload import price as pricing
from privacy.workload.answer import is_of_workload, joined, tables
from privacy.workload.execute import Prepared, prepare
from privacy.workload.parse import parse
from tests.privacy.engine_data import Bench, Row, load, people, random_rows, rows_as_units, write

RHO = 10**11
KEYS = (("g", "h"), ("k",), ("num.co", "g"), ("h",))


def spec(bench: Bench, text: str, *, rho: int = RHO) -> dict[str, Any]:
    workload = parse(text, bench.table)
    loss = pricing.price(workload, bench.table, rho=rho).loss
    return {
        "plan": workload.to_dict(),
        "table": bench.table.to_dict(),
        "loss": loss.to_dict(),
        "threads": 1,
    }


def text(marginals: Any = KEYS, **fields: Any) -> str:
    return json.dumps({"marginals": marginals, **fields})


def test_every_public_cell_is_answered_and_each_table_is_its_own(tmp_path: Path):
    rows: list[Row] = [(1, 1.0, 3, "a", True, 2, None, None)] * 2 + [(2, 2.0, 3, None, None, 9, None, None)]
    path = write(tmp_path / "d.parquet", rows)
    prepared = prepare(spec(people(), text(), rho=10**15))  # so little noise that figures are all but exact
    answer = Answer.from_bytes(prepared.run(paths=path, salt=5).to_bytes())
    found = dict(tables(answer))
    assert is_of_workload(answer)
    assert list(found) == ["g × h", "k", "num.co × g", "h"]
    assert len(answer.rows) == 4 * 3 + 11 + 4 * 4 + 3
    by_g_h = {(record["g"], record["h"]): round(record["count"]) for record in found["g × h"].records()}
    assert (by_g_h["a", True], by_g_h[None, None], by_g_h["b", False]) == (2, 1, 0)
    assert all(error[-1] is not None for error in answer.accuracy)


def test_a_column_of_the_data_may_be_called_like_ours():
    bench = rows_as_units()
    columns = (
        replace(bench.table.columns[2], name="count"),
        replace(bench.table.columns[3], name="marginal"),
    )
    own = Bench(replace(bench.table, columns=columns))
    workload = parse('{"marginals": [["count"], ["marginal"]]}', own.table)
    parts = [
        Answer(
            (AnswerColumn(m.columns[0], "key"), AnswerColumn("n", "count", 1)),
            ((None, 3),),
            ((None, "1"),),
            (),
            {},
        )
        for m in workload.marginals
    ]
    answer = joined(workload, Loss(1, 0), parts)
    assert [column.name for column in answer.columns] == ["marginal_", "count", "marginal", "count_"]
    assert [part.rows for _, part in tables(answer)] == [((None, 3),), ((None, 3),)]


def test_each_mechanism_is_certified_for_its_share(tmp_path: Path):
    prepared = prepare(spec(people(), text(weights=[2, 1, 1, 1])))
    answer = prepared.run(paths=write(tmp_path / "d.parquet", random_rows(random.Random(1))), salt=1)
    parts = answer.certificate["marginals"]
    losses = [part["certificate"]["loss"]["rho"] for part in parts]
    assert sum(losses) == answer.certificate["loss"]["rho"] == RHO
    assert losses[0] == 2 * losses[1]
    assert all("DiscreteGaussian" in json.dumps(part) or "gaussian" in json.dumps(part) for part in parts)


def test_marginals_that_take_more_than_was_reserved_are_refused_before_any_data(
    monkeypatch: pytest.MonkeyPatch,
):
    given = spec(people(), text())
    monkeypatch.setattr(pricing, "shares", lambda workload, rho: (rho,) * len(workload.marginals))
    with pytest.raises(LossExceeded):
        prepare(given)


def test_a_specification_that_lacks_a_part_is_refused():
    given = spec(people(), text())
    del given["loss"]
    with pytest.raises(QueryRejected) as refused:
        prepare(given)
    assert refused.value.code == "invalid_spec"


# --- Neighbours ------------------------------------------------------------------------------------------------------

Fault = Callable[[Bench, Prepared], Prepared]


def honest(bench: Bench, prepared: Prepared) -> Prepared:
    """The marginals as the engine runs them."""
    return prepared


def _with_bounds(prepared: Prepared, bench: Bench, **bounds: int) -> Prepared:
    """Run marginals under other bounds than they were priced for."""
    table = prepared.workload.held(bench.table)
    wider = replace(table, unit=replace(table.unit, **bounds))
    parts = []
    for part, marginal in zip(prepared.parts, prepared.workload.marginals, strict=True):
        loss = Loss(part.pricing.loss.rho, 0).to_dict()
        given = {"plan": marginal.plan.to_dict(), "table": wider.to_dict(), "loss": loss, "threads": 1}
        parts.append(replace(query.prepare(given), pricing=part.pricing))
    return replace(prepared, parts=tuple(parts))


def one_row_too_many(bench: Bench, prepared: Prepared) -> Prepared:
    """A unit keeps one more row than was priced."""
    rows = prepared.workload.held(bench.table).unit.max_rows
    return _with_bounds(prepared, bench, max_rows=rows + 1)


def rows_in_each_group(bench: Bench, prepared: Prepared) -> Prepared:
    """The bound holds in each of several groups instead of once."""
    return _with_bounds(prepared, bench, max_groups=bench.table.unit.max_groups + 1)


def measured_twice(bench: Bench, prepared: Prepared) -> Prepared:
    """A marginal is measured twice and paid for once."""
    return replace(prepared, parts=(*prepared.parts, prepared.parts[0]))


def joint(one: list[query.Exact], other: list[query.Exact], prepared: Prepared) -> Fraction:
    """Return half the joint L2² of two neighbours' stacked vectors, each in units of its own noise: a ρ."""
    total = Fraction(0)
    for here, there, part in zip(one, other, prepared.parts, strict=True):
        scale = Fraction(part.pricing.measures[0].scale)
        zero = (0,)
        changes = [here.get(cell, zero)[0] - there.get(cell, zero)[0] for cell in here.keys() | there.keys()]
        total += Fraction(sum(change * change for change in changes)) / (2 * scale * scale)
    return total


@pytest.fixture
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    """An engine in memory: one for all cases, for starting one takes longer than a case."""
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        yield connection


def exact(engine: duckdb.DuckDBPyConnection, prepared: Prepared, table: str, salt: int) -> list[query.Exact]:
    """Return every marginal's exact counts over one of the engine's tables, by the text that a run executes."""
    texts = [
        part.compiled.text("FILE", salt).replace("read_parquet('FILE')", table) for part in prepared.parts
    ]
    return [
        {cell: tuple(map(int, counts)) for cell, *counts in engine.execute(text).fetchall()} for text in texts
    ]


def first_violation(engine: duckdb.DuckDBPyConnection, fault: Fault, *, cases: int, seed: int) -> int | None:
    """Return the first case in which neighbours differ by more than the charge, or None if none did."""
    dice = random.Random(seed)
    for case in range(cases):
        bench = people(max_groups=dice.choice([1, 2, 3]), max_rows=dice.choice([1, 2]))
        chosen = dice.sample(KEYS, dice.randint(1, 3))
        fields: dict[str, Any] = {"weights": [dice.randint(1, 3) for _ in chosen]}
        if dice.random() < 0.5:
            fields["where"] = dice.choice(["x > 0", "k IN (1, 2, 3)", "h IS NULL"])
        prepared = prepare(spec(bench, text(chosen, **fields)))
        run = fault(bench, prepared)
        if case % 4 == 0:
            fill(engine, dice)
        salt = dice.getrandbits(60)
        here, there = exact(engine, run, "whole", salt), exact(engine, run, "less", salt)
        if joint(here, there, run) > Fraction(prepared.loss.rho, RHO_UNIT):
            return case
    return None


def fill(engine: duckdb.DuckDBPyConnection, dice: random.Random) -> None:
    """Load random rows, and the same without the person who has most of them."""
    rows = random_rows(dice)
    units = {row[0] for row in rows} - {None} or {0}
    heaviest = max(units, key=lambda who: sum(row[0] == who for row in rows))
    load(engine, "whole", rows)
    load(engine, "less", [row for row in rows if row[0] != heaviest])


def test_taking_a_person_away_moves_all_marginals_together_by_no_more_than_the_charge(
    engine: duckdb.DuckDBPyConnection,
):
    assert first_violation(engine, honest, cases=10, seed=3) is None


@pytest.mark.prove
@pytest.mark.parametrize("seed", [4, 5])
def test_the_same_over_many_workloads(engine: duckdb.DuckDBPyConnection, seed: int):
    assert first_violation(engine, honest, cases=400, seed=seed) is None


@pytest.mark.parametrize("fault", [one_row_too_many, rows_in_each_group, measured_twice])
def test_the_replay_catches_a_planted_fault(engine: duckdb.DuckDBPyConnection, fault: Fault):
    assert first_violation(engine, fault, cases=60, seed=5) is not None
