"""The noise is OpenDP's, checked before it is drawn, charged for what it does, and different every time."""

from __future__ import annotations

import ast
import json
import math
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from privacy import noise
from privacy.errors import EngineFault, LossExceeded
from privacy.loss import DELTA_UNIT, RHO_UNIT, Loss
from privacy.query.scales import accuracy, threshold

ROOT = Path(__file__).parents[2]
PLENTY = Loss(RHO_UNIT, DELTA_UNIT // 5)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf, 1e-320, 1])
def test_a_scale_that_hides_nothing_is_refused(scale: float) -> None:
    with pytest.raises(LossExceeded):
        noise.gaussian_vector(sensitivity=1.0, scale=scale, reserved=PLENTY)
    with pytest.raises(LossExceeded):
        noise.gaussian_threshold(groups=1, scale=scale, threshold=100, reserved=PLENTY)


def test_opendp_itself_would_release_exact_values() -> None:
    """The reason for the check: the library accepts these scales."""
    dp = noise.opendp()
    space = dp.domains.vector_domain(dp.domains.atom_domain(T="i64"))
    for scale in (0.0, 1e-320):
        leaky = dp.measurements.make_gaussian(space, dp.metrics.l2_distance(T="f64"), scale=scale)
        assert leaky([7]) == [7]


def test_a_map_above_the_reservation_is_refused_to_the_last_unit() -> None:
    exact = noise.gaussian_vector(sensitivity=1.0, scale=10.0, reserved=PLENTY)
    needed = math.ceil(Fraction(exact.rho) * RHO_UNIT)  # exactly: a double of .005 is a little above it
    noise.gaussian_vector(sensitivity=1.0, scale=10.0, reserved=Loss(needed, 0))
    with pytest.raises(LossExceeded):
        noise.gaussian_vector(sensitivity=1.0, scale=10.0, reserved=Loss(needed - 1, 0))


def test_a_threshold_is_charged_for_one_less_than_it_releases_at() -> None:
    built = noise.gaussian_threshold(groups=2, scale=5.0, threshold=30, reserved=PLENTY)
    assert built.delta == noise.threshold_map(groups=2, scale=5.0, threshold=29)[1]
    assert built.delta > noise.threshold_map(groups=2, scale=5.0, threshold=30)[1]
    with pytest.raises(LossExceeded):
        noise.gaussian_threshold(groups=2, scale=5.0, threshold=30, reserved=Loss(RHO_UNIT, 1))
    with pytest.raises(LossExceeded):
        noise.gaussian_threshold(groups=2, scale=5.0, threshold=2, reserved=PLENTY)
    with pytest.raises(LossExceeded):
        noise.gaussian_threshold(groups=1, scale=1.0, threshold=500, reserved=Loss(10, DELTA_UNIT // 10))


@pytest.mark.parametrize("scale", [0.5, 1.0, 5.0, 31.6, 1000.7, 1e5])
@pytest.mark.parametrize("groups", [1, 2, 20])
@pytest.mark.parametrize("delta", [10**15, 10**11, 10**8])
def test_our_threshold_is_within_delta_by_opendps_own_map(scale: float, groups: int, delta: int) -> None:
    chosen = threshold(scale, groups, delta)
    assert 0 < noise.threshold_map(groups=groups, scale=scale, threshold=chosen - 1)[1] <= delta / DELTA_UNIT


def shown_rate(*, threshold_at: int, runs: int) -> float:
    """Return how often two groups that one unit alone fills are shown, one or both.

    Noise is drawn for each group by itself, so one draw over 2 · `runs` groups is as many runs over two.
    """
    chooser = noise.gaussian_threshold(groups=2, scale=1.5, threshold=threshold_at, reserved=PLENTY)
    shown = chooser.release(dict.fromkeys(range(2 * runs), 1))
    return len({number // 2 for number in shown}) / runs


def check_rare_keys(*, threshold_at: int, runs: int) -> None:
    """Assert that rare names show no more often than charged, and that charging for T itself would be caught."""
    rate = shown_rate(threshold_at=threshold_at, runs=runs)
    charged = noise.threshold_map(groups=2, scale=1.5, threshold=threshold_at - 1)[1]
    uncorrected = noise.threshold_map(groups=2, scale=1.5, threshold=threshold_at)[1]
    assert rate <= charged + 4 * math.sqrt(charged / runs)
    assert rate > uncorrected + 4 * math.sqrt(uncorrected / runs)


def test_rare_names_show_no_more_often_than_charged() -> None:
    check_rare_keys(threshold_at=4, runs=10_000)


@pytest.mark.prove
def test_rare_names_show_no_more_often_than_charged_over_40_000_runs() -> None:
    check_rare_keys(threshold_at=5, runs=40_000)


def test_forked_processes_draw_different_noise() -> None:
    vector = noise.gaussian_vector(sensitivity=1.0, scale=1e6, reserved=PLENTY)
    vector.release([0])
    draws = []
    for _ in range(6):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(write, json.dumps(vector.release([0, 0])).encode())
            os._exit(0)
        os.waitpid(child, 0)
        draws.append(os.read(read, 1000))
        os.close(read)
        os.close(write)
    assert len(set(draws)) == 6


def test_huge_values_are_clamped_and_nothing_else_happens() -> None:
    vector = noise.gaussian_vector(sensitivity=1.0, scale=10.0, reserved=PLENTY)
    low, high = vector.release([-(2**200), 2**200])
    assert abs(low + noise.LIMIT) < 1000
    assert abs(high - noise.LIMIT) < 1000
    assert vector.release([]) == []
    assert noise.gaussian_threshold(groups=1, scale=5.0, threshold=60, reserved=PLENTY).release({}) == {}


class Broken:
    """A mechanism whose complaint quotes a private value."""

    def __call__(self, values: object) -> object:
        raise RuntimeError(f"bad value {values}")


def test_a_mechanisms_complaint_never_leaves() -> None:
    vector = noise.GaussianVector(Broken(), 0.1, 1.0)
    chooser = noise.GaussianThreshold(Broken(), 0.1, 0.1, 1.0, 9)
    for release in (lambda: vector.release([123456]), lambda: chooser.release({5: 123456})):
        with pytest.raises(EngineFault) as caught:
            release()
        assert "123456" not in str(caught.value)
        assert caught.value.__suppress_context__


@pytest.mark.parametrize("value", [math.inf, math.nan, 0.0])
def test_a_map_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(LossExceeded):
        noise.check_loss(value, 0.0, PLENTY)


@pytest.mark.parametrize("scale", [0.3, 0.5, 1.0, 2.2, 5.0, 22.3, 100.3, 1999.0])
def test_our_accuracy_is_opendps(scale: float) -> None:
    assert accuracy(scale) == noise.accuracy_of(scale)


@pytest.mark.parametrize("scale", [2001.0, 5e4])
def test_our_accuracy_for_wide_noise_is_opendps_rounded_up(scale: float) -> None:
    theirs = noise.accuracy_of(scale)
    assert theirs <= accuracy(scale) <= theirs * (1 + 2e-6) + 2


def test_the_certificate_says_what_was_drawn_with() -> None:
    vector = noise.gaussian_vector(sensitivity=1.0, scale=10.0, reserved=PLENTY)
    assert "make_gaussian" in vector.certificate()
    chooser = noise.gaussian_threshold(groups=1, scale=5.0, threshold=60, reserved=PLENTY)
    facts = json.loads(chooser.certificate())
    assert (facts["threshold"], facts["charged_threshold"]) == (60, 59)


def imports(path: Path) -> set[str]:
    """Return the top-level names of every module a file imports, wherever the import stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_opendp_is_imported_by_noise_alone_and_never_its_prelude() -> None:
    callers = set()
    for folder in ("privacy", "domains", "portal", "client"):
        for path in (ROOT / folder).rglob("*.py"):
            names = imports(path)
            if any(name.split(".")[0] == "opendp" for name in names):
                callers.add(str(path.relative_to(ROOT)))
            assert "opendp.prelude" not in names
            if folder == "privacy":
                assert not names & {"random", "numpy.random"}, path
    assert callers == {"privacy/noise.py"}


def test_the_web_side_of_the_engine_loads_no_engine() -> None:
    code = (
        "import sys, privacy.loss, privacy.schema, privacy.query.parse, privacy.query.price, privacy.query.answer,"
        " privacy.query.words, privacy.query.reference\n"
        "print(sorted({'duckdb', 'opendp', 'numpy', 'polars'} & {m.split('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_salts_are_fresh() -> None:
    salts = {noise.fresh_salt() for _ in range(100)}
    assert len(salts) == 100
    assert all(0 <= salt < 2**62 for salt in salts)
    noise.load()
