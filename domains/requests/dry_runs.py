"""Trying a policy on past requests: what was decided then, and what it would answer now, without any private data.

Requests are replayed in the order in which they were submitted: what the policy would have approved counts against its
own limits, as if it had been in force. Prices are those of then. Repeats, about which no policy was asked, are out.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.catalog.models import AccessPolicy, Dataset, DryRun
from domains.catalog.policy import Document, canonical_of
from domains.errors import IllegalMove, InvalidInput, NotFound
from domains.jobs import actions as jobs
from domains.jobs.actions import Claim
from domains.jobs.lifecycle import FINAL, JobStatus
from domains.jobs.models import Job, JobKind
from domains.people.models import User
from domains.people.permissions import Permission, allows, require
from domains.projects.models import Project
from domains.requests import facts
from domains.requests.lifecycle import REQUEST, Status
from domains.requests.models import AnalysisRequest, Revision
from domains.requests.policy import Allow, Earlier, Finding, Policy, Refer, Verdict, assess
from privacy.errors import QueryRejected
from privacy.loss import comparable_rho

PERIODS = (30, 90, 365)  # days
MOST_AT_ONCE = 300  # requests; more are left to a worker
MOST = 5_000
PLANNED_SECONDS = 300


@dataclass(frozen=True)
class Line:
    """One past request: what automation answered then, what became of it, and what the policy would answer."""

    request: str
    revision: str
    at: str
    then: str
    became: str
    now: str
    rules: tuple[str, ...]

    @property
    def is_changed(self) -> bool:
        return self.then != self.now

    def to_dict(self) -> dict[str, Any]:
        """Return the line as JSON values."""
        return {
            "request": self.request,
            "revision": self.revision,
            "at": self.at,
            "then": self.then,
            "became": self.became,
            "now": self.now,
            "rules": list(self.rules),
        }


def past(dataset: Dataset, *, days: int, until: datetime) -> QuerySet[AnalysisRequest]:
    """Return the requests that were submitted to a dataset within `days` before `until`, the oldest first."""
    rows = AnalysisRequest.objects.filter(
        grant__dataset=dataset,
        submitted_at__gt=until - timedelta(days=days),
        submitted_at__lte=until,
        revision__isnull=False,
    )
    return rows.exclude(status_code="repeat").order_by("submitted_at", "id")


def replay(
    document: Document, dataset: Dataset, makers: Iterable[str], *, days: int, until: datetime
) -> list[Line]:
    """Return what a policy made by `makers` would have answered to each past request; the newest `MOST` of them."""
    rows = past(dataset, days=days, until=until)
    rows = rows.select_related("grant__project", "revision__version").prefetch_related(
        "grant__project__members"
    )
    newest = list(rows.reverse()[:MOST])[::-1]
    return list(_replayed(document, newest, dataset, frozenset(makers)))


def _replayed(
    document: Document, rows: list[AnalysisRequest], dataset: Dataset, makers: frozenset[str]
) -> Iterator[Line]:
    delta = dataset.population.conversion_delta
    allowed: deque[Allowed] = deque()
    for analysis in rows:
        at, revision = analysis.submitted_at or analysis.created_at, analysis.current
        while allowed and at - allowed[0].at >= facts.LONGEST:
            allowed.popleft()
        of_project = bool(makers & analysis.project.member_ids)
        policy = Policy("", 0, document, "", delta, is_of_project=of_project)
        verdict = _verdict(revision, analysis.project, at, _earlier(allowed, analysis, at), policy)
        if isinstance(verdict, Allow):
            rho = comparable_rho(revision.loss)
            allowed.append(Allowed(at, rho, analysis.grant_id, analysis.author_id))
        yield Line(
            analysis.pk,
            revision.sha256,
            at.isoformat(timespec="seconds"),
            then_of(analysis),
            REQUEST[Status(analysis.status)].label,
            verdict.answer,
            tuple(verdict.rules),
        )


def _verdict(
    revision: Revision, project: Project, at: datetime, earlier: list[Earlier], policy: Policy
) -> Verdict:
    try:
        return assess(facts.of_revision(revision, project, at=at, earlier=earlier), policy)
    except QueryRejected:
        text = "Its plan is of an earlier engine, which this one does not read."
        return Refer((Finding("plan", "warn", text),))


@dataclass(frozen=True)
class Allowed:
    """What the policy would have approved: when, at what ρ, under which grant and for whom."""

    at: datetime
    rho: int
    grant: str
    person: str


def _earlier(allowed: Iterable[Allowed], analysis: AnalysisRequest, at: datetime) -> list[Earlier]:
    """Return what counts for this request of what the policy would have approved before."""
    grant, person = analysis.grant_id, analysis.author_id
    return [
        Earlier((at - one.at).total_seconds(), one.rho, one.grant == grant, one.person == person)
        for one in allowed
        if grant == one.grant or person == one.person
    ]


def then_of(analysis: AnalysisRequest) -> str:
    """Return what the policy of the day answered: allow, refuse, or refer to people."""
    if analysis.status == Status.REFUSED:
        return "refuse"
    by_policy = analysis.decided_at is not None and analysis.decided_by_id is None and analysis.policy_id
    return "allow" if by_policy else "refer"


def counts_of(lines: Iterable[Line]) -> dict[str, int]:
    """Count the lines: all, changed, and by what would be answered and what it was, such as "refer>allow"."""
    found = {"total": 0, "changed": 0, "allow": 0, "refer": 0, "refuse": 0}
    for line in lines:
        found["total"] += 1
        found["changed"] += line.is_changed
        found[line.now] += 1
        if line.is_changed:
            way = f"{line.then}>{line.now}"
            found[way] = found.get(way, 0) + 1
    return found


def try_document(document: Document, dataset: Dataset, *, days: int, user: User) -> list[Line] | None:
    """Return what a policy that nobody has proposed yet would answer; None where that is too much to do at once."""
    if not allows(user, Permission.POLICY_PROPOSE, on=dataset):
        raise NotFound("There is nothing here that you can see.")
    until = timezone.now()
    _require_period(days)
    if past(dataset, days=days, until=until)[: MOST_AT_ONCE + 1].count() > MOST_AT_ONCE:
        return None
    return replay(document, dataset, [user.pk], days=days, until=until)


def _require_period(days: int) -> None:
    if days not in PERIODS:
        names = ", ".join(str(one) for one in PERIODS)
        raise InvalidInput(f"A dry run looks back over one of {names} days.", code="period_invalid")


@transaction.atomic(durable=True)
def try_policy(policy: AccessPolicy, *, days: int = 90, by: User) -> DryRun | Job:
    """Try a policy on the requests of the last `days`; return the dry run, or the job of the worker that makes it."""
    if not allows(by, Permission.POLICY_PROPOSE, on=policy):
        require(by, Permission.POLICY_ACTIVATE, on=policy)
    _require_period(days)
    if policy.ended_at is not None:
        raise IllegalMove("This policy has ended.", code="already_ended")
    until = timezone.now()
    if past(policy.dataset, days=days, until=until)[: MOST_AT_ONCE + 1].count() <= MOST_AT_ONCE:
        return _make(policy, days, until, by)
    open_job = under_way(policy, by)
    if open_job is not None:
        return open_job
    job = jobs.queue(
        JobKind.DRY_RUN,
        subject=policy.pk,
        spec={"days": days, "until": until.isoformat(), "by": by.pk},
        planned_seconds=PLANNED_SECONDS,
        queue="default",
    )
    record(Event.POLICY_TRIED, by=by, on=policy, dataset=policy.dataset_id, number=policy.number, job=job.pk)
    return job


def _make(policy: AccessPolicy, days: int, until: datetime, by: User) -> DryRun:
    """Replay, and keep what came out."""
    makers = {policy.proposed_by_id, policy.activated_by_id or by.pk}
    lines = replay(policy.rules, policy.dataset, makers, days=days, until=until)
    made = DryRun(
        policy=policy,
        made_by=by,
        until=until,
        days=days,
        lines=canonical_of([line.to_dict() for line in lines]),
        counts=counts_of(lines),
    )
    made.sha256 = made.content_sha256
    made.save()
    details: dict[str, Any] = {"dataset": policy.dataset_id, "number": policy.number, "sha256": made.sha256}
    record(Event.POLICY_TRIED, by=by, on=policy, **details, days=days, counts=made.counts)
    return made


def run(claim: Claim) -> None:
    """Make a long dry run, in any worker. May be delivered twice: only who holds the claim can end it."""
    jobs.to_running(claim)
    spec = claim.job.spec
    policy = AccessPolicy.objects.select_related("dataset__population", "dataset__area").get(
        pk=claim.job.subject
    )
    by, until = User.objects.get(pk=spec["by"]), datetime.fromisoformat(spec["until"])
    with transaction.atomic(durable=True):
        jobs.finish(claim, JobStatus.SUCCEEDED)
        _make(policy, spec["days"], until, by)


def under_way(policy: AccessPolicy, user: User) -> Job | None:
    """Return the job that makes a dry run of this policy for `user`, if there is one."""
    rows = Job.objects.filter(kind=JobKind.DRY_RUN, subject=policy.pk).exclude(status__in=FINAL)
    return next((job for job in rows.order_by("-id")[:20] if job.spec.get("by") == user.pk), None)


def may_read(policy: AccessPolicy, user: User) -> bool:
    """Answer whether `user` may see what a policy was tried on: those who look after the dataset, and auditors."""
    asked = (Permission.POLICY_PROPOSE, Permission.POLICY_ACTIVATE, Permission.REQUEST_REVIEW)
    return any(allows(user, one, on=policy) for one in asked) or allows(user, Permission.AUDIT_READ)


def dry_runs(policy: AccessPolicy, user: User) -> QuerySet[DryRun]:
    """Return the dry runs of a policy, newest first and without their lines, if `user` may see them."""
    rows = policy.dry_runs.defer("lines").select_related("made_by").order_by("-id")
    return rows if may_read(policy, user) else rows.none()


def dry_run(policy: AccessPolicy, key: str, user: User) -> DryRun:
    """Return one of them with its lines, or raise NotFound."""
    rows = policy.dry_runs.select_related("made_by", "policy__dataset")
    found = rows.filter(pk=key).first() if may_read(policy, user) else None
    if found is None:
        raise NotFound("There is no such dry run that you can see.")
    return found


def lines_of(made: DryRun) -> list[Line]:
    """Return the stored lines, newest first."""
    stored = [one | {"rules": tuple(one["rules"])} for one in json.loads(made.lines)]
    return [Line(**one) for one in reversed(stored)]
