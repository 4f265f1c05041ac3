"""Telling people what to accept: at once when a version comes, and before an acceptance runs out.

The sweep is idempotent, for each reminder is a row that there is once. No rule depends on it: whether a person
may go on is asked of the acceptances themselves.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from domains.agreements import queries
from domains.agreements.models import Acceptance, AgreementVersion, Reminder
from domains.notices.outbox import tell
from domains.people.models import User

DAYS = (1, 7, 30)  # before an acceptance runs out
DUE = "agreement.due"  # what the notices are called: they ask the reader to act


def announce(version: AgreementVersion) -> None:
    """Tell everybody concerned, in the publishing transaction, that a version came; the sweep says so no more."""
    people = list(queries.concerned(version.agreement))
    Reminder.objects.bulk_create(Reminder(person=user, version=version, days=0) for user in people)
    tell(people, DUE, _came(version), version.agreement.path)


def _came(version: AgreementVersion) -> str:
    day = f"{version.effective_from:%-d %b %Y}"
    line = f"Version {version.number} of “{version.agreement.title}” waits for you to accept it"
    return f"{line}: without that you cannot use the data from {day} on."


def sweep(now: datetime) -> int:
    """Tell people, each once, what runs out and what they have come to need; return how many were told."""
    return _of_ends(now) + _of_versions(now)


def _of_ends(now: datetime) -> int:
    """Remind of acceptances that run out within 30, 7 or 1 days: each of the nearest of these only."""
    count, begin = 0, now
    for days in DAYS:
        end = now + timedelta(days=days)
        told = Reminder.objects.filter(
            person=OuterRef("person"), version=OuterRef("version"), renewal=OuterRef("renewal"), days=days
        )
        rows = _standing(now).filter(~Exists(told), expires_at__gt=begin, expires_at__lte=end)
        for row in rows.select_related("person", "version__agreement__area", "version__agreement__dataset"):
            if queries.concerned(row.version.agreement).filter(pk=row.person_id).exists():
                count += _once(row.person, row.version, _ends(row), renewal=row.renewal, days=days)
        begin = end
    return count


def _ends(row: Acceptance) -> str:
    title, day = row.version.agreement.title, f"{row.expires_at:%-d %b %Y, %H:%M}"
    return f"Your acceptance of “{title}” runs out on {day} UTC. Accept it again to go on."


def _standing(now: datetime) -> QuerySet[Acceptance]:
    """Return the acceptances of versions in force that were not renewed, of people who can be told."""
    newer = Acceptance.objects.filter(
        person=OuterRef("person"), version=OuterRef("version"), renewal__gt=OuterRef("renewal")
    )
    versions = queries.versions_in_force(now).values("pk")
    return Acceptance.objects.filter(~Exists(newer), version__in=versions, person__is_active=True)


def _of_versions(now: datetime) -> int:
    """Tell those who joined since a version was published that it waits for them."""
    count = 0
    for version in queries.versions_in_force(now).select_related("agreement__area", "agreement__dataset"):
        told = Reminder.objects.filter(person=OuterRef("pk"), version=version, days=0)
        accepted = Acceptance.objects.filter(person=OuterRef("pk"), version=version)
        for person in queries.concerned(version.agreement).exclude(Exists(told)).exclude(Exists(accepted)):
            count += _once(person, version, _came(version), renewal=0, days=0)
    return count


def _once(person: User, version: AgreementVersion, line: str, *, renewal: int, days: int) -> int:
    """Tell a person unless another sweep did; the row and the notice come together."""
    with transaction.atomic():
        _, is_new = Reminder.objects.get_or_create(person=person, version=version, renewal=renewal, days=days)
        if is_new:
            tell([person], DUE, line, version.agreement.path)
    return int(is_new)
