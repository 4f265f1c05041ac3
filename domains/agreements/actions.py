"""Writing, publishing and retiring agreements."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from domains.agreements import queries, reminders
from domains.agreements.models import Agreement, AgreementDraft, AgreementVersion, Kind, digest
from domains.agreements.signing import accept
from domains.audit.events import Event
from domains.audit.recorder import record
from domains.catalog.models import Dataset, ResearchArea
from domains.errors import IllegalMove, InvalidInput
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, require
from domains.words import stated_reason, text

__all__ = ["accept", "create", "draft", "publish", "require_managed", "retire"]
MOST_TEXT = 100_000
MOST_DAYS = 3_650


def require_managed(agreement: Agreement, by: User) -> None:
    """Raise unless `by` writes and publishes this agreement: owners for their own, administrators for the node's."""
    if agreement.kind == Kind.NODE:
        require(by, Permission.TERMS_MANAGE)
    else:
        require(by, Permission.AGREEMENT_MANAGE, on=agreement)


@transaction.atomic(durable=True)
def create(
    *,
    title: str,
    body: str,
    area: ResearchArea | None = None,
    dataset: Dataset | None = None,
    valid_days: int | None = None,
    by: User,
) -> Agreement:
    """Begin an agreement for a research area, a dataset, or with neither for the node; nothing is demanded yet."""
    if area is not None and dataset is not None:
        raise InvalidInput("An agreement is for a research area or for a dataset.", code="scope_invalid")
    kind = Kind.AREA if area else Kind.DATASET if dataset else Kind.NODE
    agreement = Agreement(kind=kind, area=area, dataset=dataset, created_by=by)
    require_managed(agreement, by)
    agreement.title = text(title, "title", most=160)
    words = _words(body, "", valid_days)
    agreement.save(force_insert=True)
    AgreementDraft.objects.create(agreement=agreement, edited_by=by, **words)
    record(Event.AGREEMENT_CREATED, by=by, on=agreement, kind=kind.value, title=agreement.title)
    return agreement


@transaction.atomic(durable=True)
def draft(
    agreement: Agreement, *, body: str, changes: str, valid_days: int | None, edition: int, by: User
) -> AgreementDraft:
    """Keep what the next version will say; `edition` is the draft's that the form was opened at, 0 for none."""
    require_managed(agreement, by)
    _require_live(agreement)
    words = _words(body, changes, valid_days)
    rows = AgreementDraft.objects.filter(agreement=agreement)
    if edition == 0 and not rows.exists():
        AgreementDraft.objects.create(agreement=agreement, edited_by=by, **words)
    elif rows.filter(edition=edition).update(edition=F("edition") + 1, edited_by=by, **words) != 1:
        raise _stale()
    kept = rows.get()
    record(Event.AGREEMENT_DRAFTED, by=by, on=agreement, sha256=digest(kept.text), edition=kept.edition)
    return kept


def _stale() -> IllegalMove:
    return IllegalMove("The draft changed since you opened it. Look at it again.", code="stale")


def _words(body: str, changes: str, valid_days: int | None) -> dict[str, Any]:
    if valid_days is not None and not 1 <= valid_days <= MOST_DAYS:
        raise InvalidInput(f"An acceptance lasts from 1 to {MOST_DAYS:,} days.", code="days_invalid")
    lines = "\n".join(text(body, "text", most=MOST_TEXT).splitlines()) + "\n"
    return {
        "text": lines,
        "changes": text(changes, "summary of changes", most=1000, least=0),
        "valid_days": valid_days,
    }


def _require_live(agreement: Agreement) -> None:
    if agreement.retired_at is not None:
        raise IllegalMove("This agreement is retired.", code="agreement_retired")


@transaction.atomic(durable=True)
def publish(
    agreement: Agreement, *, edition: int, effective_from: datetime | None = None, by: User
) -> AgreementVersion:
    """Make the draft the next version; from `effective_from` (default now) nobody whom it concerns works without it.

    Grants stay and no budget moves: what is suspended is each person's use, until they accept.
    """
    require_managed(agreement, by)
    _require_live(agreement)
    Agreement.objects.select_for_update(no_key=True).get(pk=agreement.pk)  # one version at a time
    kept = AgreementDraft.objects.filter(agreement=agreement, edition=edition).first()
    if kept is None:
        raise _stale()
    last = AgreementVersion.objects.filter(agreement=agreement).order_by("-number").first()
    _require_news(kept, last)
    now = timezone.now()
    made = AgreementVersion.objects.create(
        agreement=agreement,
        number=1 if last is None else last.number + 1,
        text=kept.text,
        sha256=digest(kept.text),
        changes=kept.changes,
        valid_days=kept.valid_days,
        effective_from=max(now, effective_from or now),
        published_by=by,
    )
    kept.delete()
    words: dict[str, Any] = {
        "version": made.number,
        "sha256": made.sha256,
        "valid_days": made.valid_days or 0,
    }
    record(Event.AGREEMENT_PUBLISHED, by=by, on=agreement, effective=made.effective_from.isoformat(), **words)
    reminders.announce(made)
    return made


def _require_news(kept: AgreementDraft, last: AgreementVersion | None) -> None:
    if last is None:
        return
    if (kept.text, kept.valid_days) == (last.text, last.valid_days):
        raise IllegalMove("The draft says what the last version says.", code="agreement_unchanged")
    if not kept.changes:
        raise InvalidInput(
            "Sum up what changed, for those who accepted the version before.", code="changes_missing"
        )


@transaction.atomic(durable=True)
def retire(agreement: Agreement, *, reason: str, by: User) -> None:
    """Stop demanding an agreement, for good; what was accepted stays on record."""
    require_managed(agreement, by)
    reason = stated_reason(reason)
    now = timezone.now()
    live = Agreement.objects.filter(pk=agreement.pk, retired_at=None)
    if live.update(retired_at=now, retired_by=by) != 1:
        raise IllegalMove("This agreement is retired.", code="agreement_retired")
    agreement.retired_at, agreement.retired_by = now, by
    record(Event.AGREEMENT_RETIRED, by=by, on=agreement, reason=reason)
    line = f"“{agreement.title}” is not demanded any more: {reason}"
    tell(queries.concerned(agreement), Event.AGREEMENT_RETIRED, line, agreement.path)
