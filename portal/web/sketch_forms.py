"""The form of the composer: lines of figures, conditions and groups that write SQL, read without JavaScript.

Each kind of line has a hidden count; a button "add a line" posts the page back with one more. A line whose
first field is empty is passed over. What does not fit is said at its own field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from portal.web.sketch_lines import LINES, MOST_LINES, EndForm, Line
from privacy.query.sketch import Names, Sketch, SketchInvalid
from privacy.query.sketch_write import figure_sql, group_sql, having_sql, join_sql, require_condition, write
from privacy.schema import Table


class SketchForm:
    """The whole form: reads what was posted, or shows a sketch; `sql` is what it writes, "" while it cannot."""

    def __init__(
        self, table: Table, values: Mapping[str, Any] | None = None, shown: Sketch | None = None
    ) -> None:
        self.table = table
        self.added = str(values.get("do", ""))[4:] if values else ""
        counts, initial = self._counts(values), _initial(shown) if shown else {}
        if shown:
            counts = {kind: max(1, len(initial[kind])) for kind in LINES}
        self.lines = {
            kind: [
                made(table, (kind, n), counts["f"], values, dict(enumerate(initial.get(kind, ()))).get(n))
                for n in range(counts[kind])
            ]
            for kind, made in LINES.items()
        }
        self.end = EndForm(counts, values, initial.get("e"))
        self.sql = write(shown, table) if shown else self._written() if values else ""
        if self.added in self.lines:  # asked for one more line, not for a verdict on the others
            for line in [*(line for lines in self.lines.values() for line in lines), self.end]:
                line.errors.clear()
            first = self.lines[self.added][-1]
            first.fields[first.first].widget.attrs["autofocus"] = True

    def _counts(self, values: Mapping[str, Any] | None) -> dict[str, int]:
        """Return how many lines of each kind the page had, one more where that was asked for."""
        counts = {}
        for kind, most in MOST_LINES.items():
            typed = str(values.get(f"{kind}-count", "1")) if values else "1"
            count = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 4 else 1
            counts[kind] = min(most, max(1, count + (self.added == kind)))
        return counts

    @property
    def counts(self) -> dict[str, int]:
        """How many lines of each kind are shown."""
        return {kind: len(lines) for kind, lines in self.lines.items()}

    @property
    def faults(self) -> list[str]:
        """Everything that is wrong, in the order of the page."""
        ends = [
            f"{self.end.fields[n].label}: {text}" for n, found in self.end.errors.items() for text in found
        ]
        return [fault for lines in self.lines.values() for line in lines for fault in line.faults] + ends

    def _written(self) -> str:
        """Return the SQL, or "" after saying at each field what is wrong."""
        used = {kind: [line for line in lines if line.is_used] for kind, lines in self.lines.items()}
        sound = [line.is_valid() for lines in used.values() for line in lines]
        if not used["f"]:
            self.lines["f"][0].is_valid()
            self.lines["f"][0].add_error("fn", "Choose at least one figure.")
        if not (all(sound) and self.end.is_valid() and used["f"]):
            return ""
        places = {str(self.lines["f"].index(line)): place for place, line in enumerate(used["f"])}
        parts = {
            kind: tuple(line.value(places) if kind in "ch" else line.value() for line in lines)  # type: ignore[attr-defined]
            for kind, lines in used.items()
        }
        whole = Sketch(parts["f"], parts["c"], parts["g"], joins=parts["j"], having=parts["h"])
        return self._ended(whole, used) if self._fits(whole, parts, used) else ""

    def _fits(
        self, whole: Sketch, parts: Mapping[str, Sequence[Any]], used: Mapping[str, Sequence[Line]]
    ) -> bool:
        """Say whether every line makes SQL, after saying at each field what does not."""
        names = Names(self.table, whole.joins)
        checks: dict[str, Callable[[int], object]] = {
            "j": lambda n: join_sql(whole.joins[n], names),
            "f": lambda n: figure_sql(whole.figures[n], whole, names),
            "c": lambda n: require_condition(whole, n, names),
            "g": lambda n: group_sql(whole.groups[n], names),
            "h": lambda n: having_sql(whole.having[n], whole, names),
        }
        fits = True
        for kind, check in checks.items():
            for place, line in enumerate(used[kind]):
                try:
                    check(place)
                except SketchInvalid as fault:
                    line.blame(fault)
                    fits = False
            if not fits and kind == "c":
                return False  # what is asked of the answer is read only of figures and conditions that make sense
        return fits

    def _ended(self, whole: Sketch, used: Mapping[str, Sequence[Line]]) -> str:
        """Return the SQL with its order and its limit."""
        chosen, order = self.end.cleaned_data["order"], None
        if chosen:
            line = self.lines[chosen[0]][int(chosen[1:])]
            if not line.is_used:
                self.end.add_error("order", "Sort by a group or a figure that is filled in.")
                return ""
            order = used[chosen[0]].index(line) + (len(whole.groups) if chosen[0] == "f" else 0)
        down, most = self.end.cleaned_data["direction"] == "down", self.end.cleaned_data["limit"]
        return write(replace(whole, order=order, descending=down, limit=most), self.table)


def _initial(shown: Sketch) -> dict[str, Any]:
    """Return what the fields hold to show a sketch."""
    order = ""
    if shown.order is not None:
        among = shown.order - len(shown.groups)
        order = f"g{shown.order}" if among < 0 else f"f{among}"
    return {
        "j": [
            {"table": join.table, "on": join.on, "keep": "left" if join.keeps_all else ""}
            for join in shown.joins
        ],
        "f": [vars(figure) for figure in shown.figures],
        "c": [
            {
                "link": "or" if c.is_or else "",
                "column": c.column,
                "op": c.op,
                "value_typed": c.value,
                "of": "" if c.of is None else str(c.of),
            }
            for c in shown.conditions
        ],
        "h": [{"figure": str(h.figure), "op": h.op, "value_typed": h.value} for h in shown.having],
        "g": [vars(group) for group in shown.groups],
        "e": {"order": order, "direction": "down" if shown.descending else "", "limit": shown.limit},
    }
