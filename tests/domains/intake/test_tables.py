"""A dataset of several tables: each has its own file and mock, and is as immutable as the main one."""

import io
from decimal import Decimal
from functools import partial
from pathlib import Path

import duckdb
import pytest
from django.db import DatabaseError, connection, transaction

from domains.catalog import actions as catalog
from domains.catalog import storage
from domains.catalog.models import DatasetVersion, VersionTable
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.intake import actions, queries, staging
from domains.intake.lifecycle import UploadStatus
from domains.intake.models import Upload
from privacy.sealing import opened
from tests import hospital, make

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return make.person("alice")


@pytest.fixture
def version():
    return hospital.described()


def rows(path, what="*", rest=""):
    return duckdb.sql(f"SELECT {what} FROM read_parquet('{path}') {rest}").fetchall()


def publish(version):
    actions.publish(
        DatasetVersion.objects.get(pk=version.pk),
        attested=True,
        dataset_epsilon=Decimal(1),
        population_epsilon=Decimal(1),
        by=make.person("alice"),
    )


def test_the_road_of_three_tables():
    dataset = hospital.dataset(rows=60)
    version = dataset.current
    table = version.table()
    assert [each.name for each in table.tables] == ["hospital", "visits", "groups"]
    assert [(each.is_public, each.key, each.unit.column) for each in table.others] == [
        (False, None, "sno"),
        (True, "dzgroup", None),
    ]
    paths = storage.paths_of(version)
    assert list(paths) == ["hospital", "visits", "groups"]
    hashes = {"hospital": version.sha256} | {each.name: each.sha256 for each in version.tables.all()}
    plain = {name: Path(path) for name, path in opened(storage.tickets(version)).items()}
    assert {name: storage.digest(path) for name, path in plain.items()} == hashes
    assert {path.stat().st_mode & 0o777 for path in paths.values()} == {0o600}
    expected = hospital.visits_csv(60).count(b"\n") - 1
    assert rows(plain["visits"], "count(*), count(day), count(DISTINCT sno)") == [(expected, expected, 60)]
    assert rows(plain["groups"], "dzgroup, class_name", "ORDER BY _row") == sorted(hospital.CLASSES.items())


def test_one_hash_covers_every_tables_content():
    version = hospital.draft(rows=40)
    before = version.content_sha256
    hospital.send(version, hospital.visits_csv(39), "visits")
    after = DatasetVersion.objects.get(pk=version.pk)
    assert after.sha256 == version.sha256
    assert after.content_sha256 != before


def test_mocks_know_their_units_alike_and_join():
    made = hospital.draft("ward", rows=40)
    paths = storage.mock_paths_of(made)
    joined = (
        f"SELECT count(*), count(g.class_name) FROM read_parquet('{paths['ward']}') p"
        f" JOIN read_parquet('{paths['visits']}') v USING (sno)"
        f" LEFT JOIN read_parquet('{paths['groups']}') g USING (dzgroup)"
    )
    [(pairs, classed)] = duckdb.sql(joined).fetchall()
    assert pairs > 500
    assert classed > 0.9 * pairs  # the rest has no group: the column may be missing
    outside = "NOT (day BETWEEN DATE '1989-06-12' AND DATE '1990-06-11')"
    assert rows(paths["visits"], f"count_if({outside})") == [(0,)]


def test_a_public_table_is_its_own_mock_and_a_private_one_never():
    version = hospital.draft(rows=40)
    paths, mocks = opened(storage.tickets(version)), storage.mock_paths_of(version)
    assert rows(mocks["groups"], "* EXCLUDE (_row)") == rows(paths["groups"], "* EXCLUDE (_row)")
    assert mocks["groups"].stat().st_mode & 0o777 == 0o644
    real = {row[0] for row in rows(paths["visits"], "sno")}
    assert real.isdisjoint(row[0] for row in rows(mocks["visits"], "sno"))


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (b"CHF,Coma\r\n", "key_repeated", "Repeated values of dzgroup: 1, such as CHF."),
        (b",Coma\r\n", "key_missing", "Rows without dzgroup: 1."),
        (b"Gout,Coma\r\n", "key_missing", "Rows without dzgroup: 1."),
    ],
)
def test_a_public_tables_key_names_every_row_once(version, line, code, words):
    upload = hospital.send(version, hospital.groups_csv() + line, "groups")
    assert (upload.status, upload.status_code) == (UploadStatus.READY, code)
    assert queries.reason(upload).endswith(words)
    assert VersionTable.objects.get(version=version, name="groups").sha256 == ""


def test_a_public_table_keeps_to_its_declared_size(version, alice):
    groups = version.tables.get(name="groups")
    catalog.declare_table(groups, **hospital.GROUPS | {"max_units": 7}, by=alice)
    assert hospital.send(version, hospital.groups_csv(), "groups").status_code == "too_many_rows"


def test_what_is_refused_of_a_private_table_counts_and_quotes_nothing(version, alice):
    visits = version.tables.get(name="visits")
    catalog.declare_table(visits, **hospital.VISITS | {"max_units": 9}, by=alice)
    upload = hospital.send(version, hospital.visits_csv(20), "visits")
    assert upload.status_code == "too_many_units"
    assert not any(sign.isdigit() for sign in queries.reason(upload))
    assert upload.findings["made"] == {}


def test_every_table_needs_its_file_before_publication(version):
    hospital.send(version, make.support2_csv(20))
    hospital.send(version, hospital.visits_csv(20), "visits")
    with pytest.raises(IllegalMove) as refused:
        publish(version)
    assert refused.value.code == "not_conformed"
    assert "groups" in refused.value.message
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:  # and without us
        cursor.execute(
            "UPDATE catalog_datasetversion SET status = 'published', attested_at = created_at,"
            " published_at = created_at, attested_by_id = 'x', published_by_id = 'x'"
        )


def test_a_name_that_sql_could_not_say_is_refused(version, alice):
    for name in ("", "Visits", "1st", "a-b", "a b", "x" * 64, "hospital", "visits;", 7):
        with pytest.raises(InvalidInput) as refused:
            catalog.add_table(version, name=name, by=alice)
        assert refused.value.code == "table_name_invalid"


def test_two_tables_of_one_name_and_too_many_are_refused(version, alice, monkeypatch):
    with pytest.raises(InvalidInput) as refused:
        catalog.add_table(version, name="visits", by=alice)
    assert refused.value.code == "table_exists"
    monkeypatch.setattr("domains.catalog.tables.MOST_TABLES", 2)
    with pytest.raises(InvalidInput) as refused:
        catalog.add_table(version, name="wards", by=alice)
    assert refused.value.code == "too_many_tables"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("visits", {"unit_column": None, "max_groups": 1, "max_rows": 1}),
        ("visits", {"key": "measure"}),
        ("visits", {"columns": [*hospital.VISITS["columns"], {"name": "sno", "kind": "integer"}]}),
        ("visits", {"columns": []}),
        ("visits", {"declared_rows": 0}),
        ("groups", {"key": None}),
        ("groups", {"key": "code"}),
        ("groups", {"unit_column": "dzgroup"}),
        ("groups", {"max_rows": 2}),
    ],
)
def test_a_table_that_does_not_fit_is_refused_and_the_old_one_stays(version, alice, name, changes):
    table = version.tables.get(name=name)
    before = table.value()
    words = (hospital.VISITS if name == "visits" else hospital.GROUPS) | changes
    with pytest.raises(InvalidInput) as refused:
        catalog.declare_table(table, **words, by=alice)
    assert refused.value.code in {"schema_invalid", "declared_rows_invalid"}
    assert VersionTable.objects.get(pk=table.pk).value() == before


def test_a_main_table_whose_units_are_rows_goes_with_no_private_table(version, alice):
    with pytest.raises(InvalidInput) as refused:
        catalog.declare(version, **hospital.main_words() | {"unit_column": None}, by=alice)
    assert refused.value.code == "schema_invalid"
    assert DatasetVersion.objects.get(pk=version.pk).unit_column == "sno"


def test_another_meaning_of_the_unit_lets_go_of_what_was_made(alice):
    version = hospital.draft(rows=20)
    sno = {"name": "sno", "kind": "integer", "lower": "0", "upper": "10000", "source": "protocol"}
    actions.remove_table(version.tables.get(name="visits"), by=alice)
    words = hospital.main_words()
    catalog.declare(version, **words | {"columns": [*words["columns"], sno]}, by=alice)
    visits = catalog.add_table(version, name="visits", by=alice)
    columns = [*hospital.VISITS["columns"], sno]
    catalog.declare_table(visits, **hospital.VISITS | {"columns": columns}, by=alice)
    hospital.send(version, hospital.visits_csv(20), "visits")
    assert rows(opened(storage.tickets(hospital_made(version)))["visits"], "typeof(any_value(sno))") == [
        ("BIGINT",)
    ]
    wider = [*words["columns"], sno | {"lower": "5"}]
    catalog.declare(version, **words | {"columns": wider}, by=alice)
    assert version.tables.get(name="visits").sha256 == ""
    assert version.tables.get(name="groups").sha256 != ""


def hospital_made(version):
    """Return the version once its main table's file is made anew."""
    hospital.send(version, make.support2_csv(20))
    return DatasetVersion.objects.get(pk=version.pk)


def test_a_private_table_comes_after_the_main_one(alice):
    version = catalog.new_version(
        catalog.create_dataset(
            area=make.area(), population=make.population(), title="Ward", slug="ward", by=alice
        ),
        by=alice,
    )
    visits = catalog.add_table(version, name="visits", by=alice)
    with pytest.raises(IllegalMove) as refused:
        catalog.declare_table(visits, **hospital.VISITS, by=alice)
    assert refused.value.code == "main_table_first"
    groups = catalog.add_table(version, name="groups", is_public=True, by=alice)
    catalog.declare_table(groups, **hospital.GROUPS, by=alice)
    assert hospital.send(version, hospital.groups_csv(), "groups").status == UploadStatus.CONFORMED


def test_a_file_is_for_a_table_that_there_is(version, alice):
    words = {"filename": "a.csv", "format": "csv", "by": alice}
    with pytest.raises(NotFound):
        actions.receive(version, io.BytesIO(b"a\n1\n"), table="wards", **words)
    with pytest.raises(InvalidInput) as refused:
        actions.receive(version, io.BytesIO(b"a\n1\n"), table="visits", purpose="mock", **words)
    assert refused.value.code == "upload_table"
    assert not Upload.objects.exists()


def test_an_oversized_file_is_refused_for_a_further_table_too(version, settings):
    settings.UPLOAD_MAX_MB = 0
    with pytest.raises(InvalidInput) as refused:
        hospital.send(version, hospital.visits_csv(20), "visits")
    assert refused.value.code == "upload_too_large"


def test_a_removed_table_leaves_no_bytes(alice, django_capture_on_commit_callbacks):
    version = hospital.draft(rows=20)
    paths = [storage.paths_of(version)["groups"], storage.mock_paths_of(version)["groups"]]
    upload = Upload.objects.get(version=version, table="groups")
    with django_capture_on_commit_callbacks(execute=True):
        actions.remove_table(version.tables.get(name="groups"), by=alice)
    assert not any(path.exists() for path in [*paths, staging.path_of(upload.pk)])
    assert not version.tables.filter(name="groups").exists()
    assert storage.path_of(version).exists()


def test_discarding_a_tables_file_takes_it_out_of_the_draft(alice, django_capture_on_commit_callbacks):
    version = hospital.draft(rows=20)
    path = storage.paths_of(version)["visits"]
    with django_capture_on_commit_callbacks(execute=True):
        actions.discard(Upload.objects.get(version=version, table="visits"), by=alice)
    visits = version.tables.get(name="visits")
    assert (visits.sha256, visits.mock_sha256, path.exists()) == ("", "", False)
    assert storage.path_of(DatasetVersion.objects.get(pk=version.pk)).exists()


def test_a_file_made_anew_replaces_the_one_before(alice, django_capture_on_commit_callbacks):
    version = hospital.draft(rows=20)
    path = storage.paths_of(version)["visits"]
    upload = Upload.objects.get(version=version, table="visits")
    actions.conform(upload, by=alice)
    with django_capture_on_commit_callbacks(execute=True):
        make.run_jobs()
    assert storage.paths_of(version)["visits"] != path  # the order is drawn anew
    assert not path.exists()


def test_the_next_version_keeps_declarations_and_public_files(alice, django_capture_on_commit_callbacks):
    dataset = hospital.dataset(rows=20)
    version = dataset.current
    draft = catalog.new_version(dataset, by=alice)
    assert draft.table().to_dict() == version.table().to_dict()
    made = {table.name: table.sha256 for table in draft.tables.all()}
    assert made == {"visits": "", "groups": version.tables.get(name="groups").sha256}
    with django_capture_on_commit_callbacks(execute=True):
        actions.remove_table(draft.tables.get(name="groups"), by=alice)
    assert storage.paths_of(version)["groups"].exists()  # the published version holds it
    assert storage.mock_paths_of(version)["groups"].exists()


FORBIDDEN = (
    "UPDATE catalog_versiontable SET sha256 = 'x'",
    "UPDATE catalog_versiontable SET max_units = 5",
    "UPDATE catalog_tablecolumn SET upper = 9999",
    "DELETE FROM catalog_versiontable",
    "DELETE FROM catalog_tablecolumn",
    "INSERT INTO catalog_versiontable SELECT 'new', created_at, 9, 'wards', is_public, key, unit_column, max_groups,"
    " max_rows, max_units, declared_rows, sha256, mock_sha256, version_id FROM catalog_versiontable LIMIT 1",
    "INSERT INTO catalog_tablecolumn SELECT 'new', created_at, 9, 'x', kind, '', NULL, NULL, 1, codes, missing,"
    " nullable, source, table_id FROM catalog_tablecolumn LIMIT 1",
)


def test_the_database_keeps_the_tables_of_a_published_version():
    hospital.dataset(rows=20)
    for sql in FORBIDDEN:
        with pytest.raises(DatabaseError, match="never change"), transaction.atomic():
            connection.cursor().execute(sql)


@pytest.mark.parametrize(
    "changes",
    [
        {"max_rows": 0},
        {"key": "sex"},
        {"is_public": True},
        {"sha256": "a" * 64},
        {"mock_sha256": "a" * 64},
        {"name": "groups"},
    ],
)
def test_the_database_keeps_a_draft_table_sensible(version, changes):
    with pytest.raises(DatabaseError), transaction.atomic():
        VersionTable.objects.filter(version=version, name="visits").update(**changes)


def test_a_published_version_gets_and_loses_no_table(alice):
    version = hospital.dataset(rows=20).current
    visits = version.tables.get(name="visits")
    acts = (
        lambda: catalog.add_table(version, name="wards", by=alice),
        lambda: catalog.declare_table(visits, **hospital.VISITS, by=alice),
        lambda: actions.remove_table(visits, by=alice),
    )
    for act in acts:
        with pytest.raises(IllegalMove) as refused:
            act()
        assert refused.value.code == "version_published"


def test_only_owners_work_on_tables(version):
    visits = version.tables.get(name="visits")
    for name in ("rita", "sam", "ada", "theo", "charlie"):
        other = make.person(name)
        acts = (
            partial(catalog.add_table, version, name="wards"),
            partial(catalog.declare_table, visits, **hospital.VISITS),
            partial(actions.remove_table, visits),
            partial(
                actions.receive, version, io.BytesIO(b"a"), filename="a.csv", format="csv", table="visits"
            ),
        )
        for act in acts:
            with pytest.raises((NotAllowed, NotFound)):
                act(by=other)
    assert [table.name for table in version.tables.all()] == ["visits", "groups"]
