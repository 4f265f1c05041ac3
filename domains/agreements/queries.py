"""Which agreements are in force, whom they concern, and what is due from whom.

Whom they concern hangs on projects and grants, which stand above this app: they are reached by the names of
their relations to people and datasets alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet, Subquery

from domains.agreements.models import Acceptance, Agreement, AgreementDraft, AgreementVersion, Kind
from domains.catalog.lifecycle import DatasetStatus
from domains.catalog.models import Dataset
from domains.errors import NotFound
from domains.people.models import User
from domains.people.permissions import Permission, Role, allows, require

_GRANTED = ("granted", "suspended")  # grants whose use is, or may become, somebody's


def is_for(agreement: Agreement, dataset: Dataset) -> bool:
    """Say whether whoever uses `dataset` accepts this agreement first."""
    if agreement.kind == Kind.NODE:
        return True
    return dataset.area_id == agreement.area_id or dataset.pk == agreement.dataset_id


def in_force(now: datetime) -> QuerySet[Agreement]:
    """Return the agreements that are demanded at `now`, each with the key of its version in force, `current`."""
    versions = AgreementVersion.objects.filter(agreement=OuterRef("pk"), effective_from__lte=now)
    newest = Subquery(versions.order_by("-number").values("pk")[:1])
    return Agreement.objects.filter(retired_at=None).annotate(current=newest).exclude(current=None)


def versions_in_force(now: datetime) -> QuerySet[AgreementVersion]:
    """Return the version in force of each agreement that is demanded at `now`."""
    begun = AgreementVersion.objects.filter(effective_from__lte=now, agreement__retired_at=None)
    newer = AgreementVersion.objects.filter(
        agreement=OuterRef("agreement"), effective_from__lte=now, number__gt=OuterRef("number")
    )
    return begun.exclude(Exists(newer))


def _holding(user: User | OuterRef, now: datetime) -> QuerySet[Acceptance]:
    """Return the acceptances of a person that have not run out at `now`."""
    return Acceptance.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), person=user)


def due(user: User, now: datetime) -> QuerySet[Agreement]:
    """Return the agreements in force whose current version this person has not accepted, by title; one query."""
    accepted = _holding(user, now).filter(version=OuterRef("current"))
    return in_force(now).exclude(Exists(accepted)).order_by("title", "id")


def concerning(user: User) -> Q:
    """Say which agreements concern this person: they are on a project with a grant on what these are for."""
    datasets = Dataset.objects.filter(
        grants__status__in=_GRANTED,
        grants__project__members__user=user,
        grants__project__members__ended_at=None,
    )
    return (
        Q(Exists(datasets), kind=Kind.NODE)
        | Q(dataset__in=datasets.values("pk"))
        | Q(area__in=datasets.values("area"))
    )


def waiting_for(user: User, now: datetime) -> QuerySet[Agreement]:
    """Return what this person must accept at `now` to go on."""
    rows = due(user, now).select_related("area", "dataset")
    return rows.filter(concerning(user)) if allows(user, Permission.AGREEMENT_ACCEPT) else rows.none()


def concerned(agreement: Agreement) -> QuerySet[User]:
    """Return the people whom an agreement concerns, by name."""
    seats: dict[str, Any] = {
        "project_seats__ended_at": None,
        "project_seats__project__grants__status__in": _GRANTED,
    }
    if agreement.kind == Kind.AREA:
        seats["project_seats__project__grants__dataset__area"] = agreement.area_id
    if agreement.kind == Kind.DATASET:
        seats["project_seats__project__grants__dataset"] = agreement.dataset_id
    found = User.objects.filter(is_active=True, **seats).values("pk")
    return User.objects.filter(pk__in=found).order_by("name", "pk")


def _managed(user: User) -> Q:
    """Say which agreements this person manages: the same answer as the permission table for each."""
    mine = Q(pk=None)
    if allows(user, Permission.TERMS_MANAGE):
        mine |= Q(kind=Kind.NODE)
    if Role.OWNER in user.node_roles:
        seats = {
            "area__seats__user": user,
            "area__seats__role": Role.AREA_OWNER,
            "area__seats__ended_at": None,
        }
        mine |= Q(pk__in=Agreement.objects.filter(**seats).values("pk"))
        owned = {
            "dataset__stewards__user": user,
            "dataset__stewards__role": Role.DATASET_OWNER,
            "dataset__stewards__ended_at": None,
        }
        mine |= Q(pk__in=Agreement.objects.filter(**owned).values("pk"))
    return mine


def _rows() -> QuerySet[Agreement]:
    return Agreement.objects.select_related(
        "area", "dataset", "draft__edited_by", "created_by"
    ).prefetch_related(
        "area__seats",
        "dataset__stewards",
        Prefetch("versions", AgreementVersion.objects.select_related("published_by")),
    )


def agreements(user: User) -> QuerySet[Agreement]:
    """Return every agreement that this person may read: published ones, and all of those that they manage."""
    require(user, Permission.CATALOGUE_READ)
    published = Exists(AgreementVersion.objects.filter(agreement=OuterRef("pk")))
    public = Q(published) & (Q(dataset=None) | ~Q(dataset__status=DatasetStatus.DRAFT))
    return _rows().filter(public | _managed(user)).order_by("title", "id")


def agreement(key: str, user: User) -> Agreement:
    """Return one agreement that this person may read, or raise NotFound."""
    found = agreements(user).filter(pk=key).first()
    if found is None:
        raise NotFound("There is no such agreement that you can see.")
    return found


def managed(user: User) -> QuerySet[Agreement]:
    """Return the agreements that this person writes and publishes."""
    return _rows().filter(_managed(user)).order_by("title", "id")


def may_manage(row: Agreement, user: User) -> bool:
    """Answer whether this person writes, publishes and retires an agreement."""
    if row.kind == Kind.NODE:
        return allows(user, Permission.TERMS_MANAGE)
    return allows(user, Permission.AGREEMENT_MANAGE, on=row)


def current(row: Agreement, now: datetime) -> AgreementVersion | None:
    """Return the version in force, or None before the first one is."""
    return next((v for v in row.versions.all() if v.effective_from <= now), None)


def version(row: Agreement, number: int) -> AgreementVersion:
    """Return one version of an agreement, or raise NotFound."""
    for candidate in row.versions.all():
        if candidate.number == number:
            return candidate
    raise NotFound("There is no such version.")


def latest(row: AgreementVersion, user: User) -> Acceptance | None:
    """Return the newest acceptance of a version by a person, run out or not."""
    return Acceptance.objects.filter(version=row, person=user).order_by("-renewal").first()


def accepted_before(row: Agreement, user: User, *, than: int) -> AgreementVersion | None:
    """Return the newest version before number `than` that this person accepted, to show what changed since."""
    rows = AgreementVersion.objects.filter(agreement=row, number__lt=than, acceptances__person=user)
    return rows.order_by("-number").first()


def acceptances_of(user: User) -> QuerySet[Acceptance]:
    """Return one's own acceptances, the newest first."""
    return Acceptance.objects.filter(person=user).select_related("version__agreement").order_by("-id")


def draft(row: Agreement) -> AgreementDraft:
    """Return the next version as far as it is written, or raise NotFound."""
    found = AgreementDraft.objects.select_related("edited_by").filter(agreement=row).first()
    if found is None:
        raise NotFound("There is no draft of this agreement.", code="no_draft")
    return found
