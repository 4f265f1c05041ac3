"""How wide a workload's model would be: known from its public columns alone, before anything is charged for it.

A model that is too wide is refused when it is fitted or drawn; by then its tables are paid for. Whoever buys tables
for the sake of their model asks this first.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from privacy.schema import Table
from privacy.workload.fit import attributes_of
from privacy.workload.model import MAX_WIDTH, Measured, Model, too_wide
from privacy.workload.plan import Workload
from privacy.workload.rows import order


def require_narrow(workload: Workload, table: Table) -> None:
    """Raise QueryRejected `model_too_wide` where the model of these marginals could not be fitted and drawn."""
    sets = tuple(Measured(marginal.columns, 1.0, ()) for marginal in workload.marginals)
    model = Model(attributes_of(workload, table), sets, (), 1.0, "")
    drawn = [[*parents, name] for name, parents in order(model)]
    if max(width(model, names) for names in [*(one.columns for one in sets), *drawn]) > MAX_WIDTH:
        raise too_wide()


def width(model: Model, names: Sequence[str]) -> int:
    """Return the cells of the largest table that `model.project(names)` makes, by the same order of elimination."""
    factors = [set(one.columns) for one in model.measured]
    rest = {each.name for each in model.attributes} - set(names)
    most = prod(model.shape(names))
    while rest:
        joints = {name: set().union(*(each for each in factors if name in each)) for name in sorted(rest)}
        name = min(joints, key=lambda each: prod(model.shape(joints[each])))
        rest.remove(name)
        most = max(most, prod(model.shape(joints[name])))
        factors = [each for each in factors if name not in each] + [joints[name] - {name}]
    return most
