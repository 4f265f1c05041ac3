"""What every app stands on: ULID keys, append-only rows, and moves as compare-and-set over a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Never

from django.db import models
from django.db.models import CheckConstraint, Q
from django.utils import timezone
from ulid import ULID

from domains.errors import IllegalMove


def new_id() -> str:
    """Return a fresh ULID, 26 characters, sortable by creation time."""
    return str(ULID())


class Model(models.Model):
    """A row with a public, sortable key."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True


class AppendOnly(Model):
    """A row that is written once; a database trigger says so too (see `domains.triggers`)."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise IllegalMove(f"{type(self).__name__} is append-only: add a new row instead.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Never:
        raise IllegalMove(f"{type(self).__name__} is append-only: rows are never deleted.")


def coarse(moment: datetime, tick: float) -> datetime:
    """Return the last whole `tick` (seconds since the epoch) not after `moment`: how times are told outward."""
    return datetime.fromtimestamp(math.floor(moment.timestamp() / tick) * tick, tz=moment.tzinfo)


def paired(name: str, model: str) -> CheckConstraint:
    """Demand that `<name>_at` and `<name>_by` are both there or both absent."""
    at, by = f"{name}_at__isnull", f"{name}_by__isnull"
    return CheckConstraint(
        condition=Q(**{at: True, by: True}) | Q(**{at: False, by: False}), name=f"{model}_{name}_paired"
    )


@dataclass(frozen=True)
class State:
    """One row of a state machine: what people read, whose turn it is, and where it may go."""

    label: str
    turn: str | None  # the role expected to act next; None when nobody is
    to: frozenset[str]
    meaning: str = ""

    @property
    def is_final(self) -> bool:
        return not self.to


@dataclass(frozen=True)
class Move:
    """One action on a machine: what a button calls it, who may do it, and which states it leads to from where.

    `owner` is a permission, or "worker" or "system". `arrows` says for each state in which it can be done where the
    object may be afterwards; in every other state it is refused. `never` are those who may not do it although their
    role would let them (separation of duties), `only` the one who may. `pauses` says that it is refused while the node
    is paused. `through` names the page of another object where it is done.
    """

    action: str  # dotted below `domains`
    label: str
    owner: str
    arrows: Mapping[str, frozenset[str]]
    never: frozenset[str] = frozenset()
    only: str = ""
    pauses: bool = False
    through: str = ""

    @property
    def is_of_people(self) -> bool:
        """Whether a person does it, and not the node by itself."""
        return self.owner not in {"worker", "system"}


def arrows(*here: str, to: str | tuple[str, ...] = ()) -> dict[str, frozenset[str]]:
    """Return arrows from each state of `here` to `to`; without it the object stays where it is."""
    ends = frozenset({to}) if isinstance(to, str) else frozenset(to)
    return {state: ends or frozenset({state}) for state in here}


@dataclass(frozen=True)
class Machine:
    """The life of a kind of object: its states, its moves, and where it begins.

    `is_derived` where no status field holds the state: it is read from who decided what and when.
    """

    name: str
    subject: str  # the class whose life it is
    first: str
    states: Mapping[Any, State]
    moves: tuple[Move, ...]
    is_derived: bool = False


class HasLifecycle(models.Model):
    """An object with one status field whose moves are a table."""

    lifecycle: ClassVar[Mapping[Any, State]]  # by the status's own enumeration, whose members are text
    status: models.CharField[str, str]

    class Meta:
        abstract = True

    @property
    def state(self) -> State:
        return self.lifecycle[self.status]


def move(obj: HasLifecycle, to: str, **changes: Any) -> None:
    """Take `obj` from the status it was read with to `to`, or raise IllegalMove.

    A compare-and-set: one conditional UPDATE whose row count decides, so that of two people
    who click at once exactly one succeeds. `changes` are written in the same UPDATE.
    """
    here = obj.status
    if to not in obj.lifecycle[here].to:
        raise IllegalMove(
            f"This {obj._meta.verbose_name} is {obj.lifecycle[here].label.lower()}; "
            f"it cannot become {obj.lifecycle[to].label.lower()}."
        )
    manager: Any = type(obj)._default_manager  # of the child, which has the field
    if manager.filter(pk=obj.pk, status=here).update(status=to, **changes) != 1:
        raise IllegalMove(
            f"This {obj._meta.verbose_name} changed since you opened it. Look at it again before deciding."
        )
    for name, value in {"status": to, **changes}.items():
        setattr(obj, name, value)
