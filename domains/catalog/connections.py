"""What people do with connections to databases: add, edit, retire. None of it sees or moves a password."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.catalog.areas import clean_slug
from domains.catalog.connection import Connection, EngineName
from domains.catalog.lifecycle import VersionStatus
from domains.catalog.models import DatasetVersion, ResearchArea
from domains.errors import IllegalMove, InvalidInput, NotFound
from domains.people.models import User
from domains.people.permissions import Permission, Role, allows, require
from domains.words import once
from privacy.engines.address import Address, ConnectionFault

_FIELDS = ("host", "port", "database", "role", "tls")


@transaction.atomic(durable=True)
def add_connection(  # noqa: PLR0913 - a connection's whole address, by keyword
    *,
    area: ResearchArea,
    name: str,
    host: str,
    database: str,
    role: str,
    by: User,
    port: int = 5432,
    tls: str = "verify-full",
    engine: str = EngineName.POSTGRESQL,
) -> Connection:
    """Describe a database of an area; its password is put beside the worker under the same name."""
    require(by, Permission.CONNECTION_MANAGE, on=area)
    if engine not in EngineName.values:
        raise InvalidInput(f"Choose an engine from {', '.join(EngineName.values)}.", code="engine_unknown")
    fields = _address(host=host, port=port, database=database, role=role, tls=tls)
    name = clean_slug(name)
    with once("Another connection has this name; choose a different one."):
        made = Connection.objects.create(area=area, name=name, engine=engine, created_by=by, **fields)
    record(Event.CONNECTION_ADDED, by=by, on=made, name=name, engine=engine, area=area.pk, **fields)
    return made


def _address(**fields: Any) -> dict[str, Any]:
    """Return the address as it is kept, or raise InvalidInput."""
    fields = {key: value.strip() if isinstance(value, str) else value for key, value in fields.items()}
    try:
        Address(**fields)
    except ConnectionFault:
        raise InvalidInput(
            "Give one host without a scheme, a port, and a database and role without blanks, dots or quotes.",
            code="address_invalid",
        ) from None
    return fields


@transaction.atomic(durable=True)
def edit_connection(
    connection: Connection, *, host: str, port: int, database: str, role: str, tls: str, by: User
) -> None:
    """Change where a connection leads; what is published over it must still be the same table there.

    A worker compares the table's fingerprint before every answer, so a different database is noticed at once.
    """
    require(by, Permission.CONNECTION_MANAGE, on=connection)
    fields = _address(host=host, port=port, database=database, role=role, tls=tls)
    if Connection.objects.filter(pk=connection.pk, retired_at=None).update(**fields) != 1:
        raise IllegalMove("A retired connection is not edited any more.", code="connection_retired")
    before = {key: getattr(connection, key) for key in _FIELDS if getattr(connection, key) != fields[key]}
    for key, value in fields.items():
        setattr(connection, key, value)
    record(Event.CONNECTION_EDITED, by=by, on=connection, before=before, **fields)


@transaction.atomic(durable=True)
def retire_connection(connection: Connection, *, by: User) -> None:
    """Stop using a connection for good: no version is bound to it any more, and what is runs no more."""
    require(by, Permission.CONNECTION_MANAGE, on=connection)
    now = timezone.now()
    if (
        Connection.objects.filter(pk=connection.pk, retired_at=None).update(retired_at=now, retired_by=by)
        != 1
    ):
        raise IllegalMove("This connection is retired already.", code="connection_retired")
    connection.retired_at, connection.retired_by = now, by
    record(Event.CONNECTION_RETIRED, by=by, on=connection)


def connections(user: User) -> QuerySet[Connection]:
    """Return the connections that `user` may manage, by name, or raise NotAllowed; an owner may have none."""
    rows = Connection.objects.select_related("area", "created_by").prefetch_related("area__seats")
    if not allows(user, Permission.CONNECTION_MANAGE):
        owned = [area.pk for area in _areas(user)]
        if Role.OWNER not in user.node_roles:
            require(user, Permission.CONNECTION_MANAGE)
        rows = rows.filter(area__in=owned)
    return rows.order_by("name")


def _areas(user: User) -> list[ResearchArea]:
    seated = ResearchArea.objects.filter(
        seats__user=user, seats__role=Role.AREA_OWNER, seats__ended_at=None
    ).prefetch_related("seats")
    return [area for area in seated if allows(user, Permission.CONNECTION_MANAGE, on=area)]


def connection(name: str, user: User) -> Connection:
    """Return one connection that `user` may manage, or raise NotFound."""
    rows = Connection.objects.select_related("area", "created_by").prefetch_related("area__seats")
    found = rows.filter(name=name).first()
    if found is None or not allows(user, Permission.CONNECTION_MANAGE, on=found):
        raise NotFound("There is no such connection that you can see.")
    return found


def areas_for_connections(user: User) -> list[ResearchArea]:
    """Return the areas to which `user` may add a connection."""
    if allows(user, Permission.CONNECTION_MANAGE):
        return list(ResearchArea.objects.order_by("name"))
    return sorted(_areas(user), key=lambda area: area.name)


def usable(area: ResearchArea) -> QuerySet[Connection]:
    """Return the connections that datasets of an area may be bound to."""
    return Connection.objects.filter(area=area, retired_at=None).order_by("name")


def versions_over(connection: Connection) -> QuerySet[DatasetVersion]:
    """Return the published versions whose data lie behind a connection."""
    rows = DatasetVersion.objects.filter(connection=connection, status=VersionStatus.PUBLISHED)
    return rows.select_related("dataset").order_by("dataset__title", "number")
