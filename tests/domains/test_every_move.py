"""Every machine, every state, every move, every person: it works as the table says, or is refused and nothing changed.

The tables of moves say what to expect; `tests.walk.people` says who may, apart from the node's own answer. Workers'
moves are tested with the workers; here walk people.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from domains.base import Machine, Move
from domains.catalog import actions as catalog
from domains.errors import DomainError
from domains.node import actions as node
from domains.people.models import User
from domains.people.permissions import Role
from domains.projects import actions as projects
from portal.manual.states import machines
from tests import cast, world
from tests.portal.test_matrix import undone
from tests.stage import Stage, stage, staged
from tests.walk import people
from tests.walk.calls import BEFORE, CALLS
from tests.walk.places import PLACES, placed, state_of

__all__ = ["stage", "staged"]

WALKED = [machine for machine in machines() if any(m.is_of_people and not m.through for m in machine.moves)]
# In `make test` the machines about which people decide daily, by somebody for each outcome; in `make prove` all by all.
DAILY = {"AccessGrant", "AnalysisRequest", "Release", "TopUp"}
PLACED = [
    pytest.param(machine, state, marks=[] if machine.subject in DAILY else pytest.mark.prove)
    for machine in WALKED
    for state in machine.states
]
STOPPED = [
    (machine, state)
    for machine in WALKED
    for state in machine.states
    if any(move.pauses and not move.through and state in move.arrows for move in machine.moves)
]
SEPARATION = {"separation_of_duties", "benefits", "two_people"}
ANOTHERS = {"illegal_move", "not_allowed", "not_the_proposer", "not_yours", "not_own_access"}
PAUSED = {"node_paused", "node_running"}
# What a move from a state that it does not start from answers: one of these, and nothing else.
WRONG_STATE = {
    "agreement_retired",
    "already_ended",
    "break_glass_over",
    "dataset_stopped",
    "dry_run_missing",
    "grant_not_suspended",
    "illegal_move",
    "no_budget",
    "no_mock_waiting",
    "node_not_paused",
    "node_paused",
    "not_erasing",
    "not_published",
    "not_yours",
    "separation_of_duties",
    "stale",
    "version_published",
}
Group = tuple[tuple[str, str], list[Move]]


def groups(machine: Machine) -> list[Group]:
    """Return the moves of people, those together that are one call."""
    found: dict[tuple[str, str], list[Move]] = defaultdict(list)
    for move in machine.moves:
        if move.is_of_people and not move.through:
            found[move.action, move.label].append(move)
    return list(found.items())


@pytest.fixture(scope="module")
def peopled(staged: Stage, django_db_blocker: Any) -> Stage:
    """The stage with everybody on it who walks."""
    with django_db_blocker.unblock(), world.at(staged.home):
        grant = staged.access()
        alice, ada, rita = (staged.user(name) for name in ("alice", "ada", "rita"))
        cast.person("Rob", Role.REVIEWER)
        for name, roles in (("Zoe", [Role.SCIENTIST]), ("Mia", [Role.SCIENTIST]), ("Otto", [Role.OWNER])):
            cast.person(name, *roles)
        cast.person("Dot", Role.SCIENTIST, Role.ADMINISTRATOR)
        every = [Role.SCIENTIST, Role.OWNER, Role.REVIEWER]
        for name in ("Hat", "Sue"):
            cast.person(name, *every)
        for name in ("mia", "hat", "dot"):
            projects.add_member(grant.project, staged.user(name), by=rita)
        catalog.seat(grant.dataset.area, staged.user("rob"), role=Role.AREA_REVIEWER, by=ada)
        for name in ("hat", "sue"):
            catalog.seat(grant.dataset.area, staged.user(name), role=Role.AREA_REVIEWER, by=ada)
            catalog.assign(grant.dataset, staged.user(name), role=Role.DATASET_OWNER, by=alice)
        suspended = {"is_active": False, "deactivated_at": timezone.now(), "deactivated_by": ada}
        User.objects.filter(email="sue@hospital.example").update(**suspended)
    return staged


_LOOK = """SELECT (SELECT COUNT(*) FROM audit_auditevent), (SELECT COUNT(*) FROM notices_notice),
 (SELECT COUNT(*) FROM jobs_job), (SELECT COUNT(*) FROM ledger_entry),
 (SELECT COALESCE(SUM(rho_reserved + rho_spent + rho_limit), 0) FROM ledger_account)"""


def look() -> tuple[int, ...]:
    """Return what nothing may change without leaving a trace in: log, notices, jobs and ledger."""
    with connection.cursor() as cursor:
        cursor.execute(_LOOK)
        found: tuple[int, ...] = cursor.fetchone()
    return found


def expected(
    machine: Machine, moves: list[Move], state: str, name: str, is_public: bool
) -> tuple[str, set[str]]:
    """Return how a call has to end: "works" with the states it may lead to, or "refused" with its possible codes."""
    subject = machine.subject
    mine = [move for move in moves if people.may(name, subject, move.owner)]
    if not mine:
        return "refused", {people.refusal(name, subject, is_public)}
    own = [move for move in mine if not move.only or name in people.only(subject, state, move.only)]
    if not own:
        return "refused", ANOTHERS | {people.refusal(name, subject, is_public)}
    here = [move for move in own if state in move.arrows]
    barred = {who for move in here or own for each in move.never for who in _barred(subject, each)}
    if here:
        works = "works", {str(to) for move in here for to in move.arrows[state]}
        return ("refused", SEPARATION) if name in barred else works
    # Another state, where it may take another permission.
    asked = {"not_allowed", "not_found"} if len(moves) > 1 else set()
    return "refused", WRONG_STATE | asked | (SEPARATION if name in barred else set())


def _barred(subject: str, word: str) -> set[str]:
    return people.BARRED_OF.get(subject, {}).get(word, people.BARRED[word])


def fault(
    machine: Machine,
    group: Group,
    state: str,
    row: Any,
    by: User,
    name: str,
    w: Stage,
    *,
    paused: bool = False,
) -> str:
    """Make one call and return what is wrong with how it ended, or an empty string; what it did is undone."""
    key, moves = group
    how, what = expected(machine, moves, state, name, bool(getattr(row, "is_public", False)))
    if paused and how == "works" and any(move.pauses and state in move.arrows for move in moves):
        how, what = "refused", PAUSED
    said = f"{key[1]} ({key[0]}) by {name} from {state}"
    with undone():
        if key in BEFORE:
            BEFORE[key](row, by)
            row = type(row).objects.get(pk=row.pk)
        before, was = look(), state_of(machine.subject, row)
        try:
            CALLS[key](copy.copy(row), by, w)
        except DomainError as error:
            if how == "works":
                return f"{said}: refused as {error.code}: {error}"
            if error.code not in what:
                return f"{said}: refused as {error.code}, not as one of {sorted(what)}"
            changed = look() != before or state_of(machine.subject, row) != was
            return f"{said}: refused, and yet something changed" if changed else ""
        if how == "refused":
            return f"{said}: worked, and should be refused as one of {sorted(what)}"
        now = state_of(machine.subject, row)
        if now not in what:
            return f"{said}: led to {now}, not to one of {sorted(what)}"
        return "" if look()[0] > before[0] else f"{said}: left no trace in the log"


def walkers(machine: Machine, moves: list[Move], state: str, is_public: bool) -> list[str]:
    """Return somebody for each way in which a move from a state may end."""
    found: dict[object, str] = {}
    for name in people.NODE:
        how, what = expected(machine, moves, state, name, is_public)
        found.setdefault((how, frozenset(what)), name)
    return list(found.values())


def walk(
    machine: Machine, state: str, row: Any, w: Stage, *, paused: bool = False, everybody: bool = False
) -> Iterator[str]:
    """Yield what is wrong with every move from a state; while paused, by those who may."""
    users = {name: w.user(name) for name in people.NODE}
    for group in groups(machine):
        few = walkers(machine, group[1], state, bool(getattr(row, "is_public", False)))
        for name in people.NODE if everybody else few:
            if paused and not any(people.may(name, machine.subject, move.owner) for move in group[1]):
                continue
            found = fault(machine, group, state, row, users[name], name, w, paused=paused)
            if found:
                yield found


def _id(value: object) -> str:
    return value.subject if isinstance(value, Machine) else str(value)


@pytest.mark.parametrize(("machine", "state"), PLACED, ids=_id)
def test_every_move_ends_as_the_table_says(peopled, stage, monkeypatch, machine, state):
    row = placed(machine.subject, str(state), stage, monkeypatch)
    assert state_of(machine.subject, row) == state
    assert list(walk(machine, str(state), row, stage)) == []


@pytest.mark.prove
@pytest.mark.parametrize(("machine", "state"), PLACED, ids=_id)
def test_every_move_by_everybody_ends_as_the_table_says(peopled, stage, monkeypatch, machine, state):
    row = placed(machine.subject, str(state), stage, monkeypatch)
    assert list(walk(machine, str(state), row, stage, everybody=True)) == []


@pytest.mark.parametrize(("machine", "state"), STOPPED, ids=_id)
def test_while_the_node_is_paused_what_the_table_says_is_refused(peopled, stage, monkeypatch, machine, state):
    row = placed(machine.subject, str(state), stage, monkeypatch)
    node.pause(reason="Stop.", by=stage.user("ada"))
    assert list(walk(machine, str(state), row, stage, paused=True)) == []


def test_a_move_that_the_table_forgets_would_be_seen(peopled, stage, monkeypatch):
    (found,) = (one for one in WALKED if one.subject == "AccessGrant")
    row = placed("AccessGrant", "granted", stage, monkeypatch)
    for broken in ({}, {"granted": frozenset({"revoked"})}):
        moves = [replace(m, arrows=broken) if m.label == "Suspend" else m for m in found.moves]
        faults = list(walk(replace(found, moves=tuple(moves)), "granted", row, stage))
        assert any("Suspend" in fault for fault in faults), faults
    open_to_all = [replace(m, never=frozenset()) for m in found.moves]
    row = placed("AccessGrant", "suspended", stage, monkeypatch)
    faults = list(walk(replace(found, moves=tuple(open_to_all)), "suspended", row, stage, everybody=True))
    assert any("Reinstate" in fault and "hat" in fault for fault in faults), faults


def test_every_move_of_people_can_be_walked():
    named = {key for machine in WALKED for key, _ in groups(machine)}
    assert named == set(CALLS)
    assert {machine.subject for machine in WALKED} == set(PLACES) == set(people.GIVES)


def test_only_machines_that_workers_move_are_not_walked():
    left = {machine.subject for machine in machines()} - {machine.subject for machine in WALKED}
    assert left == {"Charge", "Job", "ConnectionCheck"}
