"""A file on its way in: staged, checked and conformed in children, published with a mock and a budget."""

import gzip
import io
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from domains.audit.queries import events
from domains.catalog import actions as catalog
from domains.catalog import storage
from domains.catalog.lifecycle import DatasetStatus, VersionStatus
from domains.catalog.models import Dataset, DatasetVersion, MockOrigin
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.intake import actions, connecting, handlers, placing, queries, staging, upkeep
from domains.intake.lifecycle import UPLOAD, CheckStatus, UploadStatus
from domains.intake.models import ConnectionCheck, Upload
from domains.jobs import actions as jobs
from domains.jobs import sweeps
from domains.jobs.children import ChildFailed
from domains.jobs.models import Job
from domains.ledger import queries as books
from privacy.sealing import opened
from tests import make

pytestmark = pytest.mark.django_db
U = UploadStatus
CSV = b"patient,age,sex\n" + b"".join(
    b"p%d,%d,%s\n" % (i, 18 + i % 70, (b"f", b"m")[i % 2]) for i in range(60)
)
COLUMNS = [
    {"name": "age", "kind": "integer", "lower": "0", "upper": "120", "missing": ["-9"], "source": "codebook"},
    {"name": "sex", "kind": "category", "codes": ["f", "m"], "source": "codebook"},
]


@pytest.fixture
def alice():
    return make.person("alice")


@pytest.fixture
def version(alice):
    dataset = catalog.create_dataset(
        area=make.area(), population=make.population(), title="Ward", slug="ward", by=alice
    )
    return catalog.new_version(dataset, by=alice)


def declare(version, *, columns=COLUMNS, unit="patient", max_units=1000):
    alice = make.person("alice")
    catalog.declare(version, columns=columns, unit_column=unit, max_units=max_units, max_rows=2, by=alice)


def received(version, data=CSV, *, filename="ward.csv", format="csv", purpose="data"):
    return actions.receive(
        version, io.BytesIO(data), filename=filename, format=format, purpose=purpose, by=make.person("alice")
    )


def checked(version, data=CSV, **kwargs):
    upload = received(version, data, **kwargs)
    make.run_jobs()
    upload.refresh_from_db()
    return upload


def conformed(version, data=CSV, **kwargs):
    upload = checked(version, data, **kwargs)
    actions.conform(upload, by=make.person("alice"))
    make.run_jobs()
    upload.refresh_from_db()
    version.refresh_from_db()
    return upload


def publish(version, **changes):
    words = {"attested": True, "dataset_epsilon": Decimal(1), "population_epsilon": Decimal(2)} | changes
    actions.publish(version, by=make.person("alice"), **words)


def rows(path):
    kept = "COLUMNS(lambda name: NOT starts_with(name, '_row:'))"
    return duckdb.sql(f"SELECT {kept} FROM read_parquet('{path}') ORDER BY _row").fetchall()


def test_the_road_of_a_file(version, alice):
    upload = checked(version)
    assert upload.status == U.READY
    assert upload.findings == {
        "columns": [
            {"name": "patient", "kind": "text"},
            {"name": "age", "kind": "integer"},
            {"name": "sex", "kind": "text"},
        ],
        "rows": 60,
    }
    declare(version)
    actions.conform(upload, by=alice)
    make.run_jobs()
    upload.refresh_from_db()
    version.refresh_from_db()
    assert upload.status == U.CONFORMED
    assert upload.findings["made"]["units"] == 60
    publish(version)
    version.refresh_from_db()
    assert (version.status, version.dataset.status) == (VersionStatus.PUBLISHED, DatasetStatus.PUBLISHED)
    assert version.mock_origin == MockOrigin.GENERATED
    file = storage.path_of(version)
    plain = Path(opened(storage.ticket(version)))
    assert storage.digest(plain) == version.sha256 != storage.digest(file)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert sorted(row[0] for row in rows(plain)) == list(range(1, 61))
    assert books.dataset_balance(version.dataset).epsilon_limit <= 1
    assert books.population_balance(version.dataset.population) is not None


def test_findings_never_propose_a_bound_or_a_code_list(version):
    text = json.dumps(checked(version).findings)
    for hint in ("lower", "upper", "min", "max", "codes", "18", "87", '"f"'):
        assert hint not in text


def test_the_log_says_what_happened_and_nothing_of_what_is_in_the_file(version):
    declare(version)
    upload = conformed(version)
    publish(version)
    names = [row.event for row in events() if row.subject in (upload.pk, version.pk)]
    assert {"upload.received", "upload.checked", "upload.conformed", "version.published"} <= set(names)
    log = b"".join(bytes(row.body) for row in events())
    assert b"units" not in log
    assert version.sha256.encode() not in log  # hashes of private bytes stay inside


def test_a_published_file_is_stored_in_an_order_that_says_nothing(version):
    declare(version)
    conformed(version)
    order = [row[-1] for row in rows(opened(storage.ticket(version)))]
    names = [f"p{i}" for i in range(60)]
    assert sorted(order) == sorted(names)
    assert order != names


@pytest.mark.parametrize(("filename", "form"), [
    ("ward.zip", "csv"), ("ward.parquet", "csv"), ("ward.csv", "parquet"), ("ward", "csv"), ("a\nb.csv", "csv"),
])  # fmt: skip
def test_a_name_of_another_kind_is_refused_at_the_door(version, filename, form):
    with pytest.raises(InvalidInput) as caught:
        received(version, filename=filename, format=form)
    assert caught.value.code == "upload_format"
    assert not list(staging.path_of("x").parent.glob("*"))


@pytest.mark.parametrize("words", [{"format": "xls"}, {"purpose": "joke"}])
def test_a_kind_or_purpose_that_is_not_known_is_refused(version, words):
    with pytest.raises(InvalidInput):
        received(version, **words)


def test_a_path_in_a_name_is_dropped(version):
    assert received(version, filename="../../etc\\ward.csv").filename == "ward.csv"


def test_an_oversized_stream_is_refused_without_being_read_to_its_end(version, settings):
    settings.UPLOAD_MAX_MB = 1

    class Endless:
        pieces = 0

        def read(self, size=-1):
            self.pieces += 1
            return bytes(1 << 19)

    stream = Endless()
    with pytest.raises(InvalidInput) as caught:
        actions.receive(version, stream, filename="a.csv", format="csv", by=make.person("alice"))
    assert caught.value.code == "upload_too_large"
    assert "1 MB" in caught.value.message
    assert stream.pieces == 3
    assert not list(staging.path_of("x").parent.glob("*"))
    assert not Upload.objects.exists()


def test_an_empty_file_is_refused(version):
    with pytest.raises(InvalidInput) as caught:
        received(version, b"")
    assert caught.value.code == "upload_empty"


def test_staged_bytes_are_the_owners_process_alone(version):
    assert staging.path_of(received(version).pk).stat().st_mode & 0o777 == 0o600


def test_a_failure_to_record_leaves_no_bytes(version, monkeypatch):
    def full(*args, **kwargs):
        raise DatabaseError("disk full")

    monkeypatch.setattr(actions, "record", full)
    with pytest.raises(DatabaseError):
        received(version)
    assert not list(staging.path_of("x").parent.glob("*"))


BOMB = gzip.compress(b"a,b\n" + b"1,2\n" * 3_000_000)
REFUSED = [
    (b"a,b\n1,2,3\n", {}, "ragged_rows"),
    (b"a,A\n1,2\n", {}, "header_duplicate"),
    (b"a,b\n1,\xff\n", {}, "not_utf8"),
    (b"PK\x03\x04" + bytes(40), {}, "zip_refused"),
    (BOMB, {"filename": "a.csv.gz"}, "expands_too_far"),
    (b"PAR1" + bytes(40) + b"PAR1", {"filename": "a.parquet", "format": "parquet"}, "unreadable"),
]


@pytest.mark.parametrize(("data", "words", "code"), REFUSED, ids=[code for *_, code in REFUSED])
def test_what_cannot_be_used_is_refused_with_a_reason_and_its_bytes_are_deleted(
    version, settings, data, words, code
):
    settings.UPLOAD_MAX_EXPANDED_MB = 8
    upload = checked(version, data, **words)
    assert (upload.status, upload.status_code) == (U.REFUSED, code)
    assert queries.reason(upload).startswith(queries.REASONS[code])
    assert not staging.path_of(upload.pk).exists()


def test_a_file_that_breaks_its_reader_is_refused_and_the_node_goes_on(version, settings):
    settings.JOB_MEMORY_MB = 20
    wide = b",".join(b"c%d" % i for i in range(990)) + b"\n" + b",".join([b"1"] * 990) * 1 + b"\n"
    upload = checked(version, wide)
    assert upload.status == U.REFUSED
    assert upload.status_code in {"unreadable", "limits_exceeded"}


def test_bytes_that_changed_after_they_were_received_are_not_used(version):
    upload = received(version)
    staging.path_of(upload.pk).write_bytes(b"a,b\n1,2\n")
    make.run_jobs()
    upload.refresh_from_db()
    assert upload.status_code == "upload_changed"


def test_a_passing_failure_leaves_the_upload_to_another_attempt(version, monkeypatch):
    def away(*args, **kwargs):
        raise ChildFailed("no_fork_server", is_passing=True)

    upload = received(version)
    with monkeypatch.context() as patch:
        patch.setattr(handlers, "Child", away)
        make.run_jobs()
    assert Job.objects.get(subject=upload.pk).status == "queued"
    Job.objects.update(not_before=timezone.now())
    make.run_jobs()
    upload.refresh_from_db()
    assert upload.status == U.READY


def test_an_upload_whose_job_was_given_up_is_freed_by_the_sweep(version):
    upload = received(version)
    jobs.cancel(Job.objects.get(subject=upload.pk), code="lapsed")
    sweeps.run_all(timezone.now())
    upload.refresh_from_db()
    assert (upload.status, upload.status_code) == (U.REFUSED, "no_worker_finished")


def test_a_file_whose_making_was_given_up_can_be_made_again(version, alice):
    upload = checked(version)
    declare(version)
    actions.conform(upload, by=alice)
    jobs.cancel(Job.objects.filter(subject=upload.pk).latest("id"), code="lapsed")
    upkeep.sweep(timezone.now())
    upload.refresh_from_db()
    assert (upload.status, upload.status_code) == (U.READY, "no_worker_finished")
    actions.conform(upload, by=alice)
    make.run_jobs()
    upload.refresh_from_db()
    assert upload.status == U.CONFORMED


def test_a_test_of_a_connection_whose_job_was_given_up_says_so():
    check = make.connection_test()
    upkeep.sweep(timezone.now())
    check.refresh_from_db()
    assert check.status == CheckStatus.WAITING
    jobs.cancel(Job.objects.get(subject=check.pk), code="lapsed")
    upkeep.sweep(timezone.now())
    check.refresh_from_db()
    assert (check.status, check.status_code) == (CheckStatus.REFUSED, "no_worker_finished")


def test_a_test_of_a_connection_that_ended_already_is_not_done_again():
    check = make.connection_test()
    ConnectionCheck.objects.update(status=CheckStatus.PASSED)
    make.run_jobs()
    job = Job.objects.get(subject=check.pk)
    check.refresh_from_db()
    assert (job.status, job.status_code) == ("cancelled", "check_gone")
    assert (check.status, check.findings) == (CheckStatus.PASSED, {})


def test_a_test_of_a_connection_waits_out_a_passing_failure_and_is_refused_at_a_lasting_one(monkeypatch):
    failures = iter([ChildFailed("no_fork_server", is_passing=True), ChildFailed("computation_failed")])

    def failing(*args, **kwargs):
        raise next(failures)

    monkeypatch.setattr(placing, "Child", failing)
    monkeypatch.setattr(placing.vault, "address", lambda connection: {})
    check = make.connection_test()
    make.run_jobs()
    check.refresh_from_db()
    assert (Job.objects.get(subject=check.pk).status, check.status) == ("queued", CheckStatus.WAITING)
    Job.objects.update(not_before=timezone.now())
    make.run_jobs()
    check.refresh_from_db()
    assert (check.status, check.status_code) == (CheckStatus.REFUSED, "limits_exceeded")


def test_a_schema_declared_anew_while_a_table_was_looked_at_is_not_bound_to_it(version, alice, monkeypatch):
    make.connection_test("ward")
    declare(version)

    def looked(claim, connection):
        declare(version, max_units=7)
        return {"fingerprint": "0" * 64}

    check = connecting.place(version, connection="ward", relation="public.ward", by=alice)
    monkeypatch.setattr(placing, "_asked", looked)
    make.run_jobs()
    check.refresh_from_db()
    version.refresh_from_db()
    assert (check.status, check.status_code) == (CheckStatus.REFUSED, "schema_changed")
    assert not version.is_in_place


def test_the_sweep_leaves_what_a_worker_ended_meanwhile(version, monkeypatch):
    upload, check = received(version), make.connection_test()

    def ended_meanwhile(key):
        Upload.objects.filter(pk=key).update(status=U.READY)
        ConnectionCheck.objects.filter(pk=key).update(status=CheckStatus.PASSED)
        return True

    monkeypatch.setattr(upkeep.jobs, "is_given_up", ended_meanwhile)
    upkeep.sweep(timezone.now())
    upload.refresh_from_db()
    check.refresh_from_db()
    assert (upload.status, upload.status_code) == (U.READY, "")
    assert (check.status, check.status_code) == (CheckStatus.PASSED, "")


def test_stray_bytes_of_killed_processes_are_cleared(version, settings, monkeypatch):
    upload = received(version)
    stray = staging.path_of("01STRAY")
    stray.write_bytes(b"x")
    with storage.workplace() as folder:
        monkeypatch.setattr(upkeep, "STALE_SECONDS", -1)
        upkeep.sweep(timezone.now())
        assert not folder.exists()
    assert not stray.exists()
    assert staging.path_of(upload.pk).exists()


def test_a_schema_comes_first(version, alice):
    with pytest.raises(IllegalMove) as caught:
        actions.conform(checked(version), by=alice)
    assert caught.value.code == "schema_missing"


def test_a_declared_column_that_is_not_there_is_named_as_the_reason(version, alice):
    declare(version, columns=[*COLUMNS, {"name": "height", "kind": "integer"}])
    upload = conformed(version)
    assert (upload.status, upload.status_code) == (U.READY, "column_missing")
    assert version.sha256 == ""


def test_more_units_than_were_declared_are_refused(version):
    declare(version, max_units=59)
    assert conformed(version).status_code == "too_many_units"


def test_a_schema_declared_anew_while_the_file_was_made_does_not_get_the_old_file(
    version, alice, monkeypatch
):
    declare(version)
    upload = checked(version)
    actions.conform(upload, by=alice)
    made = handlers._made_data

    def slow(*args):
        result = made(*args)
        declare(version, columns=COLUMNS[:1])
        return result

    monkeypatch.setattr(handlers, "_made_data", slow)
    make.run_jobs()
    upload.refresh_from_db()
    version.refresh_from_db()
    assert (upload.status, upload.status_code, version.sha256) == (U.READY, "schema_changed", "")


def test_publishing_needs_the_owners_word_a_file_and_both_budgets(version, alice):
    declare(version)
    with pytest.raises(IllegalMove) as caught:
        publish(version)
    assert caught.value.code == "not_conformed"
    conformed(version)
    for words, code in (
        ({"attested": False}, "not_attested"),
        ({"attested": 1}, "not_attested"),
        ({"dataset_epsilon": None}, "dataset_epsilon_missing"),
        ({"population_epsilon": None}, "population_epsilon_missing"),
        ({"dataset_epsilon": Decimal(0)}, "epsilon_invalid"),
    ):
        with pytest.raises(InvalidInput) as refused:
            publish(DatasetVersion.objects.get(pk=version.pk), **words)
        assert refused.value.code == code
    version.refresh_from_db()
    assert version.status == VersionStatus.DRAFT


def test_a_second_version_leaves_the_first_as_it_was_and_asks_for_no_budget(version, alice):
    declare(version)
    conformed(version)
    publish(version)
    second = catalog.new_version(version.dataset, by=alice)
    conformed(second, CSV + b"p99,30,f\n")
    publish(second, dataset_epsilon=None, population_epsilon=None)
    version.refresh_from_db()
    assert version.status == second.status == VersionStatus.PUBLISHED
    assert storage.path_of(version) != storage.path_of(second)
    assert storage.path_of(version).exists()


def test_a_frozen_dataset_publishes_nothing(version, alice):
    declare(version)
    conformed(version)
    Dataset.objects.filter(pk=version.dataset_id).update(status=DatasetStatus.FROZEN)
    with pytest.raises(IllegalMove) as caught:
        publish(DatasetVersion.objects.get(pk=version.pk))
    assert caught.value.code == "dataset_stopped"


def test_staged_bytes_go_when_the_version_is_published(version, django_capture_on_commit_callbacks):
    declare(version)
    upload = conformed(version)
    with django_capture_on_commit_callbacks(execute=True):
        publish(version)
    assert not staging.path_of(upload.pk).exists()


@pytest.mark.parametrize("sql", [
    "UPDATE catalog_datasetversion SET sha256 = 'x'", "UPDATE catalog_datasetversion SET max_units = 5",
    "UPDATE catalog_datasetversion SET status = 'draft'", "DELETE FROM catalog_datasetversion",
    "UPDATE catalog_column SET upper = 9999", "DELETE FROM catalog_column",
    "INSERT INTO catalog_column SELECT 'new', created_at, 9, 'x', kind, '', NULL, NULL, 1, codes, missing, nullable,"
    " source, version_id FROM catalog_column LIMIT 1",
])  # fmt: skip
def test_the_database_keeps_a_published_version_as_it_is(version, sql):
    declare(version)
    conformed(version)
    publish(version)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def test_a_published_version_takes_no_file(version, alice):
    declare(version)
    upload = conformed(version)
    publish(version)
    for act in (lambda: received(version), lambda: actions.conform(upload, by=alice)):
        with pytest.raises(IllegalMove) as caught:
            act()
        assert caught.value.code == "version_published"


def test_discarding_deletes_bytes_and_what_was_made_of_them(
    version, alice, django_capture_on_commit_callbacks
):
    declare(version)
    upload = conformed(version)
    made = storage.path_of(version)
    with django_capture_on_commit_callbacks(execute=True):
        actions.discard(upload, by=alice)
    version.refresh_from_db()
    assert (version.sha256, version.mock_sha256) == ("", "")
    assert not made.exists()
    assert not staging.path_of(upload.pk).exists()
    with pytest.raises(NotFound):
        storage.path_of(version)
    with pytest.raises(NotFound):
        storage.mock_path(version)


def test_discarding_after_publication_leaves_the_published_file(
    version, alice, django_capture_on_commit_callbacks
):
    declare(version)
    upload = conformed(version)
    publish(version)
    with django_capture_on_commit_callbacks(execute=True):
        actions.discard(upload, by=alice)
    assert storage.path_of(version).exists()


def uploaded_mock(version, data):
    return conformed(version, data, filename="mock.csv", purpose="mock")


MOCK = b"patient,age,sex\nm1,50,f\nm2,51,m\n"


def test_an_uploaded_mock_needs_a_second_person(version, alice, django_capture_on_commit_callbacks):
    declare(version)
    conformed(version)
    upload = uploaded_mock(version, MOCK)
    assert (upload.status, version.mock_origin) == (U.CONFORMED, MockOrigin.UPLOADED)
    assert b"_row" not in storage.mock_csv_path(version).read_bytes()
    with pytest.raises(IllegalMove) as caught:
        publish(version)
    assert caught.value.code == "mock_not_approved"
    catalog.approve_mock(version, by=make.person("rita"))
    publish(DatasetVersion.objects.get(pk=version.pk))


def test_a_discarded_mock_leaves_the_data(version, alice):
    declare(version)
    conformed(version)
    actions.discard(uploaded_mock(version, MOCK), by=alice)
    version.refresh_from_db()
    assert version.mock_sha256 == ""
    assert version.sha256 != ""
    with pytest.raises(IllegalMove) as caught:
        publish(version)
    assert caught.value.code == "no_mock"


def test_a_mock_with_identifiers_of_the_data_is_refused(version):
    declare(version)
    conformed(version)
    upload = uploaded_mock(version, b"patient,age,sex\np7,50,f\n")
    assert (upload.status, upload.status_code) == (U.READY, "mock_shares_units")
    assert version.mock_origin == MockOrigin.GENERATED


def test_a_mock_before_the_data_cannot_be_compared_and_is_refused(version, alice):
    declare(version)
    with pytest.raises(IllegalMove) as caught:
        actions.conform(checked(version, MOCK, purpose="mock"), by=alice)
    assert caught.value.code == "data_first"


@pytest.mark.parametrize("name", ["sam", "charlie", "rita", "ada", "theo"])
def test_only_owners_bring_files_and_see_what_was_found(version, name):
    stranger = make.person(name)
    upload = checked(version)
    acts = (
        lambda: actions.receive(version, io.BytesIO(CSV), filename="a.csv", format="csv", by=stranger),
        lambda: actions.conform(upload, by=stranger),
        lambda: actions.discard(upload, by=stranger),
        lambda: actions.publish(version, attested=True, by=stranger),
        lambda: queries.uploads(version, user=stranger),
        lambda: queries.upload(upload.pk, user=stranger),
    )
    for act in acts:
        with pytest.raises((NotAllowed, NotFound)):
            act()


def test_an_owner_sees_their_uploads(version, alice):
    upload = checked(version)
    assert list(queries.uploads(version, user=alice)) == [upload]
    assert queries.upload(upload.pk, user=alice).findings["rows"] == 60
    assert queries.reason(upload) == ""
    with pytest.raises(NotFound):
        queries.upload("01NONE", user=alice)


def test_a_job_for_an_upload_that_is_gone_ends_quietly(version, alice):
    declare(version)
    upload = checked(version)
    actions.conform(upload, by=alice)
    Upload.objects.update(status=U.DISCARDED)
    make.run_jobs()
    assert Job.objects.order_by("-id").first().status_code == "upload_gone"
    another = received(version)
    Upload.objects.filter(pk=another.pk).update(status=U.DISCARDED)
    make.run_jobs()
    assert Job.objects.get(subject=another.pk).status_code == "upload_gone"


def test_every_refusal_has_words():
    assert all(text.endswith(".") for text in queries.REASONS.values())
    assert set(UPLOAD) == set(U)
    assert timedelta(seconds=upkeep.STALE_SECONDS) > timedelta(seconds=actions.CONFORM_SECONDS)
