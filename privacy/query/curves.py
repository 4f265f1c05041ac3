"""Many quantiles of one column: read from one fitted curve of running counts where that errs less than choices.

k choices share the loss, so that their variance grows with k (under pure ε with k²); a curve costs the same however
many quantiles are read from it. Noise goes to sums over spans of the column's values (`tree`), the running sums
are fitted, and made to rise by pooling neighbours that fall: post-processing, all of it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from privacy.errors import EngineFault
from privacy.query.needs import Need, Way
from privacy.query.scales import Z95
from privacy.query.tree import Tree, best_tree, sampled, spread

FEW = 3  # quantiles of one column; for fewer no curve is worth it


def histogram(ranked: Need) -> Need:
    """Return what all quantiles of one column have in common."""
    return replace(ranked, way=Way.CURVE, share=None)


def worth_it(needs: Sequence[Need], *, is_pure: bool) -> dict[Need, tuple[Tree, int]]:
    """Return the histograms of which so many quantiles are asked that a curve errs less: its tree, and how many.

    By variance in places, where noise of deviation s costs the whole: k s² / 2 for each of k choices under zCDP, and
    L2² V s² for a curve whose running sums err V times as much as one sum; under pure ε, 2 k² s² and 2 L1² V s².
    """
    asked: dict[Need, int] = {}
    for need in needs:
        if need.way is Way.RANK and need.share not in (0, 1):
            asked[histogram(need)] = asked.get(histogram(need), 0) + 1
    found = {}
    for shared, number in asked.items():
        if number < FEW:
            continue
        tree = best_tree(shared.candidates, 1, is_pure=is_pure)  # one row adds 1 to one leaf
        curve = tree.absolute(1) ** 2 * spread(tree) if is_pure else 2 * tree.squared(1) * spread(tree)
        if curve < (number**2 if is_pure else number):
            found[shared] = tree, number
    return found


def counts(need: Need, bins: Mapping[int, int]) -> list[int]:
    """Return the number of values of one group at each step of a histogram."""
    return [bins.get(place, 0) for place in range(need.candidates)]


def rising(running: Sequence[float]) -> list[float]:
    """Return the closest running counts that never fall, by pooling neighbours (Ayer et al. 1955)."""
    blocks: list[tuple[float, int]] = []
    for value in running:
        mean, size = value, 1
        while blocks and blocks[-1][0] > mean:
            before, wide = blocks.pop()
            mean, size = (mean * size + before * wide) / (size + wide), size + wide
        blocks.append((mean, size))
    return [mean for mean, size in blocks for _ in range(size)]


def read(curve: Sequence[float], share: Fraction) -> int:
    """Return the place of the first value up to which that share of all values lies, by a rising curve."""
    return min(bisect_left(curve, float(share) * curve[-1]), len(curve) - 1)


def curve_reach(need: Need, deviation: float, share: Fraction, place: int | None = None) -> float:
    """Return how many places a quantile that is read at `place`, or anywhere, may be off at 95 %.

    Aimed by the share of the curve's own end, it errs as C(v) − p C(end) does. Making the curve rise only helps.
    """
    tree, aimed = need.tree, float(share)
    if tree is None:
        raise EngineFault("A curve has no tree.")
    leaves = sampled(tree) if place is None else [place]
    return Z95 * deviation * math.sqrt(max(tree.variance(leaf, 1 - aimed, -aimed) for leaf in leaves))
