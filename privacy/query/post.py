"""What is computed from noisy figures alone: means, formulas, HAVING, ORDER BY, LIMIT, and their accuracy.

Post-processing costs nothing. What an aggregate is made of, and its error, is in `estimates`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from privacy.errors import EngineFault
from privacy.query.answer import AnswerColumn, Cell
from privacy.query.estimates import Estimate, Estimator, Group, combined
from privacy.query.expr import SPREADS
from privacy.query.layout import Layout
from privacy.query.plan import Expr, Output, Plan
from privacy.query.price import Pricing
from privacy.schema import decimal_text

FORMULA_SCALE = 10**6
MEAN_FINER = 1_000  # a mean is shown a thousand times finer than its values' grid


class Post:
    """Evaluates a plan's formulas over groups."""

    def __init__(self, plan: Plan, facts: Layout, pricing: Pricing) -> None:
        self.plan = plan
        self.facts = facts
        self.pricing = pricing
        self.estimator = Estimator(plan, facts, pricing)

    def columns(self) -> tuple[AnswerColumn, ...]:
        """Return the answer's columns with their public scales."""
        return tuple(
            AnswerColumn(
                price.name,
                price.kind,
                None if price.kind == "key" else self._scale(output),
                None
                if price.plus_minus_95 is None or price.kind == "running"
                else decimal_text(price.plus_minus_95),
            )
            for output, price in zip(self.plan.outputs, self.pricing.outputs, strict=True)
        )

    def _scale(self, output: Output) -> int:
        """Return the public number that divides this column's integers."""
        if output.expr.op != "agg":
            return FORMULA_SCALE
        position = int(output.expr.value or 0)
        step = self.facts.needs[self.facts.uses[position].total].step
        fn = self.plan.aggregates[position].fn
        if fn.startswith("variance"):
            return step.denominator**2 * MEAN_FINER
        return step.denominator * (MEAN_FINER if fn == "mean" or fn in SPREADS else 1)

    def rows(self, groups: Sequence[Group]) -> tuple[list[tuple[Cell, ...]], list[tuple[str | None, ...]]]:
        """Return the rows to show and their ±, after HAVING, ORDER BY and LIMIT."""
        having = self.plan.having
        kept = [group for group in groups if having is None or self.truth(having, group)]
        for order in reversed(self.plan.order):  # stable sorts, last term first
            known = [group for group in kept if self._sortable(order.expr, group) is not None]
            unknown = [group for group in kept if self._sortable(order.expr, group) is None]
            known.sort(key=self._key(order.expr), reverse=order.descending)
            kept = known + unknown
        kept = kept if self.plan.limit is None else kept[: self.plan.limit]
        columns = self.columns()
        rows, accuracy = [], []
        for group in kept:
            cells = [self._cell(index, column, group) for index, column in enumerate(columns)]
            rows.append(tuple(cell for cell, _ in cells))
            accuracy.append(tuple(plus_minus for _, plus_minus in cells))
        return rows, accuracy

    def _key(self, expr: Expr) -> Callable[[Group], Fraction | str]:
        """Return the sort key of one ORDER BY term, for groups where it is known."""

        def key(group: Group) -> Fraction | str:
            found = self._sortable(expr, group)
            return "" if found is None else found

        return key

    def _sortable(self, expr: Expr, group: Group) -> Fraction | str | None:
        """Return what a group is sorted by: text, or a number for everything else."""
        if expr.op != "key":
            return self.estimate(expr, group).value
        value = group.keys[int(expr.value or 0)]
        return value if value is None or isinstance(value, str) else Fraction(value)

    def _cell(self, index: int, column: AnswerColumn, group: Group) -> tuple[Cell, str | None]:
        """Return one cell and its ±."""
        expr = self.plan.outputs[index].expr
        if expr.op == "key" or column.scale is None:
            return group.keys[int(expr.value or 0)], None
        estimate = self.estimate(expr, group)
        if estimate.value is None:
            return None, None
        cell = round(estimate.value * column.scale)
        return cell, self.estimator.plus_minus(estimate, column.plus_minus)

    def estimate(self, expr: Expr, group: Group) -> Estimate:
        """Return the value of a number formula in one group; a division by zero is unknown."""
        if expr.op == "agg":
            return self.estimator.of(int(expr.value or 0), group)
        if expr.op == "num":
            return Estimate(Fraction(expr.value or "0"))
        parts = [self.estimate(arg, group) for arg in expr.args]
        known = [part.value for part in parts if part.value is not None]
        return _arithmetic(expr.op, known, parts) if len(known) == len(parts) else Estimate(None)

    def truth(self, expr: Expr, group: Group) -> bool | None:
        """Return whether a condition over the answer holds; None where it is unknown, as in SQL."""
        if expr.op in ("and", "or"):
            parts = [self.truth(arg, group) for arg in expr.args]
            decisive = expr.op == "or"
            return decisive if decisive in parts else (None if None in parts else not decisive)
        if expr.op == "not":
            inner = self.truth(expr.args[0], group)
            return None if inner is None else not inner
        values = [self._comparable(arg, group) for arg in expr.args]
        if expr.op == "isnull":
            return values[0] is None
        left, *others = values
        if left is None or (expr.op != "in" and others[0] is None):
            return None
        if expr.op in ("eq", "in"):
            found = any(other is not None and type(other) is type(left) and other == left for other in others)
            return True if found else (None if None in others else False)
        right = others[0]
        if not isinstance(left, Fraction) or not isinstance(right, Fraction):
            raise EngineFault("A plan compares what has no order.")
        return left < right if expr.op == "lt" else left <= right

    def _comparable(self, expr: Expr, group: Group) -> Fraction | str | bool | None:
        """Return one side of a comparison: text, truth value or number."""
        if expr.op == "text":
            return expr.value
        if expr.op == "bool":
            return expr.value == "true"
        if expr.op == "null":
            return None
        if expr.op == "key":
            value = group.keys[int(expr.value or 0)]
            return value if value is None or isinstance(value, (str, bool)) else Fraction(value)
        return self.estimate(expr, group).value


def _arithmetic(op: str, known: Sequence[Fraction], parts: Sequence[Estimate]) -> Estimate:
    """Return one arithmetic step and its derivatives; a division by zero is unknown."""
    if op == "neg":
        return combined(-known[0], parts, (-1.0,))
    left, right = known
    if op == "div":
        if right == 0:
            return Estimate(None)
        return combined(left / right, parts, (float(1 / right), float(-left / right**2)))
    if op == "mul":
        return combined(left * right, parts, (float(right), float(left)))
    if op not in ("add", "sub"):
        raise EngineFault("A plan holds an operation that cannot be computed.")
    sign = 1 if op == "add" else -1
    return combined(left + sign * right, parts, (1.0, float(sign)))
