"""What scientists do with requests, from the first draft to taking one back. Decisions are in `decisions`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move
from domains.errors import DomainError, IllegalMove, InvalidInput, NotAllowed
from domains.jobs import actions as jobs
from domains.jobs.lifecycle import JobStatus
from domains.jobs.models import JobKind
from domains.ledger import protocol as ledger
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, require
from domains.projects.models import AccessGrant
from domains.projects.rights import require_usable
from domains.requests import approval
from domains.requests.accounting import parse_accounting
from domains.requests.guards import lock
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest, Comment, Revision
from domains.requests.policy import Allow, Refuse
from domains.requests.queries import reviewers_of
from domains.requests.specification import Specification, digest, specify_for, specify_revision
from domains.requests.verdicts import verdict_for
from privacy.errors import QueryRejected

MOST_SQL = 20_000  # characters


@transaction.atomic(durable=True)
def draft(
    grant: AccessGrant, *, title: str, sql: str, epsilon: str, accounting: str = "zcdp", by: User
) -> AnalysisRequest:
    """Start a request under a grant; nothing is checked yet, so nothing that was typed is lost."""
    require(by, Permission.REQUEST_CREATE, on=grant)
    title, sql = _words(title, sql)
    analysis = AnalysisRequest.objects.create(
        grant=grant,
        author=by,
        title=title,
        draft_sql=sql,
        draft_epsilon=str(epsilon).strip()[:20],
        draft_accounting=parse_accounting(accounting),
    )
    record(Event.REQUEST_DRAFTED, by=by, on=analysis, grant=grant.pk)
    return analysis


@transaction.atomic(durable=True)
def edit(
    analysis: AnalysisRequest,
    *,
    title: str,
    sql: str,
    epsilon: str,
    accounting: str | None = None,
    by: User,
) -> None:
    """Change what is written of a request that is not under review; a checked one becomes a draft again.

    Without `accounting` it stays what it was.
    """
    require(by, Permission.REQUEST_EDIT, on=analysis)
    title, sql = _words(title, sql)
    changes = {
        "title": title,
        "draft_sql": sql,
        "draft_epsilon": str(epsilon).strip()[:20],
        "draft_accounting": parse_accounting(accounting or analysis.draft_accounting),
        "findings": [],
    }
    if analysis.status == Status.READY:
        move(analysis, Status.DRAFT, **changes)
    elif analysis.status in {Status.DRAFT, Status.CHANGES_REQUESTED}:
        if AnalysisRequest.objects.filter(pk=analysis.pk, status=analysis.status).update(**changes) != 1:
            raise IllegalMove("This request changed since you opened it. Look at it again before editing.")
        for name, value in changes.items():
            setattr(analysis, name, value)
    else:
        raise IllegalMove("Only a draft, or a request sent back for changes, can be edited.")
    record(Event.REQUEST_EDITED, by=by, on=analysis)


def _words(title: str, sql: str) -> tuple[str, str]:
    title, sql = title.strip(), sql.strip()
    if not title or len(title) > 160:
        raise InvalidInput("Give the request a title of at most 160 characters.", code="title_invalid")
    if len(sql) > MOST_SQL:
        raise InvalidInput(f"The query is longer than {MOST_SQL} characters.", code="query_too_long")
    return title, sql


@transaction.atomic(durable=True)
def check(analysis: AnalysisRequest, *, by: User) -> list[dict[str, str]]:
    """Parse and price what is written: READY with a new immutable revision, or a draft with findings.

    Return the findings, each with code, clause, text and alternative; empty when it passed.
    """
    require(by, Permission.REQUEST_EDIT, on=analysis)
    if analysis.status not in {Status.DRAFT, Status.CHANGES_REQUESTED}:
        raise IllegalMove("Only a draft, or a request sent back for changes, can be checked.")
    lock(analysis)  # two clicks at once make one revision
    try:
        specification = specify_for(
            analysis.grant,
            analysis.author,
            sql=analysis.draft_sql,
            epsilon=analysis.draft_epsilon,
            accounting=analysis.draft_accounting,
        )
    except (QueryRejected, DomainError) as error:
        findings = [finding_of(error)]
        AnalysisRequest.objects.filter(pk=analysis.pk).update(findings=findings)
        analysis.findings = findings
        record(Event.REQUEST_CHECK_FAILED, by=by, on=analysis, code=findings[0]["code"])
        return findings
    revision = _new_revision(analysis, specification, by=by)
    move(analysis, Status.READY, revision=revision, findings=[], reasons=[], status_code="")
    record(Event.REQUEST_CHECKED, by=by, on=analysis, revision=revision.number, sha256=revision.sha256)
    return []


def finding_of(error: QueryRejected | DomainError) -> dict[str, str]:
    """Translate a refusal into what the composer shows."""
    return {
        "code": error.code,
        "clause": getattr(error, "clause", ""),
        "text": str(error),
        "alternative": getattr(error, "alternative", ""),
    }


def _new_revision(analysis: AnalysisRequest, specification: Specification, *, by: User) -> Revision:
    last = analysis.revisions.order_by("-number").values_list("number", flat=True).first() or 0
    return Revision.objects.create(
        analysis=analysis,
        number=last + 1,
        version=specification.version,
        sql=specification.sql,
        epsilon=str(specification.epsilon),
        accounting=specification.accounting,
        **specification.loss.to_dict(),
        plan=specification.plan.to_dict(),
        plan_sha256=specification.plan.sha256(),
        pricing=specification.pricing.to_dict(),
        sha256=specification.sha256(),
        created_by=by,
    )


def submit(analysis: AnalysisRequest, *, revision: int, by: User) -> None:
    """Hand a checked revision over: policy allows, refers it to people, or refuses; a repeat is answered at once."""
    with transaction.atomic(durable=True):
        require(by, Permission.REQUEST_SUBMIT, on=analysis)
        if analysis.status != Status.READY:  # from an approval an arrow leads back, for a budget that is cut
            raise IllegalMove(
                f"This request is {analysis.state.label.lower()}; only a checked one is submitted."
            )
        current = require_revision(analysis, revision)
        lock(analysis)
        # One submission a grant and a person at a time: automation's share is counted before it is used.
        AccessGrant.objects.select_for_update(no_key=True).get(pk=analysis.grant_id)
        User.objects.select_for_update(no_key=True).get(pk=analysis.author_id)
        require_usable(analysis.grant, by)
        specification = respecify(current)
        if approval.repeat(analysis, specification, submitted_at=timezone.now()):
            return
        approval.require_fits(analysis, specification.loss)
        policy, verdict = verdict_for(analysis.grant, specification)
        changes = {
            "submitted_at": timezone.now(),
            "project_version": _in_force(analysis),
            "reasons": verdict.reasons,
            "policy_id": policy and policy.policy_id,
            "policy_findings": [finding.to_dict() for finding in verdict.findings],
        }
        if isinstance(verdict, Allow) and policy:
            approval.approve(analysis, specification, actor=policy.actor, undo_seconds=0, **changes)
        elif isinstance(verdict, Refuse) and policy:
            move(analysis, Status.REFUSED, **changes)
            why: dict[str, Any] = {"policy": policy.sha256, "reasons": verdict.reasons}
            record(Event.REQUEST_REFUSED, by=policy.actor, on=analysis, revision=revision, **why)
        else:
            move(analysis, Status.IN_REVIEW, escalation="", escalation_level=0, **changes)
            record(Event.REQUEST_SUBMITTED, by=by, on=analysis, revision=revision, sha256=current.sha256)
            tell(
                reviewers_of(analysis),
                Event.REQUEST_SUBMITTED,
                f"“{analysis.title}” waits for your decision.",
                f"/requests/{analysis.pk}/decision/",
            )


def _in_force(analysis: AnalysisRequest) -> int | None:
    """Return the version of the project that is in force now, which an amendment may change later."""
    grants = AccessGrant.objects.filter(pk=analysis.grant_id)
    number: int | None = grants.values_list("project__in_force__number", flat=True).get()
    return number


def require_revision(analysis: AnalysisRequest, number: int) -> Revision:
    """Return the current revision if it is the one that the form was opened at; else raise."""
    current = analysis.revision
    if current is None or current.number != number:
        latest = current.number if current else "none"
        raise IllegalMove(
            f"This request changed since you opened it: its revision is now {latest}.", code="stale"
        )
    return current


def respecify(revision: Revision) -> Specification:
    """Parse and price a revision afresh and raise IllegalMove if it is no longer what was recorded (DECISIONS 11)."""
    specification = specify_revision(revision)
    if specification.sha256() != revision.sha256:
        raise IllegalMove(
            "What would run has changed since it was checked. Check the request again.", code="stale"
        )
    return specification


@transaction.atomic(durable=True)
def withdraw(analysis: AnalysisRequest, *, by: User) -> None:
    """Take a request back before its answer is there; what was reserved is given back, what was read is paid for.

    A run that has opened the data is stopped at its deadline, and its answer discarded.
    """
    require(by, Permission.REQUEST_WITHDRAW, on=analysis)
    waiting = analysis.status == Status.IN_REVIEW
    if analysis.status == Status.APPROVED:
        move(analysis, Status.WITHDRAWN, status_code=_stop(analysis))
    else:
        move(analysis, Status.WITHDRAWN)
    record(Event.REQUEST_WITHDRAWN, by=by, on=analysis)
    if waiting:
        text = f"“{analysis.title}” was withdrawn by its author."
        tell(reviewers_of(analysis), Event.REQUEST_WITHDRAWN, text, f"/requests/{analysis.pk}/")


def _stop(analysis: AnalysisRequest) -> str:
    """Stop an approved request's run and return the status code: void before data was read, discarded after."""
    job = analysis.job
    if job is not None and jobs.cancel(job, code="withdrawn"):
        lock(analysis)
        ledger.void(job.charge_key, reason="withdrawn")
        return ""
    if job is None or jobs.hold(job) != JobStatus.DATA_OPEN:
        raise IllegalMove("It has already run; its loss is spent and its result stays.")
    lock(analysis)
    return "discarded"


@transaction.atomic(durable=True)
def comment(analysis: AnalysisRequest, text: str, *, by: User) -> Comment:
    """Add a line to the request's thread and tell the others in it."""
    require(by, Permission.REQUEST_COMMENT, on=analysis)
    text = text.strip()
    if not text or len(text) > 4000:
        raise InvalidInput("A comment has between 1 and 4,000 characters.", code="comment_invalid")
    line = Comment.objects.create(analysis=analysis, author=by, text=text)
    record(Event.REQUEST_COMMENTED, by=by, on=analysis, comment=line.pk)
    others = {c.author for c in analysis.comments.select_related("author")} | {analysis.author}
    tell(
        others - {by},
        Event.REQUEST_COMMENTED,
        f"{by.name} wrote on “{analysis.title}”.",
        f"/requests/{analysis.pk}/",
    )
    return line


@transaction.atomic(durable=True)
def run_on_mock(analysis: AnalysisRequest, *, by: User) -> None:
    """Queue the current revision on the dataset's mock data: free, and says nothing about the private data."""
    require(by, Permission.REQUEST_EDIT, on=analysis)
    revision = analysis.revision
    if revision is None:
        raise IllegalMove("Check the request first; then it can run on the mock.")
    if not revision.version.mock_sha256:
        raise NotAllowed("This dataset has no mock data yet.", code="no_mock")
    spec = respecify(revision).job_spec()
    job = jobs.queue(
        JobKind.MOCK_QUERY,
        subject=analysis.pk,
        spec=spec,
        planned_seconds=settings.JOB_LEASE_SECONDS,
        valid_until=timezone.now() + timedelta(hours=1),
    )
    AnalysisRequest.objects.filter(pk=analysis.pk).update(mock_job=job)
    analysis.mock_job = job
    record(Event.REQUEST_MOCK_RUN, by=by, on=analysis, revision=revision.number, spec=digest(spec))
