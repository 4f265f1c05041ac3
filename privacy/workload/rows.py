"""Synthetic rows of a fitted model: the model's table written out as rows, the same for everyone who asks.

Attributes are drawn one after another, each given its neighbours in the order of elimination reversed, which is the
model's own joint distribution. The uniform numbers come from SHAKE-256 of the model's hash: nothing secret is drawn,
for the model is public already, and the same model gives the same rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from privacy.query.answer import Cell
from privacy.workload.model import Array, Model

MOST_ROWS = 50_000
_AT_ONCE = 5_000  # rows whose chances are compared at once
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Closeness:
    """How far the rows are from a released table, as shares (total variation, 0 to 1); the noise is included."""

    name: str
    columns: int
    distance: float

    @property
    def percent(self) -> str:
        """Return the distance in percent, to two places."""
        return f"{100 * self.distance:.2f}"


@dataclass(frozen=True)
class SyntheticRows:
    """Rows of a model: for each attribute the index of every row's value."""

    model: Model
    codes: dict[str, Codes]

    def rows(self) -> list[tuple[Cell, ...]]:
        """Return the rows with their values, columns in the model's order."""
        columns = [
            np.array(each.values, dtype=object)[self.codes[each.name]].tolist()
            for each in self.model.attributes
        ]
        return list(zip(*columns, strict=True))

    def count(self, names: Sequence[str]) -> Array:
        """Return how many rows have each combination of values."""
        shape = self.model.shape(names)
        flat = np.ravel_multi_index([self.codes[name] for name in names], shape)
        counted: Array = np.bincount(flat, minlength=prod(shape)).astype(np.float64).reshape(shape)
        return counted

    def closeness(self) -> tuple[Closeness, ...]:
        """Return the distances from every released table and from each column of one, by noisy values alone."""
        found: dict[tuple[str, ...], Closeness] = {}
        for index, one in enumerate(self.model.measured):
            noisy = self.model.noisy(index)
            for axis, name in enumerate(one.columns):
                rest = tuple(other for other in range(len(one.columns)) if other != axis)
                found.setdefault((name,), self._distance((name,), noisy.sum(axis=rest)))
            found[one.columns] = self._distance(one.columns, noisy)
        return tuple(sorted(found.values(), key=lambda each: each.columns))

    def _distance(self, names: tuple[str, ...], noisy: Array) -> Closeness:
        own, size = self.count(names), max(float(noisy.sum()), 1.0)
        distance = 0.5 * float(np.abs(own / own.sum() - noisy / size).sum())
        return Closeness(" × ".join(names), len(names), min(1.0, distance))


def draw(model: Model, seed: str, *, most: int = MOST_ROWS) -> SyntheticRows:
    """Return about as many rows as the model estimates, at most `most`; `seed` is the hash of the model's bytes."""
    count = max(1, min(most, round(model.total)))
    codes: dict[str, Codes] = {}
    for name, parents in order(model):
        joint = model.project([*parents, name]).reshape(-1, model.size(name))
        rises = np.cumsum(joint, axis=1)
        rises = rises / np.maximum(rises[:, -1:], 1e-300)
        shape = model.shape(parents)
        places = (
            np.ravel_multi_index([codes[each] for each in parents], shape)
            if parents
            else np.zeros(count, dtype=np.int64)
        )
        codes[name] = _pick(rises, places, _uniform(f"{seed}:{name}", count))
    return SyntheticRows(model, codes)


def _pick(rises: Array, places: Codes, chances: Array) -> Codes:
    """Return for each row the first value whose cumulated share exceeds its chance."""
    picked = np.empty(len(chances), dtype=np.int64)
    for start in range(0, len(chances), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        picked[part] = (rises[places[part]] <= chances[part, None]).sum(axis=1)
    kept: Codes = np.minimum(picked, rises.shape[1] - 1)
    return kept


def _uniform(seed: str, count: int) -> Array:
    """Return `count` numbers from 0 to below 1 that follow from the seed."""
    stream = hashlib.shake_256(seed.encode()).digest(8 * count)
    whole = np.frombuffer(stream, dtype=np.uint64) >> np.uint64(11)
    found: Array = whole.astype(np.float64) / 2.0**53
    return found


def order(model: Model) -> list[tuple[str, list[str]]]:
    """Return each attribute with those it is drawn given, first those drawn first: elimination reversed."""
    near: dict[str, set[str]] = {each.name: set() for each in model.attributes}
    for one in model.measured:
        for name in one.columns:
            near[name] |= set(one.columns) - {name}
    order = []
    while near:
        name = min(sorted(near), key=lambda each: prod(model.shape(near[each])))
        parents = near.pop(name)
        for other in parents:
            near[other] = (near[other] | parents) - {name, other}
        order.append((name, sorted(parents)))
    return order[::-1]
