"""Whether one aggregate may be computed: its argument's type and public bounds, and its parameter."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from privacy.query import refuse
from privacy.query.expr import RANKED, RUNNING, SPREADS, Aggregate, invalid_plan
from privacy.query.intervals import Typed
from privacy.query.types import Checker

BOUNDED = ("sum", "mean", *SPREADS, *RANKED)


def check_aggregate(aggregate: Aggregate, columns: Mapping[str, Typed], *, keys: int, has_unit: bool) -> None:
    """Refuse an aggregate whose argument or parameter it cannot take."""
    fn, arg = aggregate.fn, aggregate.arg
    counts_units = fn in ("units", "running_units")
    if (fn in BOUNDED and arg is None) or (counts_units and (arg is not None or not has_unit)):
        raise invalid_plan()
    _check_param(aggregate, keys)
    if arg is None:
        return
    checker = Checker(columns, "SELECT")
    if fn in ("count", "running"):
        checker.check(arg)
        return
    require_bounds(checker.number(arg))


def _check_param(aggregate: Aggregate, keys: int) -> None:
    """Refuse a parameter where there is none, and one that names no share or no key."""
    if aggregate.fn == "quantile":
        if not 0 < share_of(aggregate) < 1:
            raise invalid_plan()
    elif aggregate.fn in RUNNING:
        if axis_of(aggregate)[0] >= keys:
            raise invalid_plan()
    elif aggregate.param is not None:
        raise invalid_plan()


def share_of(aggregate: Aggregate) -> Fraction:
    """Return a quantile's share as an exact fraction; raise QueryRejected `invalid_plan` where it is none."""
    text = aggregate.param or ""
    whole, _, decimals = text.partition(".")
    if whole != "0" or not (decimals.isascii() and decimals.isdigit()) or len(decimals) > 3:
        raise invalid_plan()
    return Fraction(text)


def axis_of(aggregate: Aggregate) -> tuple[int, bool]:
    """Return the key that a running count runs along, and whether downwards; or `invalid_plan`."""
    place, space, down = (aggregate.param or "").partition(" ")
    if not (place.isascii() and place.isdigit() and len(place) < 3) or (space + down) not in ("", " desc"):
        raise invalid_plan()
    return int(place), bool(down)


def require_bounds(typed: Typed) -> None:
    """Refuse a sum or mean of what has no public bounds."""
    if typed.bounds is None:
        raise refuse.unbounded()
