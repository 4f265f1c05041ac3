"""What people ask about connections: a test, and that a draft version's rows stay in a table behind one."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.catalog import connections
from domains.catalog.connection import Connection
from domains.catalog.lifecycle import VersionStatus
from domains.catalog.models import DatasetVersion
from domains.catalog.versions import schema_sha256
from domains.errors import IllegalMove, InvalidInput
from domains.intake.lifecycle import CheckStatus
from domains.intake.models import ConnectionCheck
from domains.jobs import actions as jobs
from domains.jobs.models import JobKind
from domains.people.models import User
from domains.people.permissions import Permission, require
from privacy.engines.address import ConnectionFault, Relation

CHECK_SECONDS = 20

# Why a connection cannot be used, and what to do about it.
REASONS = {
    "column_missing": "The table lacks a declared column. Names are matched exactly.",
    "column_type": "A column's type does not fit what is declared of it.",
    "connection_failed": "The server refused the session for a reason that it does not name; look at its log.",
    "connection_refused": "Nothing answers at this host and port: is the server running, and within reach?",
    "connection_retired": "The connection was retired.",
    "connection_timed_out": "The server did not answer in time. A firewall may be in the way.",
    "database_missing": "There is no database of this name on the server.",
    "database_refused": "The role may not connect to this database: GRANT CONNECT.",
    "engine_absent": "This node's worker lacks the client of this engine: install the extra that is called as it is.",
    "encoding_refused": "The database keeps its texts in another encoding than UTF-8, which cannot be read safely.",
    "host_refused": "The server takes no session of this role from this machine: see its pg_hba.conf.",
    "host_unknown": "No machine of this name is known. Check the spelling.",
    "limits_exceeded": "Testing it took more memory or time than is allowed.",
    "no_worker_finished": "No worker could finish with it; try again.",
    "not_readable": "The role may not read the table or its declared columns: GRANT USAGE on the schema and SELECT.",
    "relation_changed": "It is not the table any more that was published; publish a new version.",
    "relation_kind": "Only tables and materialised views without row policies are taken.",
    "relation_missing": "There is no such table. Write schema.table, upper and lower case as they are.",
    "role_can_write": "The role can write. Give this node one that can only read, so that no mistake can change data.",
    "role_is_superuser": "The role is a superuser, or makes roles or reads files; give this node one that reads only.",
    "schema_changed": "The schema was declared anew meanwhile; choose the table again.",
    "scram_missing": "The server did not ask for the password by SCRAM-SHA-256, and it is sent in no other way.",
    "secret_missing": "No password was found: put it into a file of the connection's name where the worker reads.",
    "server_busy": "The server takes no more sessions now; try again.",
    "tls_refused": "No encrypted session came about under this TLS mode: none offered, or its certificate not trusted.",
    "wrong_password": "The server knows no such role with this password.",
}


def reason(check: ConnectionCheck) -> str:
    """Return why a test failed, in words, with the names that it is about; empty if all is well."""
    if not check.status_code:
        return ""
    text = REASONS.get(check.status_code, REASONS["connection_failed"])
    where = ", ".join(check.findings.get("where", []))
    return f"{text} ({where})" if where else text


@transaction.atomic(durable=True)
def check_connection(connection: Connection, *, by: User) -> ConnectionCheck:
    """Ask a worker to reach the database and to see what the role may do there."""
    require(by, Permission.CONNECTION_MANAGE, on=connection)
    _require_active(connection)
    return _ask(connection, None, "", {}, by=by)


@transaction.atomic(durable=True)
def place(version: DatasetVersion, *, connection: str, relation: str, by: User) -> ConnectionCheck:
    """Ask that a draft version's rows stay in a table, given as `schema.table`, behind one of its area's connections.

    A worker compares the table's columns with the declared schema and, if they fit, binds the version to it.
    """
    require(by, Permission.DATASET_EDIT, on=version)
    if version.status != VersionStatus.DRAFT:
        raise IllegalMove("A published version is immutable; start a new version.", code="version_published")
    if not version.columns.exists():
        raise IllegalMove("Declare the schema first; then choose the table.", code="schema_missing")
    found = connections.usable(version.dataset.area).filter(name=connection).first()
    if found is None:
        raise InvalidInput("This research area has no such connection.", code="connection_unknown")
    try:
        where = Relation.parse(relation)
    except ConnectionFault:
        raise InvalidInput("Write the table as schema.table.", code="relation_invalid") from None
    table = version.table()
    if table.others:
        raise IllegalMove("A version in place has one table.", code="in_place_alone")
    spec = {"relation": str(where), "table": table.to_dict(), "schema_sha256": schema_sha256(table)}
    return _ask(found, version, str(where), spec, by=by)


def _require_active(connection: Connection) -> None:
    if connection.is_retired:
        raise IllegalMove("A retired connection is not used any more.", code="connection_retired")


def _ask(
    connection: Connection, version: DatasetVersion | None, relation: str, spec: dict[str, Any], *, by: User
) -> ConnectionCheck:
    check = ConnectionCheck.objects.create(
        connection=connection, version=version, relation=relation, created_by=by
    )
    jobs.queue(
        JobKind.CONNECTION,
        subject=check.pk,
        spec={"connection": connection.pk, **spec},
        planned_seconds=CHECK_SECONDS,
        queue="default",
    )
    record(
        Event.CONNECTION_TEST_ASKED,
        by=by,
        on=check,
        connection=connection.pk,
        version=version.pk if version else None,
        relation=relation,
    )
    return check


def checks(connection: Connection, *, user: User) -> QuerySet[ConnectionCheck]:
    """Return a connection's tests, newest first, for those who manage it."""
    require(user, Permission.CONNECTION_MANAGE, on=connection)
    return ConnectionCheck.objects.filter(connection=connection).select_related(
        "version__dataset", "created_by"
    )


def placings(version: DatasetVersion, *, user: User) -> QuerySet[ConnectionCheck]:
    """Return the tests of tables for a draft version, newest first, for those who may edit it."""
    require(user, Permission.DATASET_EDIT, on=version)
    return ConnectionCheck.objects.filter(version=version).select_related("connection", "created_by")


def is_waiting(check: ConnectionCheck) -> bool:
    """Say whether a worker still has it."""
    return check.status == CheckStatus.WAITING
