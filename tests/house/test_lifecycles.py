"""Every status has moves or is an end, an owner or nobody, a label and a meaning, and can be reached."""

import ast

import pytest

from domains.base import HasLifecycle, Machine, Move, State, arrows
from domains.people.permissions import Permission, Role
from portal.manual.states import labelled, models
from portal.manual.states import machines as all_machines
from tests.house.source import Function, functions, modules, tree

TURNS = {None, "worker", *Role}
STATES = [(model, name) for model in models() for name in model.lifecycle]
MACHINES = all_machines()


def _id(value: object) -> str:
    if isinstance(value, Machine):
        return value.subject
    return value.__name__ if isinstance(value, type) else str(value)


def test_there_are_machines():
    assert {model.__name__ for model in models()} >= {
        "Dataset",
        "Project",
        "AccessGrant",
        "AnalysisRequest",
        "Job",
    }


@pytest.mark.parametrize(("model", "status"), STATES, ids=_id)
def test_a_status_has_words_a_turn_and_known_targets(model: type[HasLifecycle], status: str):
    state = model.lifecycle[status]
    assert state.label
    assert state.meaning.endswith(".")
    assert state.turn in TURNS
    assert state.to <= model.lifecycle.keys()


@pytest.mark.parametrize(("model", "status"), STATES, ids=_id)
def test_nobody_waits_for_an_end_and_an_end_goes_nowhere(model: type[HasLifecycle], status: str):
    state = model.lifecycle[status]
    if state.is_final:
        assert state.turn is None


@pytest.mark.parametrize("model", models(), ids=_id)
def test_every_status_can_be_reached_and_every_one_can_end(model: type[HasLifecycle]):
    first = model._meta.get_field("status").default
    assert _reachable(model, first) == set(model.lifecycle)
    ends = {name for name, state in model.lifecycle.items() if state.is_final}
    assert ends
    for name in model.lifecycle:
        assert _reachable(model, name) & ends


@pytest.mark.parametrize("model", models(), ids=_id)
def test_the_field_offers_exactly_the_table(model: type[HasLifecycle]):
    field = model._meta.get_field("status")
    assert [str(value) for value, _ in field.choices] == [str(name) for name in model.lifecycle]
    assert all(len(name) <= field.max_length for name in model.lifecycle)


def _reachable(model: type[HasLifecycle], first: str) -> set[str]:
    seen, waiting = set(), [first]
    while waiting:
        here = waiting.pop()
        if here not in seen:
            seen.add(here)
            waiting += model.lifecycle[here].to
    return seen


# --- Who moves them --------------------------------------------------------------------------------------------------

# What a person does to an object and what is no move of it: it is about something else, and tested there.
NO_MOVE = {
    "requests.modelled.ask": "an answer from a model that is out; the request is as it was",
    "agreements.signing.accept": "a person's own acceptance; the agreement is as it was",
    "intake.connecting.check_connection": "a connection has no life; its tests have",
}
# Classes without a machine: people, seats and settings are rows that begin and end, with a `paired` constraint each.
WITHOUT = {
    "-",
    "AgreementVersion",
    "ApiToken",
    "Choices",
    "Claim",
    "Connection",
    "Invitation",
    "Organisation",
    "ResearchArea",
    "Seat",
    "Steward",
    "User",
    "VersionTable",
    "int",
    "str",
}


def _subject(function: Function) -> str:
    """Return the class of what an action is done to: its first argument's."""
    first = (function.node.args.posonlyargs + function.node.args.args)[:1]
    return ast.unparse(first[0].annotation) if first and first[0].annotation else "-"


def _actions() -> list[tuple[str, str]]:
    """Return (class, action) for everything that people do to one object."""
    found = [
        one for one in functions("domains") if one.is_public and one.is_outermost and "by" in one.keywords
    ]
    return [(_subject(one), f"{one.module}.{one.name}".removeprefix("domains.")) for one in found]


def unnamed(actions: list[tuple[str, str]], machines: list[Machine]) -> list[str]:
    """Return the actions that no table names."""
    named = {(machine.subject, move.action) for machine in machines for move in machine.moves}
    return [
        action
        for subject, action in actions
        if subject not in WITHOUT and action not in NO_MOVE and (subject, action) not in named
    ]


def test_every_model_with_a_life_has_a_machine_and_no_machine_is_of_nothing():
    by_name = {machine.subject: machine for machine in MACHINES}
    for model in models():
        assert by_name[model.__name__].states is model.lifecycle
        assert by_name[model.__name__].first == model._meta.get_field("status").default
    assert {m.subject for m in MACHINES if not m.is_derived} - {m.__name__ for m in models()} == {
        "Charge",
        "LimitProposal",
    }


@pytest.mark.parametrize("machine", MACHINES, ids=_id)
def test_the_moves_are_exactly_the_arrows_of_the_states(machine: Machine):
    drawn = {(str(name), str(to)) for name, state in machine.states.items() for to in state.to}
    assert set(labelled(machine)) == drawn


@pytest.mark.parametrize("machine", MACHINES, ids=_id)
def test_a_move_names_a_function_an_owner_and_known_states(machine: Machine):
    owners = {"worker", "system", *Permission}
    for move in machine.moves:
        module, _, name = f"domains.{move.action}".rpartition(".")
        defined = {
            node.name for node in tree(modules("domains")[module]).body if isinstance(node, ast.FunctionDef)
        }
        assert name in defined, move.action
        assert move.owner in owners
        assert move.label
        assert set(move.arrows) <= set(machine.states)
        assert all(ends <= set(machine.states) for ends in move.arrows.values())


def test_every_action_of_a_person_on_an_object_is_in_its_table():
    assert unnamed(_actions(), MACHINES) == []


def test_an_action_that_no_table_names_would_be_seen():
    planted = ("Project", "projects.actions.approve_quietly")
    assert unnamed([*_actions(), planted], MACHINES) == [planted[1]]


def test_an_arrow_that_nobody_makes_would_be_seen():
    states = {"a": State("A", None, frozenset({"b", "c"})), "b": State("B", None, frozenset())}
    machine = Machine("It", "It", "a", states, (Move("x.y", "Go", "worker", arrows("a", to="b")),))
    assert set(labelled(machine)) == {("a", "b")}


@pytest.mark.parametrize("action", NO_MOVE)
def test_no_exception_outlives_what_it_excuses(action: str):
    assert action in {name for _, name in _actions()}
