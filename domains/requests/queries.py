"""What people see of requests: lists with a constant number of queries, and progress derived, never stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from domains.catalog.models import Dataset, Steward
from domains.errors import NotFound
from domains.jobs import queries as jobs
from domains.people.models import User
from domains.people.permissions import Permission, allows
from domains.requests import standing
from domains.requests.guards import is_separate
from domains.requests.lifecycle import ReleaseStatus, Status
from domains.requests.models import AnalysisRequest, Recusal, Release, Review, Revision
from domains.requests.verdicts import verdict_for  # noqa: F401 - deciders ask it here

_RELATED = (
    "author",
    "assigned_to",
    "revision",
    "job",
    "grant__project__area",
    "grant__dataset__area",
    "grant__dataset__population",
)
_PREFETCHED = (
    "releases",
    "grant__project__members",
    "grant__project__area__seats",
    "grant__dataset__stewards",
    "grant__dataset__area__seats",
)


_QUEUE = (*_PREFETCHED, *standing.PREFETCHED)
_DETAIL = (
    *_QUEUE,
    "revision__reviews__reviewer",
    "revision__reviews__organisation",
    "recusals__person",
    "comments__author",
    "revisions",
)


@dataclass(frozen=True)
class Progress:
    """One word for where a request stands, a sentence for why, and what the person can do next."""

    code: str
    label: str
    why: str
    is_final: bool


def visible_to(user: User) -> QuerySet[AnalysisRequest]:
    """Return the requests that `user` may read, newest first, ready for listing."""
    rows = AnalysisRequest.objects.select_related(*_RELATED).prefetch_related(*_PREFETCHED)
    if user.token_scopes is not None and Permission.REQUEST_READ not in user.token_scopes:
        return rows.none()
    if allows(user, Permission.REQUEST_READ):  # auditors read all
        return rows.order_by("-id")
    member = Q(grant__project__members__user=user, grant__project__members__ended_at=None)
    steward = Q(grant__dataset__stewards__user=user, grant__dataset__stewards__ended_at=None) & ~Q(
        status__in=[Status.DRAFT, Status.READY]
    )
    return rows.filter(Q(author=user) | member | steward).distinct().order_by("-id")


def detail(key: str, user: User) -> AnalysisRequest:
    """Return one request that `user` may read, or raise NotFound."""
    analysis = (
        AnalysisRequest.objects.select_related(*_RELATED, "mock_job", "decided_by", "revision__version")
        .prefetch_related(*_DETAIL)
        .filter(pk=key)
        .first()
    )
    if analysis is None or not allows(user, Permission.REQUEST_READ, on=analysis):
        raise NotFound("There is no such request that you can see.")
    return analysis


def paid_by(charge: str, user: User) -> AnalysisRequest | None:
    """Return the request that a charge was for, if there is one that `user` may read."""
    return visible_to(user).filter(job__charge=charge).first()


ASSIGNED = ("mine", "unassigned")


def queue(user: User, *, assigned: str = "all") -> QuerySet[AnalysisRequest]:
    """Return the requests that wait for a vote by `user`, oldest first; `assigned` is mine, unassigned or all."""
    rows = AnalysisRequest.objects.filter(grant__dataset__in=_cared_for(user), status=Status.IN_REVIEW)
    rows = rows.exclude(author=user).exclude(grant__project__members__user=user)
    cast = Review.objects.filter(revision=OuterRef("revision"), round=OuterRef("round"), reviewer=user)
    aside = Recusal.objects.filter(analysis=OuterRef("pk"), person=user)
    rows = rows.filter(~Exists(cast), ~Exists(aside))
    if assigned in ASSIGNED:
        rows = rows.filter(assigned_to=user if assigned == "mine" else None)
    return rows.select_related(*_RELATED).prefetch_related(*_QUEUE).order_by("submitted_at", "id")


def _cared_for(user: User) -> QuerySet[Steward, Any]:
    """Return the datasets that `user` is a steward of: as a set, so that no row comes twice and none is sorted out."""
    return Steward.objects.filter(user=user, ended_at=None).values("dataset")


def held_releases(user: User) -> QuerySet[AnalysisRequest]:
    """Return the requests whose answer waits for a release by `user`."""
    held = Release.objects.filter(status=ReleaseStatus.AWAITING_REVIEW).values("analysis")
    rows = AnalysisRequest.objects.filter(pk__in=held, grant__dataset__in=_cared_for(user))
    return rows.exclude(grant__project__members__user=user).select_related(*_RELATED).order_by("id")


def your_turn(user: User) -> QuerySet[AnalysisRequest]:
    """Return the author's own requests that wait for the author."""
    states = [Status.DRAFT, Status.READY, Status.CHANGES_REQUESTED]
    rows = AnalysisRequest.objects.filter(author=user, status__in=states)
    return rows.select_related(*_RELATED).prefetch_related(*_PREFETCHED).order_by("-id")


def reviewers_of(analysis: AnalysisRequest) -> list[User]:
    """Return who may decide on a request: the dataset's stewards who are not on the project."""
    return [person for person, _ in standing.panel(analysis).values()]


def may_decide(analysis: AnalysisRequest, user: User) -> bool:
    """Answer whether the decision buttons are shown; the same table and guard that the action enforces."""
    return (
        is_open_to(analysis, user)
        and not standing.has_voted(analysis, user)
        and not standing.is_aside(analysis, user)
    )


def is_open_to(analysis: AnalysisRequest, user: User) -> bool:
    """Answer whether it waits for a decision that is `user`'s kind of decision."""
    return (
        analysis.status == Status.IN_REVIEW
        and allows(user, Permission.REQUEST_REVIEW, on=analysis)
        and is_separate(analysis, user)
    )


def escalated(dataset: Dataset) -> QuerySet[AnalysisRequest]:
    """Return the dataset's open requests that went up unanswered, or that nobody is left to decide."""
    return AnalysisRequest.objects.filter(
        grant__dataset=dataset, status=Status.IN_REVIEW, escalation_level__gte=1
    )


def may_undo(analysis: AnalysisRequest, user: User, now: datetime) -> bool:
    """Answer whether `user` can still take back their own approval."""
    job = analysis.job
    return (
        analysis.status == Status.APPROVED
        and analysis.decided_by_id == user.pk
        and job is not None
        and now < job.not_before
        and jobs.public_status(job, now) == "queued"
    )


def earlier_releases(analysis: AnalysisRequest) -> QuerySet[AnalysisRequest]:
    """Return the requests on the same dataset whose answers are out, newest first, for the decision page."""
    rows = AnalysisRequest.objects.filter(grant__dataset=analysis.grant.dataset_id)
    rows = rows.filter(releases__status=ReleaseStatus.RELEASED).exclude(pk=analysis.pk)
    return rows.select_related("author", "revision", "grant__project").distinct().order_by("-id")


def revision_before(analysis: AnalysisRequest) -> Revision | None:
    """Return the revision before the current one, from what was fetched with the request."""
    current = analysis.revision
    rows = [row for row in analysis.revisions.all() if current and row.number < current.number]
    return max(rows, key=lambda row: row.number, default=None)


_FINISHED = {
    ReleaseStatus.RELEASED: Progress(
        "released", "Released", "The answer is here for the project's members.", True
    ),
    ReleaseStatus.AWAITING_REVIEW: Progress(
        "held",
        "Held for release",
        "A right ended while it ran, so the owner looks at the answer first.",
        False,
    ),
    ReleaseStatus.REJECTED: Progress(
        "kept_back", "Kept back", "The owner kept the answer back; its loss stays spent.", True
    ),
    ReleaseStatus.REVOKED: Progress(
        "release_revoked", "Release revoked", "The released answer was taken back.", True
    ),
    ReleaseStatus.QUARANTINED: Progress("running", "Running", "A worker is computing the answer.", False),
}
_RUNNING = {
    "queued": Progress(
        "queued", "Approved, queued", "Its loss is reserved; a worker will take it up.", False
    ),
    "running": Progress("running", "Running", "A worker is computing the answer.", False),
    "finished": Progress("running", "Running", "A worker is computing the answer.", False),
    "failed": Progress(
        "failed", "Failed", "It ended without an answer; if data was read, its loss stays spent.", True
    ),
}


def progress(analysis: AnalysisRequest, now: datetime) -> Progress:
    """Derive where a request stands from its own state, its job and its release."""
    if analysis.status != Status.APPROVED:
        state = analysis.state
        reasons = (
            [] if analysis.status == Status.WITHDRAWN else analysis.reasons
        )  # of whoever it was taken from
        why = _CODES.get(analysis.status_code) or " ".join(reasons) or state.meaning
        return Progress(analysis.status, state.label, why, state.is_final)
    release = next(iter(analysis.releases.all()), None)
    if release is not None and (release.released_at is None or release.released_at <= now):
        return _FINISHED[ReleaseStatus(release.status)]
    return _RUNNING[jobs.public_status(analysis.job, now)] if analysis.job else _RUNNING["queued"]


_CODES = {
    "insufficient_budget": "The budget no longer covers it. Ask with a smaller ε, or ask for a larger budget.",
    "discarded": "It was taken back after its data was opened: the run is stopped, its answer is discarded, and its "
    "loss stays spent.",
    "approval_undone": "The approval was taken back within the undo window; it waits for a decision again.",
    "approval_expired": "It was approved but not run in time, so its reservation was given back.",
    "ledger_behind_witness": "A backup of the node was restored, and nothing is spent until two administrators "
    "have reconciled its records. The reservation was given back; ask again afterwards.",
    "specification_changed": "It did not run, because what would run is no longer what was approved. Check it again.",
    "policy_ended": "It did not run: the policy that approved it had ended, and what is in force now does not approve "
    "it. Ask it again, and people decide.",
    "version_retired": "It did not run, because its version of the dataset was retired. Ask the current one.",
    "connection_retired": "It did not run, because the connection to its data was retired.",
    "relation_changed": "It did not run, because its table is not the one that was published. Its owner can publish "
    "a new version.",
    "no_worker_finished": "No worker could finish it before data was read, so its reservation was given back.",
}
