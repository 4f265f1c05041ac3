"""The state machines, drawn from their tables."""

from __future__ import annotations

from django.apps import apps

from domains.base import HasLifecycle
from portal.manual.tables import table

INTRODUCTION = """# States

Every object with a life has one status; where it may go is a table in its app's `lifecycle.py`. A move is a
compare-and-set: of two people who move the same object at once, exactly one succeeds."""


def machines() -> list[type[HasLifecycle]]:
    """Return the models that have a lifecycle, by app and name."""
    found = [model for model in apps.get_models() if issubclass(model, HasLifecycle)]
    return sorted(found, key=lambda model: model._meta.label)


def page() -> str:
    """Return the page: for each machine a diagram and what each state means."""
    return "\n\n".join([INTRODUCTION, *(_section(model) for model in machines())])


def _section(model: type[HasLifecycle]) -> str:
    rows = [
        (f"`{name}`", state.label, _turn(state.turn), state.meaning)
        for name, state in model.lifecycle.items()
    ]
    first = model._meta.get_field("status").default
    moves = [f"    [*] --> {first}"]
    for name, state in model.lifecycle.items():
        moves += [f"    {name} --> {to}" for to in sorted(state.to)]
        moves += [f"    {name} --> [*]"] if state.is_final else []
    diagram = "\n".join(["```mermaid", "stateDiagram-v2", *moves, "```"])
    heading = f"## {str(model._meta.verbose_name).capitalize()}"
    return "\n\n".join([heading, diagram, table(("Status", "Shown as", "Whose turn", "Meaning"), rows)])


def _turn(turn: str | None) -> str:
    return str(turn).replace("_", " ") if turn else "nobody's"
