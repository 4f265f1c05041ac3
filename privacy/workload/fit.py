"""Fitting a model to released noisy marginals: post-processing, so it costs nothing and reads no private byte.

Minimises Σ_c ‖μ_c − y_c‖² / 2σ_c² over the marginals μ of a Markov random field. Where `mbi` (Private-PGM) is
installed it does the work; else the mirror descent below, Algorithm 1 of the same paper with a backtracking step.
"""

from __future__ import annotations

import contextlib
import importlib.util
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from privacy.errors import QueryRejected
from privacy.query.answer import Answer
from privacy.query.layout import layout
from privacy.schema import Table
from privacy.workload.answer import tables
from privacy.workload.model import Array, Attribute, Measured, Model, blank
from privacy.workload.plan import Workload

OWN = "mirror descent"
SWEEPS = 6
STEPS = 400
MBI_STEPS = 1_000
ENOUGH = 1e-7  # relative decrease of the loss at which a fit has converged


def attributes_of(workload: Workload, table: Table) -> tuple[Attribute, ...]:
    """Return the workload's columns with their public values, in the order of their first use."""
    found: dict[str, Attribute] = {}
    held = workload.held(table)
    for marginal in workload.marginals:
        for name, key in zip(marginal.columns, layout(marginal.plan, held).keys, strict=True):
            found.setdefault(name, Attribute(name, tuple(key.values)))
    return tuple(found.values())


def measured_of(answer: Answer, scales: Sequence[float]) -> tuple[Measured, ...]:
    """Return the released marginals of a workload's answer; rows come in the order of their cells."""
    return tuple(
        Measured(
            tuple(column.name for column in part.columns[:-1]),
            scale,
            tuple(int(str(row[-1])) for row in part.rows),
        )
        for (_, part), scale in zip(tables(answer), scales, strict=True)
    )


@dataclass(frozen=True)
class Prepared:
    """A fit that is ready for the released bytes."""

    attributes: tuple[Attribute, ...]
    scales: tuple[float, ...]
    method: str

    @property
    def facts(self) -> dict[str, object]:
        """Return what the worker may know before the fit."""
        return {"method": self.method}

    def run(self, answer: str) -> bytes:
        """Return the bytes of the model fitted to a released answer, given as its JSON text."""
        measured = measured_of(Answer.from_bytes(answer.encode()), self.scales)
        return fit(self.attributes, measured).to_bytes()


def prepare(spec: Mapping[str, Any]) -> Prepared:
    """Return the fit of a workload: {"plan", "table", "scales"}; raise QueryRejected where it is none of ours."""
    if set(spec) != {"plan", "table", "scales"}:
        raise QueryRejected(
            "invalid_spec", "job", "The job's specification is incomplete.", "Submit it again."
        )
    workload = Workload.from_dict(spec["plan"])
    attributes = attributes_of(workload, Table.from_dict(spec["table"]))
    return Prepared(attributes, tuple(float(scale) for scale in spec["scales"]), method())


def method() -> str:
    """Name what fits models here: mbi with its version where the extra `workloads` is installed."""
    return "mbi" if importlib.util.find_spec("mbi") else OWN


def fit(attributes: Sequence[Attribute], measured: Sequence[Measured]) -> Model:
    """Return the fitted model; raise QueryRejected `model_too_wide` where the marginals hang together too much."""
    start = blank(attributes, measured)
    for one in measured:
        start.project(one.columns)  # refuses what is too wide before any work is done
    if method() == "mbi":
        with contextlib.suppress(Exception):  # whatever the optional library cannot do, the descent below can
            return by_mbi(start)
    return by_descent(start)


def scaled(model: Model, *, sweeps: int = SWEEPS) -> Model:
    """Return `model` after some rounds of iterative proportional fitting: a start near the end.

    Each marginal in turn is set to its noisy counts, at least a small one: θ ← θ + log(y / μ).
    """
    targets = []
    for index, one in enumerate(model.measured):
        target = np.maximum(model.noisy(index), one.scale / 4)
        targets.append(target * (model.total / target.sum()))
    for _ in range(sweeps):
        for index, (one, target) in enumerate(zip(model.measured, targets, strict=True)):
            thetas = list(model.potentials)
            ratio = np.log(target) - np.log(np.maximum(model.project(one.columns), 1e-12))
            thetas[index] = thetas[index] + ratio
            model = model.with_potentials(thetas, OWN)
    return model


def by_descent(model: Model, *, steps: int = STEPS) -> Model:
    """Return `model` fitted by mirror descent: θ ← θ − α ∇, with α larger after a good step and halved after a bad."""
    model = scaled(model)
    noisy = [model.noisy(index) for index in range(len(model.measured))]
    weights = [1 / one.scale**2 for one in model.measured]
    fitted = _marginals(model)
    loss = _loss(fitted, noisy, weights)
    alpha = 2.0 / (sum(weights) * model.total)
    for _ in range(steps):
        gradient = [weight * (mu - y) for mu, y, weight in zip(fitted, noisy, weights, strict=True)]
        pairs = zip(model.potentials, gradient, strict=True)
        tried = model.with_potentials([theta - alpha * slope for theta, slope in pairs], OWN)
        mu = _marginals(tried)
        new = _loss(mu, noisy, weights)
        moved = sum(float((g * (a - b)).sum()) for g, a, b in zip(gradient, fitted, mu, strict=True))
        if loss - new < 0.5 * moved:
            alpha /= 2
            if alpha * sum(weights) * model.total < 1e-6:
                break
            continue
        is_done = loss - new <= ENOUGH * max(loss, 1.0)
        model, fitted, loss, alpha = tried, mu, new, alpha * 1.5
        if is_done:
            break
    return model.with_potentials(model.potentials, OWN)


def _marginals(model: Model) -> list[Array]:
    return [model.project(one.columns) for one in model.measured]


def _loss(fitted: list[Array], noisy: list[Array], weights: list[float]) -> float:
    """Return Σ ‖μ − y‖² / 2σ²."""
    return sum(
        weight * float(np.square(mu - y).sum()) / 2
        for mu, y, weight in zip(fitted, noisy, weights, strict=True)
    )


def by_mbi(model: Model) -> Model:
    """Return `model` fitted by Private-PGM; its potentials are taken over, so nothing later needs the library."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about float32 as it loads, which is set right here
        import jax

        jax.config.update("jax_enable_x64", True)
        import mbi

        names = [each.name for each in model.attributes]
        domain = mbi.Domain(names, [len(each.values) for each in model.attributes])
        given = [
            mbi.LinearMeasurement(np.array(one.counts, dtype=float), one.columns, one.scale)
            for one in model.measured
        ]
        found = mbi.estimation.MirrorDescent().estimate(
            domain, given, known_total=model.total, iters=MBI_STEPS, tol=ENOUGH
        )
    potentials = {frozenset(clique): found.potentials[clique] for clique in found.potentials.cliques}
    taken = []
    for one in model.measured:
        factor = potentials.pop(frozenset(one.columns), None)
        theta = None if factor is None else np.asarray(factor.transpose(one.columns).values, dtype=np.float64)
        taken.append(np.zeros(model.shape(one.columns)) if theta is None else theta)
    if potentials:
        raise QueryRejected(
            "model_unknown", "fit", "The fit has another form than was asked for.", "Report this."
        )
    return model.with_potentials(taken, f"mbi {_version()}")


def _version() -> str:
    from importlib.metadata import version

    return version("mbi")
