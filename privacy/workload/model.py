"""A fitted model: what released noisy marginals say together. Public from its first byte, so it costs nothing.

The model is a Markov random field (McKenna, Sheldon, Miklau 2019, "Graphical-model based estimation and inference
for differential privacy"): log p(x) = Σ θ_c(x_c) + const over the measured sets of columns c. Marginals are computed
by eliminating variables, in logarithms, within a public limit of work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from privacy.errors import EngineFault, QueryRejected
from privacy.query.answer import Cell

Array = npt.NDArray[np.float64]
VERSION = 1
MAX_WIDTH = 4_000_000  # cells of one step of elimination: 32 MB


def too_wide() -> QueryRejected:
    """Return the refusal of what would need too large a table on the way."""
    return QueryRejected(
        "model_too_wide",
        "GROUP BY",
        "These columns hang together through too many others for the model to be computed.",
        "Use fewer columns, or marginals that share fewer.",
    )


@dataclass(frozen=True)
class Attribute:
    """One column of the model and its public values; None stands for rows where it is missing."""

    name: str
    values: tuple[Cell, ...]


@dataclass(frozen=True)
class Measured:
    """One released marginal: its columns, the scale of its noise, and its noisy counts in the order of its cells."""

    columns: tuple[str, ...]
    scale: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Model:
    """Attributes, the potential of each measured set of columns, the estimated number of rows, and who fitted it."""

    attributes: tuple[Attribute, ...]
    measured: tuple[Measured, ...]
    potentials: tuple[Array, ...]
    total: float
    method: str

    def size(self, name: str) -> int:
        """Return how many values an attribute has."""
        return len(self.values(name))

    def values(self, name: str) -> tuple[Cell, ...]:
        """Return an attribute's public values."""
        return next(each.values for each in self.attributes if each.name == name)

    def shape(self, names: Iterable[str]) -> tuple[int, ...]:
        """Return the sizes of several attributes."""
        return tuple(self.size(name) for name in names)

    def noisy(self, index: int) -> Array:
        """Return one released marginal as an array with an axis for each of its columns."""
        one = self.measured[index]
        return np.array(one.counts, dtype=np.float64).reshape(self.shape(one.columns))

    def project(self, names: Sequence[str]) -> Array:
        """Return the expected counts by `names`, an axis each; raise QueryRejected where that is too much work."""
        factors = [
            (list(one.columns), theta) for one, theta in zip(self.measured, self.potentials, strict=True)
        ]
        rest = {each.name for each in self.attributes} - set(names)
        while rest:
            name = min(sorted(rest), key=lambda each: prod(self.shape(_touching(factors, each))))
            rest.remove(name)
            joint = _touching(factors, name)
            together = self._sum([f for f in factors if name in f[0]], joint)
            factors = [f for f in factors if name not in f[0]]
            joint_left = [each for each in joint if each != name]
            factors.append((joint_left, _logsumexp(together, joint.index(name))))
        table = self._sum(factors, list(names))
        table = np.exp(table - table.max())
        found: Array = table * (self.total / table.sum())
        return found

    def _sum(self, factors: list[tuple[list[str], Array]], names: list[str]) -> Array:
        """Return the sum of log factors over `names`."""
        if prod(self.shape(names)) > MAX_WIDTH:
            raise too_wide()
        total = np.zeros(self.shape(names))
        for columns, theta in factors:
            order = sorted(range(len(columns)), key=lambda axis: names.index(columns[axis]))
            kept = {columns[axis] for axis in order}
            shape = [self.size(name) if name in kept else 1 for name in names]
            total = total + np.transpose(theta, order).reshape(shape)
        return total

    def with_potentials(self, potentials: Iterable[Array], method: str) -> Model:
        """Return the model with other potentials."""
        return replace(self, potentials=tuple(potentials), method=method)

    def distance(self, index: int) -> float:
        """Return the total variation distance of one released marginal from the model's, both as shares; 0 to 1.

        Known from noisy values alone, and so it includes their noise: it is not the distance from the truth.
        """
        noisy, fitted = self.noisy(index), self.project(self.measured[index].columns)
        size = max(float(noisy.sum()), 1.0)
        return min(1.0, float(0.5 * np.abs(noisy / size - fitted / fitted.sum()).sum()))

    def to_bytes(self) -> bytes:
        """Return the model as canonical JSON: the bytes that are stored and hashed."""
        data = {
            "version": VERSION,
            "attributes": [[each.name, list(each.values)] for each in self.attributes],
            "measured": [[list(one.columns), one.scale, list(one.counts)] for one in self.measured],
            "potentials": [[round(float(cell), 9) for cell in theta.ravel()] for theta in self.potentials],
            "total": self.total,
            "method": self.method,
        }
        return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Model:
        """Read what `to_bytes` wrote; raise EngineFault on anything else."""
        try:
            data: dict[str, Any] = json.loads(payload)
            if data["version"] != VERSION:
                raise KeyError
            attributes = tuple(Attribute(name, tuple(values)) for name, values in data["attributes"])
            measured = tuple(
                Measured(tuple(columns), float(scale), tuple(counts))
                for columns, scale, counts in data["measured"]
            )
            bare = cls(attributes, measured, (), float(data["total"]), str(data["method"]))
            shapes = [bare.shape(one.columns) for one in measured]
            thetas = [np.array(theta, dtype=np.float64) for theta in data["potentials"]]
            shaped = [theta.reshape(shape) for theta, shape in zip(thetas, shapes, strict=True)]
            return bare.with_potentials(shaped, bare.method)
        except (ValueError, KeyError, TypeError, StopIteration):
            raise EngineFault(
                "These bytes are not a model of this version.", code="model_unreadable"
            ) from None


def _touching(factors: list[tuple[list[str], Array]], name: str) -> list[str]:
    """Return all columns of the factors that have `name`."""
    return list(dict.fromkeys(each for columns, _ in factors if name in columns for each in columns))


def _logsumexp(table: Array, axis: int) -> Array:
    """Return log Σ exp along an axis; sums of logarithms neither overflow nor vanish."""
    top = table.max(axis=axis, keepdims=True)
    found: Array = np.log(np.exp(table - top).sum(axis=axis)) + np.squeeze(top, axis)
    return found


def estimated_total(measured: Sequence[Measured]) -> float:
    """Return the number of rows that the marginals' totals agree on, at least 1: each weighted by 1 / variance.

    A marginal's total is the sum of its cells, so its variance is their number times σ².
    """
    weights = [1 / (len(one.counts) * one.scale**2) for one in measured]
    total = sum(weight * sum(one.counts) for weight, one in zip(weights, measured, strict=True))
    return max(1.0, total / sum(weights))


def blank(attributes: Sequence[Attribute], measured: Sequence[Measured]) -> Model:
    """Return the model that knows nothing: every combination equally likely."""
    bare = Model(tuple(attributes), tuple(measured), (), estimated_total(measured), "")
    return bare.with_potentials([np.zeros(bare.shape(one.columns)) for one in measured], "none")


def sha256(payload: bytes) -> str:
    """Return the hash that names a stored model."""
    return hashlib.sha256(payload).hexdigest()


def half_width(scale: float, cells: int) -> float:
    """Return ± at 95 % of the sum of `cells` noisy counts; a discrete Gaussian's variance is at most σ²."""
    return 1.959963984540054 * scale * sqrt(cells)
