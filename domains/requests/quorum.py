"""How many people a decision takes, and whether enough have spoken. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MOST_PEOPLE, MOST_DAYS = 9, 90


@dataclass(frozen=True)
class Terms:
    """What an approval needs: `people` distinct approvals, an owner's among them or not; asked again after `days`."""

    people: int = 1
    has_owner: bool = False
    days: int = 7

    @property
    def in_words(self) -> str:
        """Say what an approval needs."""
        people = "one approval" if self.people == 1 else f"{self.people} approvals by different people"
        return f"{people}, one of them by an owner of the dataset" if self.has_owner else people


@dataclass(frozen=True)
class Voter:
    """One person of the panel, in the role that counts."""

    person: str
    is_owner: bool


@dataclass(frozen=True)
class Standing:
    """How far a decision has come: who approved, and who may still vote."""

    terms: Terms
    approved: frozenset[Voter]
    open: frozenset[Voter]

    @property
    def is_reached(self) -> bool:
        """Whether the approvals make a decision."""
        return _enough(self.terms, self.approved)

    @property
    def is_reachable(self) -> bool:
        """Whether they would, if everybody who may still vote approved."""
        return _enough(self.terms, self.approved | self.open)

    @property
    def in_words(self) -> str:
        """Say how many votes are in, never whose."""
        return f"{len({one.person for one in self.approved})} of {self.terms.people}"


def _enough(terms: Terms, voters: frozenset[Voter]) -> bool:
    people = {one.person for one in voters}  # S4: distinct people
    return len(people) >= terms.people and (not terms.has_owner or any(one.is_owner for one in voters))


def is_looser(new: Terms, old: Terms) -> bool:
    """Answer whether `new` lets anything pass that `old` would not; then a second person confirms it."""
    return new.people < old.people or (old.has_owner and not new.has_owner)


def strictest(terms: Iterable[Terms], *, days: int) -> Terms:
    """Combine every rule that was in force while an item was open: a looser later one does not help it (S4)."""
    found = list(terms)
    return Terms(max((one.people for one in found), default=1), any(one.has_owner for one in found), days)
