"""A form's SQL: groups first, then figures, each part refused by the name of its field where it does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from privacy.query.sketch import (
    COMPARISONS,
    DATE_STEPS,
    FIGURES,
    LIMITS,
    NEEDS_NUMBER,
    Condition,
    Figure,
    Group,
    Having,
    Join,
    Names,
    Sketch,
    SketchInvalid,
    literal,
    number,
    offered,
    spelled_sql,
    values_of,
)
from privacy.schema import NUMERIC, Kind, Table, decimal_text


def join_sql(join: Join, names: Names) -> str:
    """Return one join, or raise SketchInvalid."""
    other = next((table for table in names.table.others if table.name == join.table), None)
    if other is None:
        raise SketchInvalid("table", "Choose a table of this dataset.")
    word = "LEFT JOIN" if join.keeps_all else "JOIN"
    if other.is_public:
        if names.table.find(join.on) is None:
            raise SketchInvalid("on", f"Choose the column whose values stand in “{other.name}”.")
        left, right = names.find(join.on)[1], str(other.key)
    elif join.on:
        raise SketchInvalid("on", "Tables about the same people are joined on those; leave this empty.")
    else:
        left, right = names.unit, str(other.unit.column)
    return f"{word} {spelled_sql(other.name)} ON {left} = {names.sql(other, right)}"


def group_sql(group: Group, names: Names) -> str:
    """Return the expression that a group stands for, or raise SketchInvalid."""
    column, named = names.find(group.column)
    step = group.step.strip()
    if not step:
        return named
    if column.kind is Kind.DATE:
        if step.lower() not in DATE_STEPS:
            raise SketchInvalid("step", "A date is grouped by year, quarter or month.")
        return f"DATE_TRUNC('{step.lower()}', {named})"
    if column.kind not in NUMERIC:
        raise SketchInvalid("step", "Only numbers and dates are grouped in steps; leave this empty.")
    width = number(step, "step", "Write the width of a step as a number above 0, such as 10.")
    if width <= 0:
        raise SketchInvalid("step", "Write the width of a step as a number above 0, such as 10.")
    return f"FLOOR({named} / {decimal_text(width)}) * {decimal_text(width)}"


def figure_sql(figure: Figure, sketch: Sketch, names: Names) -> str:
    """Return the aggregate that a figure stands for, or raise SketchInvalid."""
    if figure.fn not in offered(names.table):
        raise SketchInvalid("fn", "Choose a figure from the list.")
    pattern = FIGURES[figure.fn][1]
    if figure.fn == "units":
        return pattern.format(names.unit)
    if figure.fn == "running":
        return pattern.format(_running(sketch, names))
    if not figure.column:
        if figure.fn != "count":
            raise SketchInvalid("column", f"Choose the column for the {FIGURES[figure.fn][0]}.")
        return "COUNT(*)"
    column, named = names.find(figure.column)
    if figure.fn in NEEDS_NUMBER and column.kind not in NUMERIC and not column.has_number_codes:
        raise SketchInvalid("column", f"“{column.name}” holds no numbers; choose a column that does.")
    if figure.fn != "quantile":
        return pattern.format(named)
    point = number(figure.point or "0.5", "point", "Write a number between 0 and 1; 0.5 is the median.")
    if not 0 < point < 1:
        raise SketchInvalid("point", "Write a number between 0 and 1; 0.5 is the median.")
    if point == Decimal("0.5"):
        return f"MEDIAN({named})"
    return pattern.format(named, decimal_text(point))


def _running(sketch: Sketch, names: Names) -> str:
    """Return the window of a cumulative count: along the last group, within the groups before it."""
    if not sketch.groups:
        raise SketchInvalid("fn", "A cumulative count runs along a group: choose one to group by.")
    *within, along = (group_sql(group, names) for group in sketch.groups)
    partition = f"PARTITION BY {', '.join(within)} " if within else ""
    return f"{partition}ORDER BY {along}"


def condition_sql(condition: Condition, names: Names) -> str:
    """Return one condition, or raise SketchInvalid."""
    column, named = names.find(condition.column)
    if condition.op in ("known", "unknown"):
        return f"{named} IS {'NOT ' if condition.op == 'known' else ''}NULL"
    if condition.op == "in":
        values = [literal(column, text) for text in values_of(condition.value)]
        return f"{named} IN ({', '.join(values)})"
    if condition.op not in COMPARISONS:
        raise SketchInvalid("op", "Choose a comparison from the list.")
    if condition.op in ("<", "<=", ">", ">=") and not (
        column.kind in NUMERIC or column.kind is Kind.DATE or column.has_number_codes
    ):
        raise SketchInvalid("op", "Only numbers and dates are above or below; choose “is” or “is one of”.")
    return f"{named} {condition.op} {literal(column, condition.value)}"


def require_condition(sketch: Sketch, place: int, names: Names) -> None:
    """Raise SketchInvalid where a condition makes no SQL, or is joined by “or” with none that is about the same."""
    condition = sketch.conditions[place]
    condition_sql(condition, names)
    if condition.of is not None and not 0 <= condition.of < len(sketch.figures):
        raise SketchInvalid("of", "Choose a figure that is filled in.")
    if condition.is_or and (place == 0 or sketch.conditions[place - 1].of != condition.of):
        raise SketchInvalid("link", "“or” needs a condition above it that holds for the same figures.")


def conditions_sql(conditions: Sequence[Condition], names: Names, joint: str = "\n  AND ") -> str:
    """Return conditions as one: those joined by “or” in brackets, and all of these together."""
    either: list[list[str]] = []
    for condition in conditions:
        if not condition.is_or:
            either.append([])
        either[-1].append(condition_sql(condition, names))
    return joint.join(f"({' OR '.join(parts)})" if len(parts) > 1 else parts[0] for parts in either)


def having_sql(having: Having, sketch: Sketch, names: Names) -> str:
    """Return which lines of the answer are shown, or raise SketchInvalid."""
    if not 0 <= having.figure < len(sketch.figures):
        raise SketchInvalid("figure", "Choose a figure that is filled in.")
    if having.op not in LIMITS:
        raise SketchInvalid("op", "Choose a comparison from the list.")
    value = number(having.value, "value", "Write a number, such as 10.")
    return f"{filtered_sql(having.figure, sketch, names)} {having.op} {decimal_text(value)}"


def filtered_sql(place: int, sketch: Sketch, names: Names) -> str:
    """Return a figure's aggregate over the rows that conditions leave to it alone."""
    sql = figure_sql(sketch.figures[place], sketch, names)
    own = [condition for condition in sketch.conditions if condition.of == place]
    if not own:
        return sql
    only = f" FILTER (WHERE {conditions_sql(own, names, ' AND ')})"
    is_running = sketch.figures[place].fn == "running"
    return sql.replace("COUNT(*)", f"COUNT(*){only}", 1) if is_running else sql + only


def write(sketch: Sketch, table: Table) -> str:
    """Return the SQL of a sketch: groups first, then figures. Raises SketchInvalid."""
    if not sketch.figures:
        raise SketchInvalid("fn", "Choose at least one figure.")
    names = Names(table, sketch.joins)
    where = _where(sketch, names)
    keys = [group_sql(group, names) for group in sketch.groups]
    items = [_named_key(group, sql, names) for group, sql in zip(sketch.groups, keys, strict=True)]
    for place, figure in enumerate(sketch.figures):
        named = f" AS {spelled_sql(figure.name)}" if figure.name else ""
        items.append(filtered_sql(place, sketch, names) + named)
    lines = [f"SELECT {', '.join(items)}", f"FROM {spelled_sql(table.name)}"]
    lines += [join_sql(join, names) for join in sketch.joins]
    lines += where
    if keys:
        lines.append(f"GROUP BY {', '.join(keys)}")
    if sketch.having:
        lines.append("HAVING " + "\n  AND ".join(having_sql(each, sketch, names) for each in sketch.having))
    if sketch.order is not None:
        if not 0 <= sketch.order < len(items):
            raise SketchInvalid("order", "Sort by a group or a figure that is filled in.")
        lines.append(f"ORDER BY {sketch.order + 1}{' DESC' if sketch.descending else ''}")
    if sketch.limit is not None:
        lines.append(f"LIMIT {sketch.limit}")
    return "\n".join(lines)


def _where(sketch: Sketch, names: Names) -> list[str]:
    """Return the clause of the conditions that hold for the whole question; refuse those that hang in the air."""
    for place in range(len(sketch.conditions)):
        require_condition(sketch, place, names)
    everywhere = [condition for condition in sketch.conditions if condition.of is None]
    return ["WHERE " + conditions_sql(everywhere, names)] if everywhere else []


def _named_key(group: Group, sql: str, names: Names) -> str:
    """Return a group's column of the answer; one in steps is named after them."""
    column = names.find(group.column)[0]
    return f"{sql} AS {spelled_sql(step_name(column.name, group.step))}" if group.step.strip() else sql


def step_name(column: str, step: str) -> str:
    """Return the name of a group in steps."""
    part = step.strip().lower()
    return f"{column}_{part if part in DATE_STEPS else 'from'}"
