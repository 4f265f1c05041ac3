"""What an owner does with a file on its way to becoming a published version."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.base import move, new_id
from domains.catalog import storage
from domains.catalog.lifecycle import DatasetStatus, VersionStatus
from domains.catalog.models import DatasetVersion, MockOrigin, VersionTable
from domains.catalog.tables import locked_draft
from domains.catalog.versions import schema_sha256
from domains.errors import IllegalMove, InvalidInput
from domains.intake import staging, tables
from domains.intake.lifecycle import UploadStatus
from domains.intake.models import Upload, UploadFormat, UploadPurpose
from domains.jobs import actions as jobs
from domains.jobs.models import JobKind
from domains.ledger import accounts
from domains.ledger import queries as books
from domains.node.queries import require_running
from domains.people.models import User
from domains.people.permissions import Permission, require

CHECK_SECONDS = 300
CONFORM_SECONDS = 900


def receive(
    version: DatasetVersion,
    file: staging.Readable,
    *,
    filename: str,
    format: str,
    by: User,
    purpose: str = UploadPurpose.DATA,
    table: str = "",
) -> Upload:
    """Take in a file for a draft version, for its main table or the further one named, and queue its check.

    The bytes are streamed to the staging folder before the transaction begins, so that a slow sender holds no
    lock. Raises InvalidInput for a file that is too large, empty, or of a kind that is not taken.
    """
    require(by, Permission.DATASET_EDIT, on=version)
    _require_draft(version)
    if format not in UploadFormat.values or purpose not in UploadPurpose.values:
        raise InvalidInput("Say whether the file is csv or parquet, and data or mock.", code="upload_format")
    if table:
        tables.find(version, table)
        if purpose != UploadPurpose.DATA:
            raise InvalidInput(
                "A mock is uploaded for the main table alone; the others' are made.", code="upload_table"
            )
    upload = Upload(
        pk=new_id(),
        version=version,
        purpose=purpose,
        table=table,
        format=format,
        filename=staging.clean_name(filename, format),
        created_by=by,
    )
    received = staging.receive(upload.pk, file)
    upload.size, upload.sha256 = received.size, received.sha256
    try:
        _take_in(upload, by=by)
    except BaseException:
        staging.delete(upload.pk)
        raise
    return upload


@transaction.atomic(durable=True)
def _take_in(upload: Upload, *, by: User) -> None:
    upload.save(force_insert=True)
    spec = {"sha256": upload.sha256}
    jobs.queue(JobKind.PROFILE, subject=upload.pk, spec=spec, planned_seconds=CHECK_SECONDS, queue="default")
    record(
        Event.UPLOAD_RECEIVED,
        by=by,
        on=upload,
        version=upload.version_id,
        purpose=upload.purpose,
        table=upload.table,
    )


def _require_draft(version: DatasetVersion) -> None:
    if version.status != VersionStatus.DRAFT:
        raise IllegalMove("A published version is immutable; start a new version.", code="version_published")


@transaction.atomic(durable=True)
def conform(upload: Upload, *, by: User) -> None:
    """Ask for the version's file to be made from a checked upload under the schema as it is declared now."""
    version = upload.version
    require(by, Permission.DATASET_EDIT, on=version)
    _require_draft(version)
    table, unit = tables.declared(version, upload.table)
    if upload.purpose == UploadPurpose.MOCK and not version.sha256:
        raise IllegalMove(
            "Make the data's file first: a mock is compared with it before anybody sees it.",
            code="data_first",
        )
    if upload.purpose == UploadPurpose.MOCK and version.is_in_place:
        raise IllegalMove(
            "The mock of data in place is always made from the schema: rows that stay there cannot be compared.",
            code="in_place",
        )
    move(upload, UploadStatus.CONFORMING, status_code="")
    jobs.queue(
        JobKind.CONFORM,
        subject=upload.pk,
        spec={
            "sha256": upload.sha256,
            "schema_sha256": schema_sha256(table),
            "table": table.to_dict(),
            "unit": unit,
        },
        planned_seconds=CONFORM_SECONDS,
        queue="default",
    )
    record(Event.UPLOAD_CONFORM_ASKED, by=by, on=upload, version=version.pk, schema=schema_sha256(table))


@transaction.atomic(durable=True)
def discard(upload: Upload, *, by: User) -> None:
    """Delete an upload's bytes, and what was made of them unless a version holds it."""
    require(by, Permission.DATASET_EDIT, on=upload.version)
    move(upload, UploadStatus.DISCARDED)
    version = DatasetVersion.objects.select_for_update().get(pk=upload.version_id)
    if version.status == VersionStatus.DRAFT and upload.made_sha256:
        tables.let_go(version, upload)
    record(Event.UPLOAD_DISCARDED, by=by, on=upload, version=upload.version_id)
    transaction.on_commit(lambda: _delete(upload))


def _delete(upload: Upload) -> None:
    staging.delete(upload.pk)
    if upload.made_sha256:
        storage.remove(upload.made_sha256)


@transaction.atomic(durable=True)
def remove_table(table: VersionTable, *, by: User) -> None:
    """Take a further table out of a draft version, and delete the bytes that were sent for it."""
    version = table.version
    require(by, Permission.DATASET_EDIT, on=version)
    locked_draft(version)
    sent = Upload.objects.filter(version=version, table=table.name).exclude(status=UploadStatus.DISCARDED)
    for upload in sent.select_related("version"):
        if upload.status in (UploadStatus.CHECKING, UploadStatus.CONFORMING):
            raise IllegalMove("A worker is reading this table's file; try again soon.", code="upload_busy")
        move(upload, UploadStatus.DISCARDED)
        transaction.on_commit(partial(_delete, upload))
    made = table.sha256
    table.delete()
    if made:
        transaction.on_commit(partial(storage.remove, made))
    record(Event.TABLE_REMOVED, by=by, on=version, table=table.name)


@transaction.atomic(durable=True)
def publish(
    version: DatasetVersion,
    *,
    attested: bool,
    by: User,
    dataset_epsilon: Decimal | None = None,
    dataset_pure_epsilon: Decimal = accounts.NONE,
    population_epsilon: Decimal | None = None,
    population_pure_epsilon: Decimal = accounts.NONE,
) -> None:
    """Publish a version whose file and mock are made; from here on it never changes.

    `attested` is the owner's word that bounds, codes and sizes come from public knowledge and not from the rows.
    The first version of a dataset opens its account with `dataset_epsilon`, and the population's account with
    `population_epsilon` unless another dataset of the same people opened it. Each may hold a pure ε beside it, which
    answers with Laplace noise are paid in; without one, none are.
    """
    require(by, Permission.DATASET_PUBLISH, on=version)
    require_running()
    # Another transaction that declares or conforms waits for this row, or is seen here.
    version.refresh_from_db(from_queryset=DatasetVersion.objects.select_for_update())
    _require_publishable(version, attested)
    dataset = version.dataset
    now = timezone.now()
    signed = {"attested_at": now, "attested_by": by, "published_at": now, "published_by": by}
    move(version, VersionStatus.PUBLISHED, **signed)
    if dataset.status == DatasetStatus.DRAFT:
        move(dataset, DatasetStatus.PUBLISHED)
    shared = population_epsilon, population_pure_epsilon
    _open_accounts(version, (dataset_epsilon, dataset_pure_epsilon), shared, by=by)
    place: dict[str, Any] = {"in_place": version.sha256} if version.is_in_place else {}
    record(
        Event.VERSION_PUBLISHED,
        by=by,
        on=version,
        dataset=dataset.pk,
        number=version.number,
        schema=schema_sha256(version.table()),
        mock=version.mock_sha256,
        mock_origin=version.mock_origin,
        attested=True,
        **place,
    )
    for staged in Upload.objects.filter(version=version).values_list("pk", flat=True):
        transaction.on_commit(partial(staging.delete, staged))


def _require_publishable(version: DatasetVersion, attested: bool) -> None:
    """Refuse a version that is not a draft, not attested, not made, or whose mock nobody else has seen."""
    _require_draft(version)
    if version.dataset.status in (DatasetStatus.FROZEN, DatasetStatus.WITHDRAWN):
        raise IllegalMove("A frozen or withdrawn dataset publishes nothing.", code="dataset_stopped")
    if attested is not True:
        raise InvalidInput(
            "Attest that bounds, code lists and sizes come from public knowledge, not from these rows.",
            code="not_attested",
        )
    if not version.sha256:
        raise IllegalMove("Upload a file and make it under the declared schema first.", code="not_conformed")
    if not version.mock_sha256:
        raise IllegalMove("The mock is not there yet.", code="no_mock")
    tables.require_made(version)
    if version.mock_origin == MockOrigin.UPLOADED:
        uploader = Upload.objects.filter(
            version=version, purpose=UploadPurpose.MOCK, made_sha256=version.mock_sha256
        )
        if (
            version.mock_approved_by_id is None
            or uploader.filter(created_by=version.mock_approved_by_id).exists()
        ):
            raise IllegalMove(
                "An uploaded mock is published only after a second person approved it.",
                code="mock_not_approved",
            )


_Caps = tuple[Decimal | None, Decimal]  # ε and pure ε


def _open_accounts(version: DatasetVersion, dataset_caps: _Caps, population_caps: _Caps, *, by: User) -> None:
    """Open the accounts that a first publication needs; on later ones ε is not asked, and changes nothing."""
    dataset = version.dataset
    (dataset_epsilon, dataset_pure), (population_epsilon, population_pure) = dataset_caps, population_caps
    if books.population_balance(dataset.population) is None:
        if population_epsilon is None:
            raise InvalidInput(
                "Give the ε that all datasets about these people share.", code="population_epsilon_missing"
            )
        accounts.open_population(
            dataset.population, epsilon=population_epsilon, pure_epsilon=population_pure, by=by
        )
    if books.dataset_balance(dataset) is None:
        if dataset_epsilon is None:
            raise InvalidInput(
                "Give the ε that this dataset may spend in all.", code="dataset_epsilon_missing"
            )
        accounts.open_dataset(dataset, epsilon=dataset_epsilon, pure_epsilon=dataset_pure, by=by)
