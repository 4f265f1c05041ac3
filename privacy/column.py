"""What a data owner declares in public about one column: its kind, its bounds, its code list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from privacy.errors import SchemaInvalid
from privacy.unit import HIDDEN, ROW_ID, is_hidden

LARGEST = Decimal(2**53)  # beyond it a double no longer holds every integer
MAX_CODES = 10_000
MAX_NAME = 128


class Kind(StrEnum):
    """What a column holds."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    CATEGORY = "category"
    TEXT = "text"
    DATE = "date"


NUMERIC = frozenset({Kind.INTEGER, Kind.DECIMAL})
BOUNDED = NUMERIC | {Kind.DATE}  # kinds that may declare a lower and an upper bound


def decimal_text(value: Decimal) -> str:
    """Return the one plain spelling of `value`: no exponent, no trailing zeros, no minus zero."""
    if value == 0:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decimal(value: object, what: str) -> Decimal | None:
    """Return `value` as a finite Decimal, or None where nothing was given."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise SchemaInvalid(f"{what} must be a decimal number.")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise SchemaInvalid(f"{what} must be a decimal number.") from None
    if (
        not number.is_finite()
        or abs(number) > LARGEST
        or (Decimal(0) != number and abs(number) < Decimal("1e-12"))
    ):
        raise SchemaInvalid(f"{what} must be zero or between 1e-12 and 2^53 in size.")
    return number


def day_of(bound: Decimal) -> date:
    """Return the day that a date column's bound means: its proleptic Gregorian ordinal, 1 = 0001-01-01."""
    return date.fromordinal(int(bound))


def bound_text(kind: Kind, bound: Decimal | None) -> str | None:
    """Return a bound as people write it: an ISO date, or a plain decimal; None where there is none."""
    if bound is None:
        return None
    return day_of(bound).isoformat() if kind is Kind.DATE else decimal_text(bound)


def _ordinal(value: object, what: str) -> Decimal | None:
    """Return an ISO date as its ordinal, or None where nothing was given."""
    if value is None or value == "":
        return None
    try:
        day = date.fromisoformat(str(value))
    except ValueError:
        day = None
    if day is None or day.isoformat() != value:  # fromisoformat also reads weeks and the short form
        raise SchemaInvalid(f"{what} must be a date written YYYY-MM-DD.")
    return Decimal(day.toordinal())


def check_name(name: object, what: str) -> None:
    """Refuse a name that SQL or a page could not show."""
    if not isinstance(name, str) or not name or len(name) > MAX_NAME or not name.isprintable():
        raise SchemaInvalid(f"{what} needs a printable name of at most {MAX_NAME} characters.")
    if is_hidden(name):
        raise SchemaInvalid(
            f'The name "{ROW_ID}", and those that begin with "{HIDDEN}", are kept for what publication makes.'
        )


@dataclass(frozen=True)
class Column:
    """One declared column.

    `lower` and `upper` bound a number in public, and `step` is the fixed-point grid that sums are made on. A
    date's bounds are ordinals of days (`date.toordinal()`) here and ISO dates in JSON; its grid is the day.
    `codes` lists every value that a category may take; `missing` lists raw values that mean "not known".
    """

    name: str
    kind: Kind
    lower: Decimal | None = None
    upper: Decimal | None = None
    step: Decimal = Decimal(1)
    codes: tuple[str | int, ...] = ()
    missing: tuple[str, ...] = ()
    description: str = ""
    nullable: bool = True

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself."""
        check_name(self.name, "A column")
        if not isinstance(self.kind, Kind):
            raise SchemaInvalid(f"Column {self.name}: choose a kind from {', '.join(Kind)}.")
        for field, label in (("lower", "lower bound"), ("upper", "upper bound"), ("step", "step")):
            object.__setattr__(
                self, field, _decimal(getattr(self, field), f"Column {self.name}: the {label}")
            )
        self._check_bounds()
        self._check_codes()
        if not all(isinstance(text, str) and len(text) <= 200 for text in self.missing):
            raise SchemaInvalid(f"Column {self.name}: a missing marker is text of at most 200 characters.")
        if not isinstance(self.nullable, bool) or not isinstance(self.description, str):
            raise SchemaInvalid(f"Column {self.name}: nullable is yes or no and the description is text.")

    def _check_bounds(self) -> None:
        """Refuse half a range, an empty range, a range on words, or a grid that is not positive."""
        if self.step is None or self.step <= 0:
            raise SchemaInvalid(f"Column {self.name}: the step must be above 0.")
        if (self.lower is None) != (self.upper is None):
            raise SchemaInvalid(f"Column {self.name}: give both bounds or neither.")
        if self.lower is None or self.upper is None:
            return
        if self.kind not in BOUNDED:
            raise SchemaInvalid(f"Column {self.name}: only numbers and dates have bounds.")
        if self.lower > self.upper:
            raise SchemaInvalid(f"Column {self.name}: the lower bound is above the upper one.")
        if self.kind is Kind.INTEGER and any(value % 1 for value in (self.lower, self.upper, self.step)):
            raise SchemaInvalid(f"Column {self.name}: an integer has whole bounds and a whole step.")
        if self.kind is Kind.DATE and self.step != 1:
            raise SchemaInvalid(f"Column {self.name}: a date's step is one day.")
        days = (date.min.toordinal(), date.max.toordinal())
        if self.kind is Kind.DATE and any(
            v % 1 or not days[0] <= v <= days[1] for v in (self.lower, self.upper)
        ):
            raise SchemaInvalid(
                f"Column {self.name}: a date's bounds are days from 0001-01-01 to 9999-12-31."
            )
        if (self.upper - self.lower) / self.step > 2**50:
            raise SchemaInvalid(f"Column {self.name}: the step is too fine for so wide a range.")

    def _check_codes(self) -> None:
        """Refuse a category without codes, codes elsewhere, mixed kinds, doubles and overlong lists."""
        if self.kind is Kind.CATEGORY and not self.codes:
            raise SchemaInvalid(f"Column {self.name}: a category needs its public code list.")
        if self.codes and self.kind not in (Kind.CATEGORY, Kind.INTEGER):
            raise SchemaInvalid(f"Column {self.name}: only categories and integers have a code list.")
        kinds = {type(code) for code in self.codes}
        if len(kinds) > 1 or not kinds <= {str, int} or (self.kind is Kind.INTEGER and str in kinds):
            raise SchemaInvalid(f"Column {self.name}: codes are all texts or all whole numbers.")
        if len(set(self.codes)) != len(self.codes) or len(self.codes) > MAX_CODES:
            raise SchemaInvalid(f"Column {self.name}: at most {MAX_CODES} codes, each only once.")
        for code in self.codes:
            if isinstance(code, str) and (len(code) > 200 or (code and not code.isprintable())):
                raise SchemaInvalid(
                    f"Column {self.name}: a code is printable text of at most 200 characters."
                )
            if isinstance(code, int) and abs(code) > LARGEST:
                raise SchemaInvalid(f"Column {self.name}: a code may not exceed 2^53.")

    @property
    def has_number_codes(self) -> bool:
        """Say whether the code list holds numbers."""
        return bool(self.codes) and isinstance(self.codes[0], int)

    def to_dict(self) -> dict[str, object]:
        """Return the column as canonical JSON values."""
        return {
            "name": self.name,
            "kind": self.kind.value,
            "lower": bound_text(self.kind, self.lower),
            "upper": bound_text(self.kind, self.upper),
            "step": decimal_text(self.step),
            "codes": list(self.codes),
            "missing": list(self.missing),
            "description": self.description,
            "nullable": self.nullable,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Column:
        """Read what `to_dict` wrote; raise SchemaInvalid on anything else."""
        unknown = set(data) - set(cls.__dataclass_fields__)
        if unknown or "name" not in data or "kind" not in data:
            raise SchemaInvalid("A column has a name and a kind, and only the documented fields besides.")
        fields = dict(data)
        try:
            fields["kind"] = Kind(fields["kind"])
        except ValueError:
            raise SchemaInvalid(f"Column {data['name']}: choose a kind from {', '.join(Kind)}.") from None
        if fields["kind"] is Kind.DATE:
            for name in ("lower", "upper"):
                fields[name] = _ordinal(fields.get(name), f"Column {data['name']}: the {name} bound")
        for name in ("codes", "missing"):
            value = fields.get(name, ())
            if not isinstance(value, Sequence) or isinstance(value, str):
                raise SchemaInvalid(f"Column {data['name']}: {name} is a list.")
            fields[name] = tuple(value)
        return cls(**fields)
