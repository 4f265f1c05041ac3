"""A priced plan's mechanisms, each built and checked against its own share of the loss, and what they release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from privacy import noise
from privacy.errors import EngineFault
from privacy.loss import Loss
from privacy.noise import GaussianThreshold, GaussianVector, LaplaceVector
from privacy.noise_choice import NoisyChoice, noisy_choice
from privacy.query.curves import counts, rising
from privacy.query.layout import Layout
from privacy.query.measures import Measure
from privacy.query.needs import Way
from privacy.query.price import Pricing
from privacy.query.ranks import aim, scores

Vector = GaussianVector | LaplaceVector
Bins = Mapping[int, Mapping[int | str, Mapping[int, int]]]  # by need, cell and bin: a number of rows


@dataclass(frozen=True)
class Mechanisms:
    """Noise for vectors and trees, choices for ranks and largest groups, and the threshold for unknown groups."""

    vectors: Mapping[int, Vector]
    choices: Mapping[int, NoisyChoice]
    selector: GaussianThreshold | None

    def certificate(self, index: int, facts: Layout) -> str:
        """Return what one need's noise was drawn with, as its library writes it."""
        if self.selector is not None and index == facts.selector:
            return self.selector.certificate()
        return (self.choices[index] if index in self.choices else self.vectors[index]).certificate()


def build(facts: Layout, pricing: Pricing) -> Mechanisms:
    """Return every mechanism of a priced plan; raise LossExceeded where one costs more than its share."""
    vectors: dict[int, Vector] = {}
    choices: dict[int, NoisyChoice] = {}
    selector = None
    for index, measure in enumerate(pricing.measures):
        if index == facts.selector and measure.threshold is not None:
            selector = noise.gaussian_threshold(
                groups=facts.groups,
                scale=measure.scale,
                threshold=measure.threshold,
                reserved=Loss(measure.rho, pricing.loss.delta),
            )
        elif facts.needs[index].way in (Way.RANK, Way.TOP):
            choices[index] = _choice(facts, index, measure)
        else:
            make = noise.laplace_vector if measure.pure else noise.gaussian_vector
            vectors[index] = make(sensitivity=measure.sensitivity, scale=measure.scale, reserved=measure.loss)
    return Mechanisms(vectors, choices, selector)


def _choice(facts: Layout, index: int, measure: Measure) -> NoisyChoice:
    """Return the mechanism of a choice: once in each group for a rank, once over all groups for the largest."""
    need = facts.needs[index]
    is_top = need.way is Way.TOP
    return noisy_choice(
        sensitivity=facts.moves(index),
        scale=measure.scale,
        reserved=measure.loss,
        most=need.most if is_top else 1,
        groups=1 if is_top else facts.groups,
        is_monotonic=is_top,
        is_pure=measure.pure > 0,
    )


@dataclass(frozen=True)
class Releaser:
    """Draws the noise of a plan once, over cells that may be shown."""

    facts: Layout
    pricing: Pricing
    mechanisms: Mechanisms

    def figures(
        self,
        names: Sequence[int | str],
        cells: Sequence[tuple[int, ...]],
        bins: Bins,
        shown: Sequence[int] = (),
    ) -> list[tuple[int, ...]]:
        """Return the noisy figures of each cell by need; `shown` are those that chose unknown groups.

        Order statistics come last, for they are aimed by counts that were released.
        """
        columns: dict[int, Sequence[int]] = {}
        for index, need in enumerate(self.facts.needs):
            exact = [cell[index] for cell in cells]
            if need.way is Way.TREE:
                columns[index] = self._running(index, exact)
            elif need.way is Way.CURVE:
                columns[index] = [0] * len(exact)  # see `curves`
            elif index in self.mechanisms.vectors:
                columns[index] = self.mechanisms.vectors[index].release(exact)
            elif index == self.facts.selector:
                columns[index] = shown
        for index in self.mechanisms.choices:
            found = [bins[index].get(name, {}) for name in names]
            columns[index] = self._ranked(index, found, columns[self.facts.counter(index)])
        return list(zip(*(columns[index] for index in range(len(self.facts.needs))), strict=True))

    def _ranked(self, index: int, groups: Sequence[Mapping[int, int]], counts: Sequence[int]) -> list[int]:
        """Return, for each group, the grid value that was chosen near the wanted rank, by its noisy count."""
        need, rank = self.facts.needs[index], self.pricing.measures[index].rank
        choice = self.mechanisms.choices[index]
        return [
            need.low + choice.release(scores(need, aim(need, rank, count), group))[0]
            for group, count in zip(groups, counts, strict=True)
        ]

    def _running(self, index: int, exact: Sequence[int]) -> list[int]:
        """Return each cell's running count, fitted to noisy sums over spans and rounded."""
        need = self.facts.needs[index]
        if need.tree is None:
            raise EngineFault("A running count has no tree.")
        series = self.facts.series(need)
        nodes = [need.tree.nodes([exact[cell] for cell in cells]) for cells in series]
        noisy = self.mechanisms.vectors[index].release([node for each in nodes for node in each])
        found = [0] * len(exact)
        for number, cells in enumerate(series):
            start = number * need.tree.size
            fitted = need.tree.fit(noisy[start : start + need.tree.size])
            for cell, value in zip(cells, fitted, strict=True):
                found[cell] = round(value)
        return found

    def curves(self, names: Sequence[int | str], bins: Bins) -> list[dict[int, list[float]]]:
        """Return, for each group, the rising running counts of each need that quantiles are read from."""
        found: list[dict[int, list[float]]] = [{} for _ in names]
        for index, need in enumerate(self.facts.needs):
            if need.way is not Way.CURVE or need.tree is None:
                continue
            nodes = [need.tree.nodes(counts(need, bins[index].get(name, {}))) for name in names]
            noisy = self.mechanisms.vectors[index].release([node for each in nodes for node in each])
            for number, group in enumerate(found):
                start = number * need.tree.size
                group[index] = rising(need.tree.fit(noisy[start : start + need.tree.size]))
        return found

    def largest(self, cells: Sequence[tuple[int, ...]]) -> list[int]:
        """Return the cells that were chosen as the largest, in order; only where names alone are asked for."""
        ((index, choice),) = self.mechanisms.choices.items()
        return choice.release([cell[index] for cell in cells])

    def spreads(self) -> dict[int, list[float]]:
        """Return, for each running count, by cell how much more it errs than the noise on one sum."""
        found = {}
        for index, need in enumerate(self.facts.needs):
            if need.way is not Way.TREE or need.tree is None:
                continue
            by_cell = [0.0] * self.facts.cells
            for cells in self.facts.series(need):
                for cell, deviation in zip(cells, need.tree.deviations, strict=True):
                    by_cell[cell] = deviation
            found[index] = by_cell
        return found
