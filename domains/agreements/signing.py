"""Accepting an agreement: who, which bytes, when, and until when it holds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from domains.agreements import queries
from domains.agreements.models import Acceptance, AgreementVersion
from domains.audit.events import Event
from domains.audit.recorder import record
from domains.errors import IllegalMove
from domains.people.models import User
from domains.people.permissions import Permission, require
from domains.words import once

RENEW_DAYS = 30  # so long before it runs out an acceptance can be renewed


@transaction.atomic(durable=True)
def accept(version: AgreementVersion, *, sha256: str, through: str, by: User) -> Acceptance:
    """Accept the version in force, or a later one, whose bytes have the hash that was shown.

    Accepting again changes nothing until the acceptance is about to run out; then it is renewed.
    """
    require(by, Permission.AGREEMENT_ACCEPT)
    _require_acceptable(version, sha256)
    now = timezone.now()
    last = queries.latest(version, by)
    if last is not None and not is_renewable(last):
        return last
    begin = max(now, version.effective_from, last.expires_at if last and last.expires_at else now)
    with once("You accepted this a moment ago.", code="agreement_accepted"):
        made = Acceptance.objects.create(
            person=by,
            version=version,
            renewal=0 if last is None else last.renewal + 1,
            sha256=sha256,
            through=through,
            expires_at=begin + timedelta(days=version.valid_days) if version.valid_days else None,
        )
    words: dict[str, Any] = {
        "agreement": version.agreement_id,
        "version": version.number,
        "renewal": made.renewal,
    }
    record(Event.AGREEMENT_ACCEPTED, by=by, on=made, sha256=sha256, **words)
    return made


def is_renewable(acceptance: Acceptance) -> bool:
    """Say whether an acceptance has run out or is about to."""
    ends = acceptance.expires_at
    return ends is not None and ends <= timezone.now() + timedelta(days=RENEW_DAYS)


def _require_acceptable(version: AgreementVersion, sha256: str) -> None:
    agreement = version.agreement
    if agreement.retired_at is not None:
        raise IllegalMove("This agreement is retired; nobody has to accept it.", code="agreement_retired")
    now = queries.current(agreement, timezone.now())
    if now is not None and version.number < now.number:
        raise IllegalMove(
            f"A newer version is in force: read and accept version {now.number}.", code="agreement_superseded"
        )
    if sha256 != version.sha256:
        raise IllegalMove(
            "This is not the hash of the text that is in force. Read it again before you accept it.",
            code="stale",
        )
