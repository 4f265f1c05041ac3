"""How answers leave: the ledger's bytes, after the checkpoint that covers their charge is witnessed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from domains.audit.checkpoints import witness
from domains.audit.events import Event
from domains.audit.receipts import receipt as audit_receipt
from domains.audit.recorder import record
from domains.base import coarse, move
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.ledger import queries as books
from domains.node.queries import require_running
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, allows, require
from domains.projects.rights import grant_usable
from domains.requests.fitting import queue_fit
from domains.requests.guards import has_approved, is_separate, require_separate
from domains.requests.lifecycle import ReleaseStatus
from domains.requests.models import AnalysisRequest, Download, Release
from privacy.query.answer import Answer


@dataclass(frozen=True)
class Result:
    """What a member of the project sees: the released bytes, parsed, and the receipt that proves them."""

    release: Release
    answer: Answer
    payload: bytes


def conclude(analysis: AnalysisRequest, *, charge_id: str, sha256: str, at: datetime) -> Release:
    """Quarantine an answer and, if every right still holds, release it as of its deadline `at`.

    Called inside the finishing transaction, after `witness()` has put the checkpoint that covers the charge
    on disk outside the database: only what is already durable may be witnessed.
    """
    release = Release.objects.create(analysis=analysis, charge_id=charge_id, sha256=sha256)
    if grant_usable(analysis.grant, analysis.author, timezone.now()).ok:
        return _let_out(release, actor="system", person=None, at=at)
    move(release, ReleaseStatus.AWAITING_REVIEW)
    record(Event.RELEASE_HELD, by="system", on=release, analysis=analysis.pk, sha256=sha256)
    owners = [row.user for row in analysis.dataset.stewards.filter(ended_at=None).select_related("user")]
    text = f"The answer to “{analysis.title}” needs your release: a right ended while it ran."
    tell(owners, Event.RELEASE_HELD, text, f"/requests/{analysis.pk}/")
    return release


def _let_out(release: Release, *, actor: User | str, person: User | None, at: datetime) -> Release:
    """Record a release and tell the author; `at` is what outsiders see, a whole tick of the dataset."""
    analysis = release.analysis
    queue_fit(release)
    index = record(
        Event.RESULT_RELEASED,
        by=actor,
        on=release,
        at=at,
        analysis=analysis.pk,
        revision=analysis.current.sha256,
        sha256=release.sha256,
        **analysis.current.loss.to_dict(),
        repeat=release.is_repeat,
        **({"in_place": True} if analysis.current.version.is_in_place else {}),
    )
    move(release, ReleaseStatus.RELEASED, released_at=at, released_by=person, audit_index=index)
    text = f"The answer to “{analysis.title}” is here."
    tell([analysis.author], Event.RESULT_RELEASED, text, f"/requests/{analysis.pk}/result/")
    return release


def release_repeat(analysis: AnalysisRequest, earlier: Release) -> Release:
    """Release stored bytes again for another request of the same grant, at no charge."""
    release = Release.objects.create(
        analysis=analysis, charge_id=earlier.charge_id, sha256=earlier.sha256, is_repeat=True
    )
    return _let_out(release, actor="system", person=None, at=_now(analysis))


def _now(analysis: AnalysisRequest) -> datetime:
    return coarse(timezone.now(), float(analysis.dataset.tick))


def repeatable(repeat_key: str) -> Release | None:
    """Return the release, RELEASED still, of a charge with this repeat key, or None.

    The key contains the grant, so an answer is only ever repeated inside the grant that paid for it.
    """
    charges = books.answered(repeat_key)
    return Release.objects.filter(
        charge_id__in=charges, status=ReleaseStatus.RELEASED, is_repeat=False
    ).first()


def release_held(release: Release, *, sha256: str, by: User) -> None:
    """Release an answer that was held back; `sha256` names the exact bytes that were looked at."""
    witness()
    with transaction.atomic(durable=True):
        _release_held(release, sha256, by)


def _release_held(release: Release, sha256: str, by: User) -> None:
    require(by, Permission.RESULT_RELEASE, on=release)
    require_separate(release.analysis, by)
    if has_approved(release.analysis, by):
        raise NotAllowed(
            "You approved this request, so somebody else must look at what came out.",
            code="separation_of_duties",
        )
    require_running()
    if sha256 != release.sha256:
        raise IllegalMove("These are not the bytes that you looked at.", code="stale")
    Release.objects.select_for_update(no_key=True).get(pk=release.pk)  # before the log's head
    if release.status != ReleaseStatus.AWAITING_REVIEW:
        raise IllegalMove(f"This release is {release.state.label.lower()}.")
    _let_out(release, actor=by, person=by, at=_now(release.analysis))


@transaction.atomic(durable=True)
def reject(release: Release, *, reason: str, by: User) -> None:
    """Keep an answer back for good; its loss stays spent."""
    require(by, Permission.RESULT_RELEASE, on=release)
    require_separate(release.analysis, by)
    if not reason.strip():
        raise InvalidInput("Say why: the author sees your reason.", code="reason_missing")
    move(release, ReleaseStatus.REJECTED)
    AnalysisRequest.objects.filter(pk=release.analysis_id).update(reasons=[reason.strip()])
    record(Event.RELEASE_REJECTED, by=by, on=release, analysis=release.analysis_id)
    text = f"The answer to “{release.analysis.title}” was kept back."
    tell([release.analysis.author], Event.RELEASE_REJECTED, text, f"/requests/{release.analysis_id}/")


def result(analysis: AnalysisRequest, *, by: User) -> Result:
    """Return the released answer for a member of the project; a held one only for those who may release it."""
    release = analysis.releases.first()
    is_judge = allows(by, Permission.RESULT_RELEASE, on=analysis) and is_separate(analysis, by)
    if release is not None and release.status == ReleaseStatus.AWAITING_REVIEW and is_judge:
        return _read(release)
    require(by, Permission.RESULT_READ, on=analysis)
    if release is not None and release.status == ReleaseStatus.REVOKED:
        raise NotFound(
            "This answer was taken back after its release. Delete your copies and do not use its figures.",
            code="release_revoked",
        )
    if release is None or not release.is_out(timezone.now()):
        raise NotFound("There is no released result yet.", code="no_result")
    return _read(release)


def fetch(analysis: AnalysisRequest, *, form: str, by: User) -> Result:
    """Return the answer as `result` does, and keep who fetched a released one, in which form and when."""
    found = result(analysis, by=by)
    if found.release.status == ReleaseStatus.RELEASED:
        Download.objects.create(release=found.release, person=by, form=form)
    return found


def _read(release: Release) -> Result:
    payload = books.answer(release.charge_id)
    if payload is None:
        raise NotFound("There is no released result yet.", code="no_result")
    return Result(release, Answer.from_bytes(payload), payload)


def receipt(analysis: AnalysisRequest, *, by: User) -> dict[str, Any]:
    """Return what proves the release offline: leaf, inclusion proof and signed checkpoint, with the answer's hash."""
    found = result(analysis, by=by)
    if found.release.audit_index is None:
        raise NotFound("There is no released result yet.", code="no_result")
    return audit_receipt(found.release.audit_index)
