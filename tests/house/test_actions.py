"""An action is a page you can read aloud: permission first, trace last, one durable transaction."""

import ast

import pytest

from tests.house.source import Function, functions, leads_to, modules

ASKS = "domains.people.permissions.require"
RECORDS = "domains.audit.recorder.record"

# What a person does to what is only theirs, or with a secret that is the permission, asks no table.
ASKS_OTHERWISE = {
    "domains.people.actions.rename": "only the person themselves",
    "domains.people.actions.accept_invitation": "whoever holds the invitation's secret",
    "domains.notices.actions.mark_read": "only one's own notices",
}
# What changes nothing that anybody could ask about later.
LEAVES_NO_TRACE = {
    "domains.notices.actions.mark_read": "reading is not deciding",
    "domains.delivery.preferences.choose": "one's own notices, and none of what must be told",
}


def _outermost() -> list[Function]:
    return [one for one in functions("domains") if one.is_outermost and one.is_public]


def _by_people() -> list[Function]:
    return [one for one in _outermost() if "by" in one.keywords]


def _name(function: Function) -> str:
    return f"{function.module}.{function.name}"


def test_there_are_actions_to_look_at():
    assert len(_by_people()) > 30


@pytest.mark.parametrize("function", _by_people(), ids=_name)
def test_every_action_of_a_person_asks_the_permission_table(function):
    asks = ASKS in leads_to(_name(function))
    assert asks or _name(function) in ASKS_OTHERWISE


@pytest.mark.parametrize("function", _by_people(), ids=_name)
def test_every_action_of_a_person_leaves_a_trace(function):
    assert RECORDS in leads_to(_name(function)) or _name(function) in LEAVES_NO_TRACE


def test_who_acts_is_always_given_by_name():
    positional = {
        _name(one): {a.arg for a in one.node.args.posonlyargs + one.node.args.args} for one in _outermost()
    }
    assert [name for name, arguments in positional.items() if "by" in arguments] == []


def test_every_public_function_of_the_domains_says_what_it_does():
    silent = [
        _name(one)
        for one in functions("domains")
        if one.is_public and not ast.get_docstring(one.node) and one.node.end_lineno - one.node.lineno > 4
    ]
    assert silent == []  # a line or two say it themselves


@pytest.mark.parametrize("name", sorted(ASKS_OTHERWISE.keys() | LEAVES_NO_TRACE.keys()))
def test_no_exception_outlives_what_it_excuses(name):
    assert name in {_name(one) for one in functions("domains")}


def test_an_action_that_forgets_to_ask_would_be_seen():
    assert ASKS not in leads_to("domains.errors.IllegalMove")
    assert ASKS in leads_to("domains.requests.actions.draft")
    assert RECORDS in leads_to("domains.requests.decisions.review")  # through helpers and a table of them


@pytest.mark.parametrize("module", [name for name in modules("domains") if name.endswith(".policy")])
def test_policies_are_pure(module):
    text = modules("domains")[module].read_text()
    assert not any(word in text for word in ("django", "timezone", "datetime.now", "objects."))
