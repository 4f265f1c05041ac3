"""What happens to organisations: they are added, renamed and retired, and people are put into them.

An organisation is what a quorum counts, so it is set by an administrator and never by the person in it.
"""

from __future__ import annotations

import re

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.errors import IllegalMove, InvalidInput, NotAllowed
from domains.notices.outbox import tell
from domains.people.models import Organisation, User
from domains.people.permissions import Permission, require

_ROR = re.compile(r"0[a-hj-km-np-tv-z0-9]{6}[0-9]{2}")  # ror.org: 0, six of Crockford's base 32, two digits
_TAKEN = "There is an organisation with this name or ROR key already."


@transaction.atomic(durable=True)
def create_organisation(name: str, country: str = "", ror: str = "", *, by: User) -> Organisation:
    """Add an organisation that people can be put into; its address is made of its name and stays."""
    require(by, Permission.PEOPLE_MANAGE)
    values = _clean(name, country, ror)
    made = Organisation(slug=_free_slug(values["name"]), **values)
    try:
        with transaction.atomic():
            made.save(force_insert=True)
    except IntegrityError as error:
        raise InvalidInput(_TAKEN, code="organisation_taken") from error
    record(Event.ORGANISATION_CREATED, by=by, on=made, slug=made.slug)
    return made


@transaction.atomic(durable=True)
def rename_organisation(
    organisation: Organisation, name: str, country: str = "", ror: str = "", *, by: User
) -> None:
    """Change what an organisation is called, its country and its ROR key; its address stays."""
    require(by, Permission.PEOPLE_MANAGE)
    values = _clean(name, country, ror)
    try:
        with transaction.atomic():
            live = Organisation.objects.filter(pk=organisation.pk, retired_at__isnull=True)
            if live.update(**values) != 1:
                raise IllegalMove("This organisation is retired.")
    except IntegrityError as error:
        raise InvalidInput(_TAKEN, code="organisation_taken") from error
    for field, value in values.items():
        setattr(organisation, field, value)
    record(Event.ORGANISATION_RENAMED, by=by, on=organisation, slug=organisation.slug)


@transaction.atomic(durable=True)
def retire_organisation(organisation: Organisation, *, by: User) -> None:
    """Let nobody be put into an organisation any more; whoever is in it stays, and so does what they decided."""
    require(by, Permission.PEOPLE_MANAGE)
    live = Organisation.objects.filter(pk=organisation.pk, retired_at__isnull=True)
    now = timezone.now()
    if live.update(retired_at=now, retired_by=by) != 1:
        raise IllegalMove("This organisation is retired already.")
    organisation.retired_at, organisation.retired_by = now, by
    record(Event.ORGANISATION_RETIRED, by=by, on=organisation, slug=organisation.slug)


@transaction.atomic(durable=True)
def set_organisation(user: User, organisation: Organisation | None, *, by: User) -> None:
    """Say which organisation a person belongs to, or None for none; never about oneself."""
    require(by, Permission.PEOPLE_MANAGE)
    if user.pk == by.pk:
        raise NotAllowed("Another administrator has to set your organisation.", code="self_grant")
    if organisation is not None:
        # Locked, so that it is not retired between this look and the write.
        organisation = Organisation.objects.select_for_update(no_key=True).get(pk=organisation.pk)
        if not organisation.is_active:
            raise IllegalMove("This organisation is retired; choose another one.")
    others = User.objects.filter(pk=user.pk).exclude(organisation=organisation)
    if others.update(organisation=organisation) != 1:
        raise IllegalMove(f"{user.name} is there already.")
    user.organisation = organisation
    record(Event.PERSON_PLACED, by=by, on=user, organisation=organisation.slug if organisation else None)
    where = f"to {organisation.name}" if organisation else "to no organisation"
    tell([user], Event.PERSON_PLACED, f"{by.name} set that you belong {where}.", "/account/")


def _clean(name: str, country: str, ror: str) -> dict[str, str]:
    """Return the values as they are kept, or raise InvalidInput."""
    name, country = " ".join(name.split()), country.strip().upper()
    ror = ror.strip().lower().rpartition("ror.org/")[2]
    if not name or len(name) > 160:
        raise InvalidInput("Give a name of at most 160 characters.", code="name_invalid")
    if country and not re.fullmatch("[A-Z]{2}", country):
        raise InvalidInput("Give the country as two letters, such as DE.", code="country_invalid")
    if ror and not _ROR.fullmatch(ror):
        raise InvalidInput("A ROR key looks like ror.org/05gq02987.", code="ror_invalid")
    return {"name": name, "country": country, "ror": ror}


def _free_slug(name: str) -> str:
    """Return an address made of `name` that nobody has; a number follows where it is taken."""
    base = slugify(name)[:44].strip("-") or "organisation"
    taken = set(Organisation.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    return next(
        slug for n in range(1, len(taken) + 2) if (slug := base if n == 1 else f"{base}-{n}") not in taken
    )
