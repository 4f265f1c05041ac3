"""Order statistics: the scores by which one of many public values is chosen, from exact counts by value.

Values are first put on the public grid; C(≤ v) and C(< v) are counts of n values. A candidate's score is how deep
the wanted place lies between C(< v) and C(≤ v), negative where it lies outside: a value that holds the place
scores best however many rows tie with it, and its neighbours fall behind by the width of the tie.

The place of a quantile p is pn, and a row more moves C − pn by up to max(p, 1 − p). With a noisy count n̂ that was
released before, it is n / 2 + (p − ½) n̂ instead: a row more moves C less that by exactly ½ whatever p is, so
choices of every quantile take the noise of a median, and p asks only for a count that is good enough. Scores are
twice the depth, hence whole numbers that one row moves by at most 1. MIN and MAX aim at the t-th value from
their end, t public: one row moves those scores by at most 1 as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

from privacy.query.needs import Need


def aim(need: Need, rank: int | None, count: int) -> int:
    """Return what the choices of one group aim at: (2p − 1) n̂ by the noisy `count`, or a public place from an end."""
    if rank is not None or need.share is None:
        return rank or 0
    return round((2 * need.share - 1) * count)


def scores(need: Need, aimed: int, bins: Mapping[int, int]) -> list[int]:
    """Return the score of each candidate, best the highest, from the number of values by bin of one group."""
    counts = [bins.get(place, 0) for place in range(need.candidates)]
    if need.share == 1:
        counts.reverse()
    until = list(accumulate(counts))
    if need.share in (0, 1):
        found = [min(upto - aimed, aimed - 1 - (upto - own)) for own, upto in zip(counts, until, strict=True)]
    else:
        place = until[-1] + aimed
        found = [
            min(2 * upto - place, place - 2 * (upto - own)) for own, upto in zip(counts, until, strict=True)
        ]
    return found[::-1] if need.share == 1 else found
