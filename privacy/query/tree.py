"""Running counts from a tree: every count along a public order is summed over spans of growing width.

A prefix is then made of few spans instead of many leaves. Noisy spans overlap, so they are made consistent by
least squares (Hay, Rastogi, Miklau and Suciu 2010, two passes; here for any number of leaves), which is
post-processing. The variance of each running count follows from public numbers alone.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

BRANCHINGS = (2, 3, 4, 6, 8, 12, 16)
SAMPLED = 64  # running sums that a tree is judged by


@dataclass(frozen=True)
class Tree:
    """Spans over `leaves` leaves: `spans` are their widths from 1 up, each a multiple of the one before."""

    leaves: int
    spans: tuple[int, ...]

    @property
    def size(self) -> int:
        """Return the number of nodes."""
        return sum(-(-self.leaves // span) for span in self.spans)

    def squared(self, groups: int) -> int:
        """Return L2² of the nodes where one unit adds 1 to at most `groups` leaves.

        At each width the worst case puts as many of its leaves as fit under one node.
        """
        total = 0
        for span in self.spans:
            together = min(groups, span)
            total += groups // together * together**2 + (groups % together) ** 2
        return total

    def absolute(self, groups: int) -> int:
        """Return L1 of the nodes where one unit adds 1 to at most `groups` leaves."""
        return len(self.spans) * groups

    def nodes(self, leaves: Sequence[int]) -> list[int]:
        """Return the exact sum over each span, narrowest first."""
        sums: list[int] = []
        for span in self.spans:
            sums += [sum(leaves[start : start + span]) for start in range(0, self.leaves, span)]
        return sums

    def _levels(self, nodes: Sequence[float]) -> list[list[float]]:
        """Return the nodes cut into levels, narrowest first."""
        levels, place = [], 0
        for span in self.spans:
            width = -(-self.leaves // span)
            levels.append(list(nodes[place : place + width]))
            place += width
        return levels

    def _branching(self, level: int) -> int:
        """Return how many nodes of the level beneath make one of `level`."""
        return self.spans[level] // self.spans[level - 1]

    @functools.cached_property
    def variances(self) -> list[list[float]]:
        """Return, by level, the variance of each node's best estimate from itself and all beneath it.

        Noise of variance 1 on every node: 1 / V = 1 + 1 / ΣV over the children.
        """
        levels = [[1.0] * self.leaves]
        for level in range(1, len(self.spans)):
            wide, below = self._branching(level), levels[-1]
            sums = [math.fsum(below[start : start + wide]) for start in range(0, len(below), wide)]
            levels.append([1 / (1 + 1 / total) for total in sums])
        return levels

    def fit(self, noisy: Sequence[int]) -> list[float]:
        """Return the running sums of the leaves that fit all noisy nodes best."""
        levels = self._levels(noisy)
        for level in range(1, len(levels)):  # upwards: weigh a node against the sum of its children
            wide = self._branching(level)
            for place, own in enumerate(levels[level]):
                below = math.fsum(levels[level - 1][place * wide : (place + 1) * wide])
                weight = self.variances[level][place]
                levels[level][place] = own * weight + below * (1 - weight)
        for level in range(len(levels) - 1, 0, -1):  # downwards: share out what the children lack
            wide = self._branching(level)
            for place, whole in enumerate(levels[level]):
                start, end = place * wide, min((place + 1) * wide, len(levels[level - 1]))
                parts = self.variances[level - 1][start:end]
                lack = (whole - math.fsum(levels[level - 1][start:end])) / math.fsum(parts)
                for child in range(start, end):
                    levels[level - 1][child] += self.variances[level - 1][child] * lack
        running, total = [], 0.0
        for leaf in levels[0]:
            total += leaf
            running.append(total)
        return running

    @functools.cached_property
    def deviations(self) -> list[float]:
        """Return the standard deviation of each running sum of `fit`, for noise of variance 1 on every node.

        Below a node of final estimate h, the sum up to a leaf is α h plus a part that h tells nothing about.
        """
        return [math.sqrt(self.variance(leaf)) for leaf in range(self.leaves)]

    def variance(self, leaf: int, low: float = 1.0, high: float = 0.0) -> float:
        """Return the variance of the running sum up to `leaf`, climbing from it to the top.

        More generally, of `low` times the sum up to `leaf` and `high` times the sum of all beyond it.
        """
        slope, apart, place = low, 0.0, leaf
        for level in range(1, len(self.spans)):
            wide = self._branching(level)
            start = place // wide * wide
            siblings = self.variances[level - 1][start : start + wide]
            before, own = math.fsum(siblings[: place - start]), siblings[place - start]
            after = math.fsum(siblings[place - start + 1 :])
            mixed, total = low * before + slope * own + high * after, before + own + after
            apart += low**2 * before + slope**2 * own + high**2 * after - mixed**2 / total
            slope = mixed / total
            place //= wide
        tops = self.variances[-1]
        beside = low**2 * math.fsum(tops[:place]) + high**2 * math.fsum(tops[place + 1 :])
        return apart + slope**2 * tops[place] + beside


@functools.lru_cache(maxsize=256)
def best_tree(leaves: int, groups: int, *, is_pure: bool) -> Tree:
    """Return the tree whose running sums err least on average at equal loss, from public numbers alone."""
    candidates = [Tree(leaves, (1,))]
    for branching in BRANCHINGS:
        spans = [1]
        while spans[-1] < leaves:
            spans.append(spans[-1] * branching)
            candidates.append(Tree(leaves, tuple(spans)))
    return min(candidates, key=lambda tree: _error(tree, groups, is_pure=is_pure))


def _error(tree: Tree, groups: int, *, is_pure: bool) -> float:
    """Return the mean square error of some evenly spread running sums, up to a factor that all trees share."""
    noise = tree.absolute(groups) ** 2 if is_pure else tree.squared(groups)
    return noise * spread(tree)


def sampled(tree: Tree) -> range:
    """Return some leaves that stand for all, an odd number apart lest all lie at ends of spans."""
    return range(0, tree.leaves, -(-tree.leaves // SAMPLED) | 1)


@functools.lru_cache(maxsize=256)
def spread(tree: Tree) -> float:
    """Return the mean variance of some running sums."""
    some = sampled(tree)
    return math.fsum(tree.variance(leaf) for leaf in some) / len(some)
