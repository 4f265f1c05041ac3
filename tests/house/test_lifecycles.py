"""Every status has moves or is an end, an owner or nobody, a label and a meaning, and can be reached."""

import pytest

from domains.base import HasLifecycle
from domains.people.permissions import Role
from portal.manual.states import machines

TURNS = {None, "worker", *Role}
STATES = [(model, name) for model in machines() for name in model.lifecycle]


def _id(value: object) -> str:
    return value.__name__ if isinstance(value, type) else str(value)


def test_there_are_machines():
    assert {model.__name__ for model in machines()} >= {
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


@pytest.mark.parametrize("model", machines(), ids=_id)
def test_every_status_can_be_reached_and_every_one_can_end(model: type[HasLifecycle]):
    first = model._meta.get_field("status").default
    assert _reachable(model, first) == set(model.lifecycle)
    ends = {name for name, state in model.lifecycle.items() if state.is_final}
    assert ends
    for name in model.lifecycle:
        assert _reachable(model, name) & ends


@pytest.mark.parametrize("model", machines(), ids=_id)
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
