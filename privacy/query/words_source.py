"""What a plan reads, in plain words: tables, joins and groupings within a privacy unit, from the innermost out."""

from __future__ import annotations

from privacy.query.plan import Plan
from privacy.query.relation import Derived, Join, Relation, Scan


def source_lines(plan: Plan) -> list[str]:
    """Return a line for each join, grouping and inner condition; none for a plan over one table."""
    return _lines(plan.source, plan)


def _lines(relation: Relation, plan: Plan) -> list[str]:
    """Return the lines of what lies beneath a relation, then its own."""
    from privacy.query.words import phrase  # words asks this module for lines, and lends it its phrases

    if isinstance(relation, Scan):
        if relation.where is None:
            return []
        return [f"From {relation.table} reads only rows where {phrase(relation.where, plan, relation)}."]
    if isinstance(relation, Derived):
        lines = [*_lines(relation.source, plan), _grouping(relation, plan)]
    else:
        lines = [*_lines(relation.left, plan), *_lines(relation.right, plan), _pairing(relation, plan)]
    if relation.where is not None:
        lines.append(
            f"Keeps only those of {_called(relation)} where {phrase(relation.where, plan, relation)}."
        )
    return lines


def _grouping(derived: Derived, plan: Plan) -> str:
    """Return what one grouping within the unit makes."""
    from privacy.query.words import aggregate_words, phrase

    each = " and each ".join(["privacy unit", *(phrase(key, plan, derived.source) for key in derived.keys)])
    figures = [aggregate_words(aggregate, plan, derived.source) for aggregate in derived.aggregates]
    made = f", with {', '.join(figures)}" if figures else ""
    return f"Makes of {_called(derived.source)} one row for each {each}{made}."


def _pairing(join: Join, plan: Plan) -> str:
    """Return what one join pairs."""
    from privacy.query.words import phrase

    rest = "; rows without one stay" if join.is_left else ""
    if join.on is not None:
        value = phrase(join.on, plan, join.left)
        return f"To {_called(join.left)} adds the row of the public table {_called(join.right)} for {value}{rest}."
    return f"Pairs {_called(join.left)} with {_called(join.right)} of the same privacy unit{rest}."


def _called(relation: Relation) -> str:
    """Return what a relation is called in these lines."""
    if isinstance(relation, Scan):
        return relation.table
    return "the grouped rows" if isinstance(relation, Derived) else "the joined rows"
