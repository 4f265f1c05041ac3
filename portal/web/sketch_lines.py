"""The lines of the composer's form: figures, conditions, groups, tables and limits, each with its own fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from privacy.query import sketch
from privacy.query.sketch import Condition, Figure, Group, Having, Join, SketchInvalid
from privacy.schema import Table

MOST_LINES = {"j": 8, "f": 20, "c": 10, "g": 8, "h": 5}
WORDS = {"j": "Table", "f": "Figure", "c": "Condition", "g": "Group", "h": "Limit"}
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

    def __init__(self, table: Table, place: tuple[str, int], figures: int, values: Any, initial: Any) -> None:
        kind, number = place
        super().__init__(values, prefix=f"{kind}-{number}", initial=initial)
        self.kind = kind
        self.figures = [(str(n), f"{WORDS['f']} {n + 1}") for n in range(figures)]
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
    link = forms.ChoiceField(label="Joined by", required=False, choices=[("", "and"), ("or", "or")])
    column = _choice("Column")
    op = _choice("Comparison")
    value_typed = _text("Value", 1000)
    of = _choice("Holds for")

    def choices(self, table: Table) -> dict[str, list[tuple[str, str]]]:
        if self.prefix == "c-0":  # there is no line above it
            del self.fields["link"]
        self.fields["of"].choices = [("", "all figures"), *self.figures]  # type: ignore[attr-defined]
        return {"op": list(sketch.COMPARISONS.items())}

    def value(self, places: Mapping[str, int]) -> Condition:
        """Return the line as a condition; `places` counts the figures that are filled in, by their lines."""
        read = self.cleaned_data
        of = read.get("of", "")
        return Condition(
            read["column"],
            read.get("op", ""),
            read.get("value_typed", ""),
            read.get("link", "") == "or",
            places.get(of, sketch.NOWHERE) if of else None,
        )

    def blame(self, fault: SketchInvalid) -> None:
        super().blame(SketchInvalid("value_typed", str(fault)) if fault.part == "value" else fault)


class LimitLine(Line):
    """Which lines of the answer to show."""

    first = "figure"
    figure = _choice("Figure")
    op = _choice("Comparison")
    value_typed = _text("Number", 40, "10")

    def choices(self, table: Table) -> dict[str, list[tuple[str, str]]]:
        return {"figure": self.figures, "op": list(sketch.LIMITS.items())}

    def value(self, places: Mapping[str, int]) -> Having:
        """Return the line as a limit; `places` counts the figures that are filled in, by their lines."""
        read = self.cleaned_data
        figure = places.get(read["figure"], sketch.NOWHERE)
        return Having(figure, read.get("op", ""), read.get("value_typed", ""))

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


LINES: dict[str, type[Line]] = {
    "j": JoinLine,
    "f": FigureLine,
    "c": ConditionLine,
    "g": GroupLine,
    "h": LimitLine,
}
