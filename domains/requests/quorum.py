"""How many people a decision takes, of what roles and organisations, and whether enough have spoken. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MOST_PEOPLE, MOST_DAYS = 9, 90


@dataclass(frozen=True)
class Terms:
    """What an approval needs: `people` distinct approvals, of so many organisations; asked again after `days`.

    `has_owner` and `has_reviewer` want one of each role among them; `organisations` 0 does not ask.
    """

    people: int = 1
    has_owner: bool = False
    days: int = 7
    organisations: int = 0
    has_reviewer: bool = False

    @property
    def in_words(self) -> str:
        """Say what an approval needs."""
        people = "one approval" if self.people == 1 else f"{self.people} approvals by different people"
        if self.organisations:
            several = "" if self.organisations == 1 else "s"
            people += f" of at least {self.organisations} organisation{several}"
        if self.has_owner and self.has_reviewer:
            return f"{people}, one of them by an owner of the dataset and one by a reviewer"
        if self.has_reviewer:
            return f"{people}, one of them by a reviewer who is no owner"
        return f"{people}, one of them by an owner of the dataset" if self.has_owner else people


@dataclass(frozen=True)
class Voter:
    """One person of the panel, in the role that counts, and the key of their organisation, empty for none."""

    person: str
    is_owner: bool
    organisation: str = ""


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
    roles = {one.is_owner for one in voters}
    return (
        len(people) >= terms.people
        and len({one.organisation for one in voters} - {""}) >= terms.organisations
        and (not terms.has_owner or True in roles)
        and (not terms.has_reviewer or False in roles)
    )


def is_looser(new: Terms, old: Terms) -> bool:
    """Answer whether `new` lets anything pass that `old` would not; then a second person confirms it."""
    return (
        new.people < old.people
        or new.organisations < old.organisations
        or (old.has_owner and not new.has_owner)
        or (old.has_reviewer and not new.has_reviewer)
    )


def strictest(terms: Iterable[Terms], *, days: int) -> Terms:
    """Combine every rule that was in force while an item was open: a looser later one does not help it (S4)."""
    found = list(terms)
    owner, reviewer = any(one.has_owner for one in found), any(one.has_reviewer for one in found)
    people = max((one.people for one in found), default=1)
    return Terms(
        people=max(people, owner + reviewer),
        has_owner=owner,
        days=days,
        organisations=max((one.organisations for one in found), default=0),
        has_reviewer=reviewer,
    )
