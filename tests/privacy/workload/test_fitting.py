"""Fitted models: consistent, close to what was released, stored by their bytes; and honest about their errors."""

from __future__ import annotations

import itertools
import json
import random
import sys
import types
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from privacy.errors import EngineFault, QueryRejected
from privacy.query.answer import Answer
from privacy.query.parse import parse as parse_query
from privacy.workload import execute
from privacy.workload import fit as fitting
from privacy.workload import model as models
from privacy.workload.covered import answer, question, truth
from privacy.workload.model import Attribute, Measured, Model, blank
from privacy.workload.parse import parse
from privacy.workload.plan import Workload
from privacy.workload.price import price
from privacy.workload.rows import draw
from tests.privacy.engine_data import people, random_rows, write

SIZES = {"a": 3, "b": 4, "c": 2, "d": 5}
SETS = (("a", "b"), ("b", "c"), ("c", "d"))
SCALE = 8.0
FITTERS = [
    fitting.by_descent,
    pytest.param(fitting.by_mbi, marks=pytest.mark.extras),
]


def truths(seed: int, rows: int = 4000) -> np.ndarray:
    """Return exact counts of a chain a – b – c – d, which the marginals describe wholly."""
    dice = np.random.default_rng(seed)
    joint = np.ones(tuple(SIZES.values()))
    for one in SETS:
        shape = [SIZES[name] if name in one else 1 for name in SIZES]
        joint = joint * dice.gamma(1.0, size=shape)
    return dice.multinomial(rows, (joint / joint.sum()).ravel()).reshape(joint.shape)


def exact(joint: np.ndarray, names: Sequence[str]) -> np.ndarray:
    gone = tuple(axis for axis, name in enumerate(SIZES) if name not in names)
    kept = [name for name in SIZES if name in names]
    return joint.sum(axis=gone).transpose([kept.index(name) for name in names])


def blurred(joint: np.ndarray, dice: np.random.Generator, scale: float = SCALE) -> Model:
    """Return the model that knows nothing yet of noisy marginals of `joint`."""
    attributes = [Attribute(name, tuple(range(size))) for name, size in SIZES.items()]
    measured = []
    for one in SETS:
        table = exact(joint, one)
        noisy = table + np.rint(dice.normal(0, scale, table.shape))
        measured.append(Measured(one, scale, tuple(int(cell) for cell in noisy.ravel())))
    return blank(attributes, measured)


@pytest.mark.parametrize("fitter", FITTERS)
def test_a_fit_is_nearer_to_the_truth_than_what_was_released_and_its_tables_agree(fitter):
    before, after = 0.0, 0.0
    for seed in range(4):
        joint = truths(seed)
        start = blurred(joint, np.random.default_rng(seed + 100), scale=40.0)
        model = fitter(start)
        for index, one in enumerate(SETS):
            before += float(np.abs(start.noisy(index) - exact(joint, one)).sum())
            after += float(np.abs(model.project(one) - exact(joint, one)).sum())
        by_b = model.project(("b", "c")).sum(axis=1)
        assert np.allclose(model.project(("a", "b")).sum(axis=0), by_b)
        assert np.allclose(model.project(("b",)), by_b)
        assert model.project(SETS[0]).min() >= 0
    assert after < 0.85 * before


def test_marginals_by_elimination_are_those_of_the_whole_table():
    dice = np.random.default_rng(5)
    model = blurred(truths(1), dice)
    model = model.with_potentials([dice.normal(size=theta.shape) for theta in model.potentials], "random")
    joint = np.zeros(tuple(SIZES.values()))
    for one, theta in zip(SETS, model.potentials, strict=True):
        joint = joint + theta.reshape([SIZES[name] if name in one else 1 for name in SIZES])
    joint = np.exp(joint) / np.exp(joint).sum() * model.total
    for size in range(4):
        for names in itertools.permutations(SIZES, size):
            assert np.allclose(model.project(names), exact(joint, names))


def test_a_model_is_its_bytes():
    model = fitting.by_descent(blurred(truths(2), np.random.default_rng(2)), steps=20)
    payload = model.to_bytes()
    again = Model.from_bytes(payload)
    assert again.to_bytes() == payload
    assert np.allclose(again.project(("a", "d")), model.project(("a", "d")), rtol=1e-6)
    spoilt = json.loads(payload)
    spoilt["potentials"][0] = spoilt["potentials"][0][:-1]
    for wrong in (b"{}", b"\xff", json.dumps(spoilt).encode()):
        with pytest.raises(EngineFault):
            Model.from_bytes(wrong)


def test_what_would_need_too_large_a_table_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch):
    start = blurred(truths(0), np.random.default_rng(0))
    monkeypatch.setattr(models, "MAX_WIDTH", 9)
    with pytest.raises(QueryRejected) as refused:
        fitting.fit(start.attributes, start.measured)
    assert refused.value.code == "model_too_wide"


def test_an_optional_library_that_fails_costs_nobody_the_model(monkeypatch: pytest.MonkeyPatch):
    def broken(model: Model) -> Model:
        raise RuntimeError("planted")

    monkeypatch.setattr(fitting, "method", lambda: "mbi")
    monkeypatch.setattr(fitting, "by_mbi", broken)
    start = blurred(truths(0), np.random.default_rng(0))
    assert fitting.fit(start.attributes, start.measured).method == fitting.OWN


class Library:
    """Stands in `mbi`'s place: fits by our own descent, and hands its tables back in an order of its own."""

    def __init__(self, start: Model, extra: tuple[tuple[str, ...], ...] = ()) -> None:
        self.start, self.extra = start, extra
        self.given: list[tuple[np.ndarray, tuple[str, ...], float]] = []

    def module(self) -> types.ModuleType:
        made = types.ModuleType("mbi")
        made.Domain = lambda names, sizes: list(zip(names, sizes, strict=True))
        made.LinearMeasurement = lambda counts, columns, scale: self.given.append((counts, columns, scale))
        made.estimation = types.SimpleNamespace(MirrorDescent=lambda: self)
        return made

    def estimate(
        self, domain: object, given: object, *, known_total: float, iters: int, tol: float
    ) -> object:
        assert domain == list(SIZES.items())
        assert known_total == self.start.total
        fitted = fitting.by_descent(self.start)
        cliques = {tuple(reversed(one)): theta.T for one, theta in zip(SETS, fitted.potentials, strict=True)}
        cliques |= {clique: np.zeros([SIZES[name] for name in clique]) for clique in self.extra}
        return types.SimpleNamespace(potentials=Potentials(cliques))


class Potentials(dict[tuple[str, ...], np.ndarray]):
    """Tables by their columns."""

    @property
    def cliques(self) -> list[tuple[str, ...]]:
        return list(self)

    def __getitem__(self, clique: tuple[str, ...]) -> object:
        table = super().__getitem__(clique)

        def transpose(names: Sequence[str]) -> object:
            return types.SimpleNamespace(values=table.transpose([clique.index(name) for name in names]))

        return types.SimpleNamespace(transpose=transpose)


def in_its_place(monkeypatch: pytest.MonkeyPatch, library: Library) -> None:
    jax = types.ModuleType("jax")
    jax.config = types.SimpleNamespace(update=lambda name, value: None)
    monkeypatch.setitem(sys.modules, "jax", jax)
    monkeypatch.setitem(sys.modules, "mbi", library.module())
    monkeypatch.setattr(fitting, "_version", lambda: "9")
    monkeypatch.setattr(fitting, "method", lambda: "mbi")


def test_what_the_optional_library_fitted_is_taken_over_whatever_order_it_keeps(
    monkeypatch: pytest.MonkeyPatch,
):
    start = blurred(truths(4), np.random.default_rng(4))
    library = Library(start)
    in_its_place(monkeypatch, library)
    model = fitting.fit(start.attributes, start.measured)
    assert model.method == "mbi 9"
    own = fitting.by_descent(start)
    for one, (counts, columns, scale) in zip(start.measured, library.given, strict=True):
        assert (tuple(counts), columns, scale) == (one.counts, one.columns, one.scale)
        assert np.allclose(model.project(one.columns), own.project(one.columns))


def test_tables_that_were_not_asked_for_are_refused(monkeypatch: pytest.MonkeyPatch):
    start = blurred(truths(4), np.random.default_rng(4))
    in_its_place(monkeypatch, Library(start, extra=(("a", "d"),)))
    with pytest.raises(QueryRejected) as refused:
        fitting.by_mbi(start)
    assert refused.value.code == "model_unknown"


def test_the_total_is_what_the_marginals_agree_on():
    joint = truths(3)
    totals = [blurred(joint, np.random.default_rng(seed)).total for seed in range(30)]
    assert abs(np.mean(totals) - joint.sum()) < 4 * SCALE * np.sqrt(10 / len(totals))


def test_a_worker_fits_what_was_released_and_nothing_else(tmp_path: Path):
    table = people().table
    asked_of = parse('{"marginals": [["g", "h"], ["k"]]}', table)
    parts = {"plan": asked_of.to_dict(), "table": table.to_dict()}
    run = execute.prepare({**parts, "loss": price(asked_of, table, rho=10**15).loss.to_dict()})
    released = run.run(paths=write(tmp_path / "d.parquet", random_rows(random.Random(1))), salt=1)
    ready = fitting.prepare({**parts, "scales": [2.0, 2.0]})
    assert ready.facts == {"method": fitting.method()}
    fitted = Model.from_bytes(ready.run(released.to_bytes().decode()))
    assert [each.name for each in fitted.attributes] == ["g", "h", "k"]
    assert [sum(one.counts) for one in fitted.measured] == pytest.approx([fitted.total] * 2, abs=10)
    for wrong in (parts, {**parts, "scales": [2.0, 2.0], "more": 1}):
        with pytest.raises(QueryRejected) as refused:
            fitting.prepare(wrong)
        assert refused.value.code == "invalid_spec"


# --- Covered questions ----------------------------------------------------------------------------------------------

TABLE = people().table
ASKED = '{"marginals": [["g", "h"], ["h", "num.co"]], "where": "x > 0"}'


def workload() -> Workload:
    return parse(ASKED, TABLE)


def model(seed: int = 1) -> Model:
    dice = random.Random(seed)
    attributes = fitting.attributes_of(workload(), TABLE)
    return fitting.by_descent(blank(attributes, _measured(attributes, dice)), steps=50)


def _measured(attributes: tuple[Attribute, ...], dice: random.Random) -> tuple[Measured, ...]:
    sizes = {each.name: len(each.values) for each in attributes}
    return tuple(
        Measured(
            m.columns,
            2.0,
            tuple(dice.randint(0, 200) for _ in range(int(np.prod([sizes[n] for n in m.columns])))),
        )
        for m in workload().marginals
    )


def asked(sql: str) -> Answer:
    return answer(
        model(), question(parse_query(sql, TABLE), workload()), label="Free.", model_sha256="0" * 64
    )


def test_a_covered_question_is_answered_from_the_model_and_says_so():
    found = asked("SELECT h, g, COUNT(*) AS n FROM t WHERE x > 0 GROUP BY h, g")
    assert found.notes[0] == "Free."
    assert len(found.rows) == 12
    fitted = model().project(("h", "g"))
    assert [float(record["n"]) for record in found.records()] == pytest.approx(list(fitted.ravel()), abs=0.06)
    assert all(errors[-1] is not None for errors in found.accuracy)


def test_conditions_hold_on_the_models_public_values():
    everywhere = asked("SELECT COUNT(*) AS n FROM t WHERE x > 0").value(0, 0)
    parts = [
        asked(f"SELECT COUNT(*) AS n FROM t WHERE x > 0 AND {where}").value(0, 0)
        for where in ("g = 'a'", "g IN ('b', 'c')", "g IS NULL")
    ]
    assert float(sum(parts)) == pytest.approx(float(everywhere), abs=0.3)
    low = asked('SELECT COUNT(*) AS n FROM t WHERE x > 0 AND "num.co" <= 2 AND NOT h').value(0, 0)
    model_table = model().project(("num.co", "h"))
    assert float(low) == pytest.approx(float(model_table[:2, 0].sum()), abs=0.06)
    counted = asked("SELECT COUNT(*) AS n, COUNT(*) FILTER (WHERE h) AS m FROM t WHERE x > 0").records()[0]
    assert float(counted["m"]) == pytest.approx(float(model().project(("h",))[1]), abs=0.06)


def test_columns_that_were_not_measured_together_get_no_error_and_a_word_why():
    found = asked('SELECT g, "num.co", COUNT(*) AS n FROM t WHERE x > 0 GROUP BY g, "num.co"')
    assert {errors[-1] for errors in found.accuracy} == {None}
    assert "not measured together" in found.notes[1]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) FROM t",  # the workload counted only rows with x > 0
        "SELECT k, COUNT(*) FROM t WHERE x > 0 GROUP BY k",
        "SELECT COUNT(*) FROM t WHERE x > 0 AND k = 1",
        "SELECT SUM(k) FROM t WHERE x > 0",
        "SELECT COUNT(x) FROM t WHERE x > 0",
        "SELECT COUNT(*) * 2 FROM t WHERE x > 0",
        "SELECT g, COUNT(*) AS n FROM t WHERE x > 0 GROUP BY g ORDER BY n",
        'SELECT COUNT(*) FROM t WHERE x > 0 AND ABS("num.co") = 1',
    ],
)
def test_what_the_model_does_not_know_is_refused(sql: str):
    with pytest.raises(QueryRejected) as refused:
        asked(sql)
    assert refused.value.code == "not_covered"
    assert refused.value.alternative


def test_conditions_follow_sqls_three_values():
    def holds(sql: str, **row: object) -> bool | None:
        where = parse_query(f"SELECT COUNT(*) FROM t WHERE {sql}", TABLE).where
        assert where is not None
        return truth(where, row)  # type: ignore[arg-type]

    assert holds("g <> 'a'", g="b") is True
    assert holds("g <> 'a'", g=None) is None
    assert holds("g <> 'a' OR h", g=None, h=True) is True
    assert holds("g IN ('a', 'b') AND h", g="c", h=None) is False
    assert holds('"num.co" BETWEEN 2 AND 5', **{"num.co": 5}) is True


def coverage(releases: int, *, widen: float = 1.0) -> float:
    """Return how often the stated interval of a covered cell holds the truth, over fresh noise."""
    joint = truths(7, rows=600)
    table = exact(joint, ("a", "b"))
    hits = total = 0
    dice = np.random.default_rng(11)
    plan = parse_query("SELECT g, h, COUNT(*) AS n FROM t WHERE x > 0 GROUP BY g, h", TABLE)
    known = question(plan, workload())
    for _ in range(releases):
        noisy = table + np.rint(dice.normal(0, SCALE, table.shape))
        attributes = (Attribute("g", ("a", "b", "c")), Attribute("h", (False, True, None, "x")))
        start = blank(attributes, [Measured(("g", "h"), SCALE * widen, tuple(int(c) for c in noisy.ravel()))])
        found = answer(fitting.by_descent(start, steps=10), known, label="", model_sha256="")
        for place, record in enumerate(found.records()):
            error = float(found.accuracy[place][-1] or 0)
            hits += abs(float(record["n"]) - table.ravel()[place]) <= error  # type: ignore[arg-type]
            total += 1
    return hits / total


def test_the_stated_interval_holds_the_truth_at_least_as_often_as_it_says():
    assert coverage(40) >= 0.94


def test_an_interval_from_too_small_a_scale_would_be_seen():
    assert coverage(40, widen=0.5) < 0.9


def test_a_binned_number_is_asked_by_its_bins_and_not_by_its_values():
    binned = parse('{"marginals": [["g", "x"]], "bins": {"x": [0]}}', TABLE)
    case = "CASE WHEN x < 0 THEN 'below 0' WHEN x >= 0 THEN '0 or more' END"
    assert question(
        parse_query(f"SELECT {case} AS x, COUNT(*) FROM t GROUP BY {case}", TABLE), binned
    ).keys == ("x",)
    with pytest.raises(QueryRejected) as refused:
        question(parse_query("SELECT COUNT(*) FROM t WHERE x > 5", TABLE), binned)
    assert refused.value.code == "not_covered"


# --- Synthetic rows ---------------------------------------------------------------------------------------------------


def test_synthetic_rows_follow_the_models_joint_distribution_also_where_nothing_was_measured():
    fitted = fitting.by_descent(blurred(truths(4, rows=40_000), np.random.default_rng(4)))
    drawn = draw(fitted, "seed")
    assert len(drawn.rows()) == round(fitted.total)
    for names in (("a", "b"), ("c", "d"), ("a", "d"), ("a", "b", "c", "d")):
        wanted, got = fitted.project(names), drawn.count(names)
        assert 0.5 * np.abs(wanted / wanted.sum() - got / got.sum()).sum() < 0.5 * np.sqrt(
            wanted.size / got.sum()
        )


def test_the_same_model_gives_the_same_rows_and_another_others():
    fitted = fitting.by_descent(blurred(truths(4), np.random.default_rng(4)), steps=5)
    assert draw(fitted, "x").rows() == draw(fitted, "x").rows() != draw(fitted, "y").rows()
    assert len(draw(fitted, "x", most=7).rows()) == 7


def test_the_quality_report_knows_columns_and_tables_by_noisy_counts_alone():
    fitted = fitting.by_descent(blurred(truths(4), np.random.default_rng(4)), steps=50)
    report = draw(fitted, "x").closeness()
    assert [each.name for each in report] == ["a", "b", "c", "d", "a × b", "b × c", "c × d"]
    assert all(0 <= each.distance < 0.1 for each in report)
    spoilt = fitted.with_potentials([np.zeros_like(theta) for theta in fitted.potentials], "flat")
    assert (
        max(each.distance for each in draw(spoilt, "x").closeness()) > 0.2
    )  # rows that follow nothing are seen
