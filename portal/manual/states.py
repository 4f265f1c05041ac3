"""The state machines, drawn from their tables: states from `lifecycle.py`, moves from `moves.py` of each app."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from django.apps import apps

from domains.base import HasLifecycle, Machine, Move
from portal.manual.tables import table

INTRODUCTION = """# States

Every object with a life is in one state; where it may go is a table in its app's `lifecycle.py`, and who takes it there
one in `moves.py`. A move is a compare-and-set: of two people who move the same object at once, exactly one succeeds.
What the tables do not name is refused, with a stable code and nothing changed; the tests walk every state, action and
role."""

_NEVER = {
    "project": "who is or was on the project",
    "approver": "who approved it",
    "proposer": "who proposed it",
    "asker": "who asked for it",
    "suspender": "who suspended it",
    "owner": "an owner of the dataset",
}


def models() -> list[type[HasLifecycle]]:
    """Return the models that have a lifecycle, by app and name."""
    found = [model for model in apps.get_models() if issubclass(model, HasLifecycle)]
    return sorted(found, key=lambda model: model._meta.label)


def machines() -> list[Machine]:
    """Return every machine of the domains, by name."""
    found: list[Machine] = []
    for app in apps.get_app_configs():
        name = f"{app.name}.moves"
        if app.name.startswith("domains.") and find_spec(name) is not None:
            found += import_module(name).MACHINES
    return sorted(found, key=lambda machine: machine.name)


def page() -> str:
    """Return the page: for each machine a diagram, what each state means, and who may do what from where."""
    return "\n\n".join([INTRODUCTION, *(_section(machine) for machine in machines())])


def _section(machine: Machine) -> str:
    states = [
        (f"`{name}`", state.label, _turn(state.turn), state.meaning) for name, state in machine.states.items()
    ]
    parts = [f"## {machine.name}", _diagram(machine)]
    if machine.is_derived:
        parts.append("No field holds its state: it is read from who decided what, and when.")
    parts.append(table(("Status", "Shown as", "Whose turn", "Meaning"), states))
    moves = [_row(machine, move) for move in machine.moves]
    parts.append(table(("Move", "From", "To", "By", "Never by", "While paused"), moves))
    return "\n\n".join(parts)


def _diagram(machine: Machine) -> str:
    lines = [f"    [*] --> {machine.first}"]
    for (here, to), labels in sorted(labelled(machine).items()):
        lines.append(f"    {here} --> {to}: {' / '.join(labels)}")
    lines += [f"    {name} --> [*]" for name, state in machine.states.items() if state.is_final]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def labelled(machine: Machine) -> dict[tuple[str, str], list[str]]:
    """Return what leads from one state to another, by the pair; what stays in its state is left out."""
    found: dict[tuple[str, str], list[str]] = {}
    for move in machine.moves:
        for here, ends in move.arrows.items():
            for to in ends - {here}:
                labels = found.setdefault((str(here), str(to)), [])
                if move.label not in labels:
                    labels.append(move.label)
    return found


def _row(machine: Machine, move: Move) -> tuple[str, ...]:
    by = f"`{move.owner}`" if move.is_of_people else move.owner
    by += f", only its {move.only}" if move.only else ""
    by += f", through {move.through}" if move.through else ""
    ends = sorted({str(to) for here, found in move.arrows.items() for to in found})
    is_still = all(set(found) == {here} for here, found in move.arrows.items())
    never = ", ".join(sorted(_NEVER[each] for each in move.never))
    here = "any" if len(move.arrows) == len(machine.states) else _named(move.arrows)
    return (
        move.label,
        here,
        "stays" if is_still else _named(ends),
        by,
        never,
        "refused" if move.pauses else "",
    )


def _named(states: object) -> str:
    return ", ".join(f"`{state}`" for state in states)  # type: ignore[attr-defined]


def _turn(turn: str | None) -> str:
    return str(turn).replace("_", " ") if turn else "nobody's"
