"""The form of the composer: lines of figures, conditions and groups that write SQL, read without JavaScript.

Each kind of line has a hidden count; a button "add a line" posts the page back with one more. A line whose
first field is empty is passed over. What does not fit is said at its own field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django import forms

from privacy.query import sketch
from privacy.query.sketch import Condition, Figure, Group, Join, Names, Sketch, SketchInvalid
from privacy.query.sketch_write import condition_sql, figure_sql, group_sql, join_sql, write
from privacy.schema import Table

MOST_LINES = {"j": 8, "f": 20, "c": 10, "g": 8}
WORDS = {"j": "Table", "f": "Figure", "c": "Condition", "g": "Group"}
_SHORT = {"class": "form-short", "autocomplete": "off"}


def _choice(label: str) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, required=False)


def _text(label: str, most: int, hint: str = "") -> forms.CharField:
    widget = forms.TextInput(attrs={"autocomplete": "off", "placeholder": hint})
    return forms.CharField(label=label, required=False, max_length=most, widget=widget)


def _columns(table: Table) -> list[str]:
    """Return every column but the privacy unit's: the main table's by name, another's as “table.column”."""
    own = [column.name for column in table.columns if column.name != table.unit.column]
    return own + [
        f"{other.name}.{column.name}"
        for other in table.others
        for column in other.columns
        if column.name != other.unit.column
    ]


class Line(forms.Form):
    """One line; `first` is the field that says whether the line is used."""

    first = ""

    def __init__(self, table: Table, kind: str, number: int, values: Any, initial: Any) -> None:
        super().__init__(values, prefix=f"{kind}-{number}", initial=initial)
        self.kind = kind
        self.title = f"{WORDS[kind]} {number + 1}"
        columns = [(name, name) for name in _columns(table)]
        for name, choices in {"column": columns, **self.choices(table)}.items():
            if name in self.fields:
                self.fields[name].choices = [("", "–"), *choices]  # type: ignore[attr-defined]

    def choices(self, table: Table) -> dict[str, list[tuple[str, str]]]:
        """Return what may be chosen in the fields of this kind of line."""
        return {}

    @property
    def is_used(self) -> bool:
        """Whether anything is chosen in the first field."""
        return bool(str(self[self.first].value() or "").strip())

    def blame(self, fault: SketchInvalid) -> None:
        """Say what is wrong at the field that it is about."""
        self.add_error(fault.part if fault.part in self.fields else self.first, str(fault))

    @property
    def faults(self) -> list[str]:
        """What is wrong with the line, each with the line's and the field's name."""
        return [
            f"{self.title}, {str(self.fields[name].label).lower()}: {error}"
            for name, errors in self.errors.items()
            for error in errors
        ]


class FigureLine(Line):
    """What to compute."""

    first = "fn"
    fn = _choice("Figure")
    column = _choice("Of column")
    point = _text("Quantile", 20, "0.5 is the median")
    name = _text("Call it", 100)

    def choices(self, table: Table) -> dict[str, list[tuple[str, str]]]:
        found = sketch.offered(table)
        if "quantile" not in found:
            del self.fields["point"]
        return {"fn": [(fn, sketch.FIGURES[fn][0]) for fn in found]}

    def value(self) -> Figure:
        """Return the line as a figure."""
        read = self.cleaned_data
        return Figure(
            read["fn"], read.get("column", ""), read.get("point", "").strip(), read.get("name", "").strip()
        )


class ConditionLine(Line):
    """Which rows to take."""

    first = "column"
    column = _choice("Column")
    op = _choice("Comparison")
    value_typed = _text("Value", 1000)

    def choices(self, table: Table) -> dict[str, list[tuple[str, str]]]:
        return {"op": list(sketch.COMPARISONS.items())}

    def value(self) -> Condition:
        """Return the line as a condition."""
        read = self.cleaned_data
        return Condition(read["column"], read.get("op", ""), read.get("value_typed", ""))

    def blame(self, fault: SketchInvalid) -> None:
        super().blame(SketchInvalid("value_typed", str(fault)) if fault.part == "value" else fault)


class GroupLine(Line):
    """By what to group."""

    first = "column"
    column = _choice("Column")
    step = _text("In steps of", 20, "10, or month")

    def value(self) -> Group:
        """Return the line as a group."""
        return Group(self.cleaned_data["column"], self.cleaned_data.get("step", "").strip())


class JoinLine(Line):
    """Which further table to read beside the main one."""

    first = "table"
    table = _choice("Table")
    on = _choice("By column (of a public table)")
    keep = _choice("Rows without a partner there")

    def choices(self, table: Table) -> dict[str, list[tuple[str, str]]]:
        self.fields["keep"].choices = [("", "leave out"), ("left", "keep")]  # type: ignore[attr-defined]
        own = [column.name for column in table.columns if column.name != table.unit.column]
        return {
            "table": [(other.name, other.name) for other in table.others],
            "on": [(name, name) for name in own],
        }

    def value(self) -> Join:
        """Return the line as a join."""
        read = self.cleaned_data
        return Join(read["table"], read.get("on", ""), read.get("keep", "") == "left")


class EndForm(forms.Form):
    """In which order, and how many lines of the answer."""

    order = forms.ChoiceField(label="Sort by", required=False)
    direction = forms.ChoiceField(
        label="Direction", required=False, choices=[("", "smallest first"), ("down", "largest first")]
    )
    limit = forms.IntegerField(
        label="Show at most (lines)",
        required=False,
        min_value=1,
        max_value=10**6,
        widget=forms.NumberInput(attrs=_SHORT),
    )

    def __init__(self, counts: Mapping[str, int], values: Any, initial: Any) -> None:
        super().__init__(values, prefix="e", initial=initial)
        places = [(f"{kind}{n}", f"{WORDS[kind]} {n + 1}") for kind in "gf" for n in range(counts[kind])]
        self.fields["order"].choices = [("", "as it comes"), *places]  # type: ignore[attr-defined]


LINES: dict[str, type[Line]] = {"j": JoinLine, "f": FigureLine, "c": ConditionLine, "g": GroupLine}


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
                made(table, kind, n, values, dict(enumerate(initial.get(kind, ()))).get(n))
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
        groups, figures, conditions, joins = (
            tuple(line.value() for line in used[kind])  # type: ignore[attr-defined]
            for kind in "gfcj"
        )
        whole = Sketch(figures, conditions, groups, joins=joins)
        names = Names(self.table, joins)
        checks = {
            "j": lambda item: join_sql(item, names),
            "f": lambda item: figure_sql(item, whole, names),
            "c": lambda item: condition_sql(item, names),
            "g": lambda item: group_sql(item, names),
        }
        found_faults = False
        for kind, check in checks.items():
            for line in used[kind]:
                try:
                    check(line.value())  # type: ignore[attr-defined]
                except SketchInvalid as fault:
                    line.blame(fault)
                    found_faults = True
        return "" if found_faults else self._ended(whole, used)

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
        "c": [{"column": c.column, "op": c.op, "value_typed": c.value} for c in shown.conditions],
        "g": [vars(group) for group in shown.groups],
        "e": {"order": order, "direction": "down" if shown.descending else "", "limit": shown.limit},
    }
