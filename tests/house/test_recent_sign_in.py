"""S10: whatever decides asks for a sign-in of the last minutes, on its page and in the API alike."""

from __future__ import annotations

import ast
from functools import cache

import pytest

from domains.people.permissions import Permission
from tests.house.source import functions, imported, leads_to, modules, tree

# To decide, to allocate, to release, or to say who does.
DECIDING = {
    Permission.PROJECT_REVIEW,
    Permission.REQUEST_REVIEW,
    Permission.RESULT_RELEASE,
    Permission.BUDGET_ALLOCATE,
    Permission.BUDGET_CONFIRM,
    Permission.CAP_APPROVE,
    Permission.POLICY_ACTIVATE,
    Permission.MOCK_APPROVE,
    Permission.SYNTHETIC_CONFIRM,
    Permission.DATASET_PUBLISH,
    Permission.DATASET_ASSIGN,
}
NOT_A_DECISION = {
    "domains.ledger.limits.end_proposal": "declined or taken back, a cap stays as it is; its page asks all the same",
    "domains.catalog.versions.retire": "it stops what it is about, and lets nothing pass",
    "domains.synthetic.actions.decline": "a no changes nothing; its page asks all the same",
    "domains.projects.sections.review_section": "a note on one section; the vote on the whole is the decision",
    "domains.requests.dry_runs.try_policy": "it only shows what would have been",
}


def _asked(node: ast.FunctionDef) -> set[str]:
    """Return the permissions that a function names itself."""
    return {
        child.attr
        for child in ast.walk(node)
        if isinstance(child, ast.Attribute) and getattr(child.value, "id", "") == "Permission"
    }


@cache
def deciding() -> frozenset[str]:
    """Return the dotted names of the actions that ask for one of these permissions, helpers included."""
    asks = {f"{one.module}.{one.name}": _asked(one.node) for one in functions("domains")}
    wanted = {permission.name for permission in DECIDING}
    found = set()
    for one in functions("domains"):
        name = f"{one.module}.{one.name}"
        if one.is_public and "by" in one.keywords and (one.is_outermost or "requests.decisions" in name):
            own = {each for each in leads_to(name) if each.startswith(f"{one.module}._")} | {name}
            if any(asks.get(each, set()) & wanted for each in own):
                found.add(name)
    return frozenset(found)


def callers(room: str) -> list[tuple[str, bool, str]]:
    """Return (view, whether it asks, action) for each public view or method of `room` that leads to a decision."""
    found = []
    for module, path in modules("portal").items():
        if not module.startswith(f"portal.{room}."):
            continue
        body = tree(path)
        names, views = imported(body), [view for node in body.body for view in _views(node)]
        private = {view.name: view for view, _ in views if view.name.startswith("_")}
        for view, owner in views:
            if view.name in private:
                continue
            helpers = [private[child.id] for child in ast.walk(view) if getattr(child, "id", None) in private]
            named = set().union(*(_named(each, names) for each in (view, *helpers)))
            found += [(f"{module}.{view.name}", asks(view, owner, body), action) for action in sorted(named)]
    return found


def _views(node: ast.stmt) -> list[tuple[ast.FunctionDef, ast.ClassDef | None]]:
    if isinstance(node, ast.ClassDef):
        return [(each, node) for each in node.body if isinstance(each, ast.FunctionDef)]
    return [(node, None)] if isinstance(node, ast.FunctionDef) else []


def _named(view: ast.FunctionDef, names: dict[str, str]) -> set[str]:
    """Return the deciding actions that a view passes on or calls: `panel.assign`, of an imported `panel`."""
    dotted = set()
    for child in ast.walk(view):
        if isinstance(child, ast.Attribute) and getattr(child.value, "id", None) in names:
            dotted.add(f"{names[child.value.id]}.{child.attr}")
        elif isinstance(child, ast.Name) and child.id in names:
            dotted.add(names[child.id])
    return {_written(name) for name in dotted} & deciding()


def _written(dotted: str) -> str:
    """Return where an action that a room's `actions` passes on is written."""
    module, _, name = dotted.rpartition(".")
    rooms = modules("domains")
    return imported(tree(rooms[module])).get(name, dotted) if module in rooms else dotted


def asks(view: ast.FunctionDef, owner: ast.ClassDef | None, module: ast.Module) -> bool:
    """Answer whether the view, its decorator, its class or what they name asks for a recent sign-in."""
    text = " ".join(ast.unparse(each) for each in view.decorator_list)
    if owner is not None and "permission_classes" not in text:
        text += " ".join(ast.unparse(each) for each in owner.body if isinstance(each, ast.Assign))
        chosen = [each for each in owner.body if getattr(each, "name", "") == "get_permissions"]
        text += " ".join(ast.unparse(each) for each in chosen if f"'{view.name}'" in ast.unparse(each))
    lists = [each for each in module.body if isinstance(each, ast.Assign)]
    text += " ".join(ast.unparse(each) for each in lists if ast.unparse(each.targets[0]) in text)
    return "recent_sign_in" in text or "RecentSignIn" in text


PAGES, CALLS = callers("web"), callers("api")


def _id(value: object) -> str:
    return value.removeprefix("portal.").removeprefix("domains.") if isinstance(value, str) else str(value)


def test_there_are_decisions_in_both_faces():
    assert len(deciding()) > 20
    assert len(PAGES) > 20
    assert len(CALLS) > 15


@pytest.mark.parametrize(("view", "is_asked", "action"), PAGES + CALLS, ids=_id)
def test_what_decides_asks_for_a_recent_sign_in(view: str, is_asked: bool, action: str):
    assert is_asked or action in NOT_A_DECISION


@pytest.mark.parametrize("action", NOT_A_DECISION)
def test_no_exception_outlives_what_it_excuses(action: str):
    assert action in deciding()


def test_a_view_that_does_not_ask_would_be_seen():
    module = ast.parse("@require_POST\ndef vote(request, key):\n    decisions.review(key)")
    view = module.body[0]
    assert isinstance(view, ast.FunctionDef)
    assert not asks(view, None, module)
    assert _named(view, {"decisions": "domains.requests.decisions"}) == {"domains.requests.decisions.review"}
