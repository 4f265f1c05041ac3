"""Answers from a fitted model: free, inside the scope that paid for the workload, and labelled as what they are."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.errors import NotFound
from domains.people.models import User
from domains.people.permissions import Permission, require
from domains.projects.rights import require_usable
from domains.requests import fitting
from domains.requests.fitting import Fitted
from domains.requests.models import AnalysisRequest
from domains.requests.specification import Specification
from privacy.errors import QueryRejected
from privacy.query.answer import Answer, Cell
from privacy.query.parse import parse
from privacy.query.plan import Plan
from privacy.workload import covered
from privacy.workload.plan import Workload
from privacy.workload.rows import Closeness, draw


@dataclass(frozen=True)
class Quality:
    """How far one table of the model is from the released one, as a share of the rows that would have to move."""

    name: str
    distance: float

    @property
    def percent(self) -> str:
        """The distance in percent, to two places."""
        return f"{100 * self.distance:.2f}"


@dataclass(frozen=True)
class ModelView:
    """What a member of the project sees of a model."""

    fitted: Fitted
    columns: tuple[str, ...]
    method: str
    total: float
    qualities: tuple[Quality, ...]


def view(analysis: AnalysisRequest, *, by: User) -> ModelView:
    """Return the model of a released workload for a member of the project; raise NotFound where none is to come."""
    require(by, Permission.RESULT_READ, on=analysis)
    found = _fitted(analysis)
    if found is None:
        raise NotFound("There is no fitted model of this request.", code="no_model")
    model = found.model
    if model is None:
        return ModelView(found, found.workload.columns, "", 0.0, ())
    names = [marginal.name for marginal in found.workload.marginals]
    qualities = tuple(Quality(name, model.distance(place)) for place, name in enumerate(names))
    return ModelView(found, found.workload.columns, model.method, model.total, qualities)


def _fitted(analysis: AnalysisRequest) -> Fitted | None:
    release = analysis.releases.first()
    if release is None or not release.is_out(timezone.now()):
        return None
    return fitting.fitted(release)


@transaction.atomic(durable=True)
def ask(analysis: AnalysisRequest, *, sql: str, by: User) -> Answer:
    """Answer a covered question from the model of a released workload, at no charge; raise QueryRejected where not.

    LEDGER's repeat rule holds for it: a member of the project that paid, a grant that may be used now, and a
    release that stands.
    """
    require(by, Permission.RESULT_READ, on=analysis)
    require_usable(analysis.grant, by)
    found = _fitted(analysis)
    model = found.model if found is not None else None
    if found is None or model is None:
        raise NotFound("There is no fitted model of this request.", code="no_model")
    plan = parse(sql, found.release.analysis.current.version.table())
    asked = covered.question(plan, found.workload)
    label = f"From the fitted model of request {found.release.analysis_id}, no new charge."
    answer = covered.answer(model, asked, label=label, model_sha256=found.sha256)
    record(Event.MODEL_ASKED, by=by, on=analysis, plan=plan.sha256(), model=found.sha256)
    return answer


def covering(specification: Specification) -> tuple[AnalysisRequest, ...]:
    """Return the workloads of the same grant and version whose models answer this question for nothing."""
    plan = specification.plan
    if not isinstance(plan, Plan):
        return ()
    rows = fitting.with_models(specification.grant_id)
    return tuple(
        row for row in rows if row.current.version.pk == specification.version.pk and _covers(row, plan)
    )


def _covers(analysis: AnalysisRequest, plan: Plan) -> bool:
    try:
        covered.question(plan, Workload.from_dict(analysis.current.plan))
    except QueryRejected:
        return False
    return True


@dataclass(frozen=True)
class SyntheticView:
    """Synthetic rows of a model, with the ε of the workload that paid for them and how near they come."""

    header: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    epsilon: str
    closeness: tuple[Closeness, ...]


def synthetic(analysis: AnalysisRequest, *, by: User) -> SyntheticView:
    """Return rows drawn from the model of a released workload, the same ones each time, at no charge."""
    require(by, Permission.RESULT_READ, on=analysis)
    require_usable(analysis.grant, by)
    found = _fitted(analysis)
    model = found.model if found is not None else None
    if found is None or model is None:
        raise NotFound("There is no fitted model of this request.", code="no_model")
    drawn = draw(model, found.sha256)
    header = tuple(each.name for each in model.attributes)
    return SyntheticView(header, drawn.rows(), found.release.analysis.current.epsilon, drawn.closeness())
