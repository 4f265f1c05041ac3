"""A budget's course as a figure: what is left over time, with the same as words and as a table."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from privacy.loss import Loss, total_epsilon

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 700, 16, 214
_epsilon = functools.lru_cache(maxsize=4096)(total_epsilon)


class PointLike(Protocol):
    """What a figure needs of one moment."""

    @property
    def at(self) -> datetime: ...
    @property
    def spent(self) -> Loss: ...
    @property
    def reserved(self) -> Loss: ...
    @property
    def limit(self) -> Loss: ...


class ShareLike(Protocol):
    """What a table of shares needs of one row."""

    @property
    def key(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def spent(self) -> Loss: ...
    @property
    def reserved(self) -> Loss: ...


class BalanceLike(Protocol):
    """What a table of shares needs of its account."""

    @property
    def limit(self) -> Loss: ...
    @property
    def delta(self) -> float: ...


@dataclass(frozen=True)
class Row:
    """One moment as the table shows it, in ε."""

    at: datetime
    limit: float
    spent: float
    reserved: float
    left: float


@dataclass(frozen=True)
class Tick:
    """A mark on an axis, in view box units, and its words."""

    at: float
    label: str


@dataclass(frozen=True)
class Course:
    """A drawn course; `text` and `rows` carry everything that the picture does."""

    rows: tuple[Row, ...]
    left_line: str
    limit_line: str
    ticks: tuple[Tick, ...]
    dates: tuple[Tick, ...]
    text: str
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True)
class Part:
    """What one project or person has of an account, in ε and as a share of the limit."""

    key: str
    name: str
    spent: float
    reserved: float
    percent: float


def drawn(points: Sequence[PointLike], delta: float) -> Course:
    """Draw what is left of a budget, in ε, at each of `points`, the first of which is its opening."""
    rows = tuple(_row(point, delta) for point in points)
    top = max(row.limit for row in rows) or 1.0
    began, now = rows[0].at, rows[-1].at
    span = max((now - began).total_seconds(), 1.0)

    def x(at: datetime) -> float:
        return round(LEFT + (RIGHT - LEFT) * (at - began).total_seconds() / span, 1)

    def y(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * value / top, 1)

    ticks = tuple(Tick(y(top * part / 4), f"{top * part / 4:.3g}") for part in range(5))
    dates = (Tick(LEFT, _day(began)), Tick(RIGHT, _day(now)))
    text = (
        f"From {_day(began)} to {_day(now)}: ε {rows[-1].left:.3g} of {rows[-1].limit:.3g} is left; "
        f"{rows[-1].spent:.3g} is committed and {rows[-1].reserved:.3g} reserved."
    )
    left = _steps([(x(row.at), y(row.left)) for row in rows])
    limit = _steps([(x(row.at), y(row.limit)) for row in rows])
    return Course(rows, left, limit, ticks, dates, text)


def _row(point: PointLike, delta: float) -> Row:
    limit, used = _epsilon(point.limit, delta), _epsilon(point.spent + point.reserved, delta)
    spent = _epsilon(point.spent, delta)
    return Row(point.at, limit, spent, max(0.0, used - spent), max(0.0, limit - used))


def _steps(places: Sequence[tuple[float, float]]) -> str:
    """Write a line that stays level until the next point."""
    (x, y), *rest = places
    return f"M{x} {y}" + "".join(f"H{x}V{y}" for x, y in rest)


def _day(at: datetime) -> str:
    return f"{at.day} {at:%b %Y}"


def shares(rows: Iterable[ShareLike], balance: BalanceLike) -> list[Part]:
    """Return who has what of an account; percents are of the currency that is nearest its limit."""
    return [_part(row, balance) for row in rows]


def _part(row: ShareLike, balance: BalanceLike) -> Part:
    used, limit = (row.spent + row.reserved).to_dict(), balance.limit.to_dict()
    percent = max((100 * used[name] / limit[name] for name in used if limit[name]), default=0.0)
    spent = _epsilon(row.spent, balance.delta)
    both = _epsilon(row.spent + row.reserved, balance.delta)
    return Part(row.key, row.name, spent, max(0.0, both - spent), percent)
