"""Order statistics: the scores by which one of many public values is chosen, from exact counts by value.

Values are first put on the public grid. With C(≤ v) and C(< v) of n values, a quantile p = a / b is best at v where
C(< v) ≤ p n ≤ C(≤ v); its score falls by b for every place that v is off. One row more moves a n − b C by a or
a − b, so it moves every score by at most max(a, b − a). MIN and MAX aim at the t-th value from their end, t public:
one row moves those scores by at most 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

from privacy.query.needs import Need


def scores(need: Need, rank: int | None, bins: Mapping[int, int]) -> list[int]:
    """Return the score of each candidate, best 0, from the number of values by bin of one group."""
    counts = [bins.get(place, 0) for place in range(need.candidates)]
    if need.share == 1:
        counts.reverse()
    until = list(accumulate(counts))
    if rank is not None:
        found = [
            -max(0, rank - upto, upto - own - (rank - 1)) for own, upto in zip(counts, until, strict=True)
        ]
    else:
        share = need.share or 0
        target, each = share.numerator * until[-1], share.denominator
        found = [
            -max(0, target - each * upto, each * (upto - own) - target)
            for own, upto in zip(counts, until, strict=True)
        ]
    return found[::-1] if need.share == 1 else found
