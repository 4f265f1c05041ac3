"""What each expression can be: its kind, and public bounds on its value, from the declared schema alone.

Every operation is total: it cannot raise, stall or read the outside whatever a row holds. Where totality
depends on a value (a divisor, a root, a logarithm), the public bounds must prove it. Bounds are exact
fractions; an end of None means unbounded. The last clamp before summing enforces them whatever the floats do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from privacy.errors import QueryRejected
from privacy.query import refuse
from privacy.query.dates import DATE_PARTS, SPANS, date_part, truncated
from privacy.query.expr import ARITHMETIC, COMPARISONS, FUNCTIONS, LEAVES, Expr
from privacy.query.intervals import BOOL, DATE, NULL, NUMBER, TEXT, Typed, bounded_by, common_step, extreme
from privacy.query.numbers import MAX_TEXT, arithmetic, function, literal, sized
from privacy.query.refuse import mismatch
from privacy.schema import Column, Kind

MAX_LIST = 1_000
MAX_WILDCARDS = 4


def column_type(column: Column) -> Typed:
    """Return what a declared column can be once it was read through its declaration."""
    nullable = column.nullable
    if column.kind is Kind.CATEGORY and not column.has_number_codes:
        return Typed(TEXT, is_nullable=nullable, codes=column.codes)
    if column.kind in (Kind.CATEGORY, Kind.INTEGER) and column.codes:
        least, most = min(column.codes), max(column.codes)  # before they are fractions, which compare slowly
        return Typed(NUMBER, Fraction(least), Fraction(most), Fraction(1), nullable, column.codes)
    if column.kind in (Kind.INTEGER, Kind.DECIMAL):
        lower, upper = (None if end is None else Fraction(end) for end in (column.lower, column.upper))
        return Typed(NUMBER, lower, upper, Fraction(column.step), nullable)
    if column.kind is Kind.DATE:
        first, last = (None if end is None else Fraction(end) for end in (column.lower, column.upper))
        return Typed(DATE, first, last, is_nullable=nullable)
    return Typed(BOOL if column.kind is Kind.BOOLEAN else TEXT, is_nullable=nullable)


class Checker:
    """Types the expressions of one clause against the columns of one relation."""

    def __init__(self, columns: Mapping[str, Typed], clause: str) -> None:
        self.columns = columns
        self.clause = clause

    def check(self, expr: Expr) -> Typed:
        """Return what `expr` can be; raise QueryRejected where it is not total or not of one kind."""
        if expr.op in LEAVES:
            return self._leaf(expr)
        if expr.op == "case":
            return self._case(expr)
        args = [self.check(arg) for arg in expr.args]
        if expr.op in ARITHMETIC or expr.op in ("neg", *FUNCTIONS):
            return sized(self._number(expr, args), self.clause)
        if expr.op in COMPARISONS:
            self._arity(args, 2)
            return self._comparison(expr, args)
        return self._logic(expr, args)

    def number(self, expr: Expr) -> Typed:
        """Return the type of an expression that must be a number."""
        typed = self.check(expr)
        if typed.kind not in (NUMBER, NULL):
            mismatch(self.clause, f"A number is needed here, not a {typed.kind}.")
        return typed

    def truth(self, expr: Expr) -> Typed:
        """Return the type of an expression that must be true or false."""
        typed = self.check(expr)
        if typed.kind not in (BOOL, NULL):
            mismatch(self.clause, f"A condition is needed here, not a {typed.kind}.")
        return typed

    def _arity(self, args: Sequence[object], least: int, most: int | None = None) -> None:
        """Refuse a wrong number of operands."""
        if not least <= len(args) <= (least if most is None else most):
            mismatch(self.clause, "A function has the wrong number of arguments.")

    def _leaf(self, expr: Expr) -> Typed:
        """Return the type of a column or a literal."""
        value = expr.value
        if expr.args or (value is None) != (expr.op == "null"):
            mismatch(self.clause, "A literal is malformed.")
        if expr.op == "col":
            typed = self.columns.get(value or "")
            if typed is None:
                raise refuse.unknown_column(value or "", self.clause)
            return typed
        return literal(expr.op, value or "", self.clause)

    def _case(self, expr: Expr) -> Typed:
        """Return the type of CASE: conditions, results of one kind, otherwise."""
        if len(expr.args) < 3 or len(expr.args) % 2 == 0:
            mismatch(self.clause, "A CASE needs WHEN, THEN and an end.")
        for condition in expr.args[:-1:2]:
            self.truth(condition)
        results = [self.check(arg) for arg in (*expr.args[1:-1:2], expr.args[-1])]
        return sized(self._merge(results), self.clause)

    def _merge(self, results: Sequence[Typed]) -> Typed:
        """Return the type that holds any of `results`."""
        kinds = {typed.kind for typed in results} - {NULL}
        if len(kinds) > 1:
            mismatch(self.clause, f"Results of different kinds: {' and '.join(sorted(kinds))}.")
        known = [typed for typed in results if typed.kind != NULL]
        nullable = any(typed.is_nullable for typed in results)
        if not known:
            return Typed(NULL, is_nullable=True)
        lowers, uppers = [typed.lower for typed in known], [typed.upper for typed in known]
        lists = [typed.codes for typed in known]
        codes = tuple(dict.fromkeys(code for codes in lists for code in codes)) if all(lists) else ()
        return Typed(
            known[0].kind,
            extreme(min, lowers),
            extreme(max, uppers),
            common_step([typed.step for typed in known]),
            nullable,
            codes,
        )

    def _number(self, expr: Expr, args: list[Typed]) -> Typed:
        """Return the type of arithmetic and of functions that give numbers."""
        if expr.op in DATE_PARTS or expr.op == "trunc":
            self._arity(args, 1)
            if args[0].kind != DATE or (expr.op == "trunc" and expr.value not in SPANS):
                mismatch(self.clause, f"{expr.op.upper()} needs a date.")
            return date_part(expr.op, args[0]) if expr.op != "trunc" else truncated(expr.value or "", args[0])
        if expr.op == "number":
            self._arity(args, 1)
            return self._to_number(args[0])
        if expr.op == "coalesce":
            self._arity(args, 1, 20)
            return replace(self._merge(args), is_nullable=all(typed.is_nullable for typed in args))
        if any(typed.kind not in (NUMBER, NULL) for typed in args):
            mismatch(self.clause, "Arithmetic needs numbers.")
        nullable = any(typed.is_nullable for typed in args)
        if expr.op in ("greatest", "least"):
            self._arity(args, 2, 20)
            typed = bounded_by(expr.op, args)
            return replace(typed, is_nullable=all(arg.is_nullable for arg in args))
        if expr.op in ARITHMETIC:
            self._arity(args, 2)
            return replace(arithmetic(expr.op, args[0], args[1], self.clause), is_nullable=nullable)
        self._arity(args, 1)
        return replace(function(expr.op, args[0], self.clause), is_nullable=nullable)

    def _to_number(self, typed: Typed) -> Typed:
        """Return the type of a conversion to a number: true is 1, text that is no number is unknown."""
        if typed.kind == BOOL:
            return Typed(NUMBER, Fraction(0), Fraction(1), Fraction(1), typed.is_nullable)
        if typed.kind == DATE:
            mismatch(self.clause, "A date is not a number; use YEAR, MONTH or DAY of it.")
        return Typed(NUMBER, is_nullable=True) if typed.kind == TEXT else typed

    def _comparison(self, expr: Expr, args: list[Typed]) -> Typed:
        """Return the type of a comparison of two values of one kind."""
        kinds = {typed.kind for typed in args} - {NULL}
        if len(kinds) > 1:
            mismatch(self.clause, f"A {args[0].kind} cannot be compared with a {args[1].kind}.")
        if expr.op != "eq" and BOOL in kinds:
            mismatch(self.clause, "Truth values have no order.")
        self._check_codes(expr.args, args)
        return Typed(BOOL, is_nullable=any(typed.is_nullable for typed in args))

    def _check_codes(self, exprs: Sequence[Expr], args: Sequence[Typed]) -> None:
        """Refuse a text that is compared with a category but is none of its declared codes."""
        for own, typed in zip(exprs, args, strict=True):
            if typed.kind != TEXT or own.op == "text" or not typed.codes:
                continue
            for other in exprs:
                if other.op == "text" and other.value not in typed.codes:
                    raise QueryRejected(
                        "undeclared_code",
                        self.clause,
                        f"{other.value!r} is not one of the declared codes.",
                        "Use a code from the column's public list, spelled as it is there.",
                    )

    def _logic(self, expr: Expr, args: list[Typed]) -> Typed:
        """Return the type of AND, OR, NOT, IN, LIKE and IS NULL."""
        nullable = any(typed.is_nullable for typed in args)
        if expr.op == "isnull":
            self._arity(args, 1)
            return Typed(BOOL)
        if expr.op == "in":
            self._arity(args, 2, MAX_LIST + 1)
            if any(arg.op not in LEAVES - {"col"} for arg in expr.args[1:]):
                mismatch(self.clause, "IN needs a list of literals.")
            return self._comparison(Expr("eq", expr.args), args)
        if expr.op == "like":
            self._arity(args, 1)
            pattern = expr.value or ""
            if args[0].kind not in (TEXT, NULL):
                mismatch(self.clause, "LIKE needs text.")
            if (
                len(pattern) > MAX_TEXT
                or pattern.count("%") > MAX_WILDCARDS
                or not (pattern or " ").isprintable()
            ):
                mismatch(
                    self.clause, f"A pattern has at most {MAX_WILDCARDS} % signs and {MAX_TEXT} characters."
                )
            return Typed(BOOL, is_nullable=nullable)
        if expr.op not in ("and", "or", "not") or any(typed.kind not in (BOOL, NULL) for typed in args):
            mismatch(self.clause, "AND, OR and NOT need conditions.")
        self._arity(args, 1 if expr.op == "not" else 2, 1 if expr.op == "not" else MAX_LIST)
        return Typed(BOOL, is_nullable=nullable)
