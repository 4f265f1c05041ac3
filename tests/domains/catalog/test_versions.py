"""Versions: what an owner declares is public, exact, sourced, and accepted by the engine itself."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from domains.audit.models import AuditEvent
from domains.catalog import actions
from domains.catalog.models import Column, DatasetVersion
from domains.catalog.versions import schema_sha256
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from privacy.schema import Kind
from tests import cast

pytestmark = pytest.mark.django_db
AGE = {"name": "age", "kind": "integer", "lower": 18, "upper": 110, "source": "protocol"}
SEX = {"name": "sex", "kind": "category", "codes": ["f", "m"], "source": "codebook"}


def draft(given: cast.Cast) -> DatasetVersion:
    return cast.draft_dataset(given).versions.get()


def declare(version: DatasetVersion, *columns: dict[str, Any], **changes: Any) -> None:
    words = {"columns": columns, "max_units": 10_000, "by": version.dataset.created_by, **changes}
    actions.declare(version, **words)


def test_what_is_declared_is_what_the_engine_gets():
    version = draft(cast.cast())
    income = {
        "name": "Income €",
        "kind": "decimal",
        "lower": "0.5",
        "upper": "1e5",
        "step": "0.01",
        "source": "dp_query",
    }
    declare(version, AGE, SEX, income, unit_column="patient", max_groups=3, max_rows=7, declared_rows=9_105)
    table = DatasetVersion.objects.get(pk=version.pk).table()
    assert [column.name for column in table.columns] == ["age", "sex", "Income €"]
    assert table.find("age").lower == Decimal(18)
    assert table.find("sex").codes == ("f", "m")
    assert (table.find("income €").upper, table.find("income €").step) == (Decimal(100_000), Decimal("0.01"))
    assert table.find("age").kind is Kind.INTEGER
    assert (table.unit.column, table.unit.max_groups, table.unit.max_rows) == ("patient", 3, 7)
    assert table.max_units == 10_000
    leaf = AuditEvent.objects.filter(event="version.declared").latest("index")
    assert schema_sha256(table).encode() in bytes(leaf.body)


@pytest.mark.parametrize(
    "facts", [{"lower": 0, "upper": 9}, {"codes": [1, 2]}, {"lower": 0, "upper": 9, "source": ""}]
)
def test_bounds_and_codes_say_where_they_come_from(facts: dict[str, Any]):
    with pytest.raises(InvalidInput) as refused:
        declare(draft(cast.cast()), {"name": "age", "kind": "integer", **facts})
    assert refused.value.code == "source_missing"


def test_the_data_is_no_source_of_bounds():
    with pytest.raises(InvalidInput) as refused:
        declare(draft(cast.cast()), AGE | {"source": "data"})
    assert refused.value.code == "source_missing"


def test_a_column_without_bounds_or_codes_needs_no_source():
    version = draft(cast.cast())
    declare(version, {"name": "note", "kind": "text"})
    assert version.columns.get().lower is None


@pytest.mark.parametrize(
    "column",
    [
        {"name": "age"},
        {"kind": "integer"},
        {"name": "", "kind": "integer"},
        {"name": "_row", "kind": "integer"},
        {"name": "age", "kind": "number"},
        {"name": "age", "kind": ["integer"]},
        {"name": 7, "kind": "integer"},
        {"name": "age", "kind": "integer", "min": 3},
        {"name": "sex", "kind": "category"},
        {"name": "sex", "kind": "category", "codes": "fm", "source": "codebook"},
        {"name": "sex", "kind": "category", "codes": ["f", "f"], "source": "codebook"},
        {"name": "sex", "kind": "category", "codes": [["f"]], "source": "codebook"},
        AGE | {"upper": None},
        AGE | {"lower": 111},
        AGE | {"upper": 18},
        AGE | {"upper": "NaN"},
        AGE | {"upper": "Infinity"},
        AGE | {"upper": 110.5},
        AGE | {"upper": True},
        AGE | {"step": 0},
        AGE | {"kind": "decimal", "step": "0.0000001"},
        AGE | {"kind": "decimal", "step": "1000000"},
        AGE | {"kind": "decimal", "upper": "110.0000001"},
        AGE | {"name": "x" * 64},
        AGE | {"description": "x" * 201},
        "age integer",
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused_and_the_old_one_stays(column: Any):
    version = draft(cast.cast())
    before = version.table().to_dict()
    with pytest.raises(InvalidInput) as refused:
        declare(version, column)
    assert refused.value.code in {"schema_invalid", "source_missing"}
    assert DatasetVersion.objects.get(pk=version.pk).table().to_dict() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"max_units": 0},
        {"max_units": 10**12 + 1},
        {"max_groups": 2},  # where a row is the unit, both bounds are 1
        {"unit_column": "patient", "max_rows": 0},
        {"unit_column": "_row", "max_rows": 2},
        {"declared_rows": 0},
        {"declared_rows": 1.5},
        {"columns": []},
        {"columns": [AGE, AGE | {"name": "AGE"}]},
    ],
)
def test_the_privacy_unit_and_sizes_make_sense(changes: dict[str, Any]):
    with pytest.raises(InvalidInput):
        declare(draft(cast.cast()), AGE, **changes)


def test_a_new_declaration_lets_go_of_a_mock_that_no_longer_fits():
    version = draft(cast.cast())
    DatasetVersion.objects.filter(pk=version.pk).update(
        sha256="a" * 64, mock_sha256="b" * 64, mock_origin="uploaded"
    )
    declare(version, AGE)
    assert (version.sha256, version.mock_sha256, version.mock_origin) == ("", "", "")


def test_only_owners_declare_and_only_drafts():
    given = cast.cast()
    version = draft(given)
    cast.published(version.dataset)
    for user in (given.rita, given.sam, given.ada):
        with pytest.raises(NotAllowed):
            declare(DatasetVersion.objects.get(pk=version.pk), AGE, by=user)
    with pytest.raises(IllegalMove) as refused:
        declare(version, AGE)  # as it was read, still a draft: the database decides
    assert refused.value.code == "version_published"


def test_the_next_version_begins_with_the_last_ones_declarations():
    given = cast.cast()
    dataset = cast.dataset(given)
    second = actions.new_version(dataset, by=given.alice)
    assert second.number == 2
    assert second.table().to_dict() == dataset.versions.get(number=1).table().to_dict()
    assert list(second.columns.values_list("source")) == list(
        dataset.versions.get(number=1).columns.values_list("source")
    )
    with pytest.raises(IllegalMove) as refused:
        actions.new_version(dataset, by=given.alice)
    assert refused.value.code == "draft_exists"


def test_a_withdrawn_dataset_gets_no_new_versions():
    given = cast.cast()
    dataset = cast.dataset(given)
    actions.withdraw(dataset, reason="Over.", by=given.alice)
    with pytest.raises(IllegalMove):
        actions.new_version(dataset, by=given.alice)


def test_an_older_version_retires_and_the_newest_does_not():
    given = cast.cast()
    dataset = cast.dataset(given)
    with pytest.raises(IllegalMove) as refused:
        actions.retire(dataset.versions.get(), reason="Old.", by=given.alice)
    assert refused.value.code == "newest_version"
    actions.new_version(dataset, by=given.alice)
    cast.published(dataset)
    first = dataset.versions.get(number=1)
    actions.retire(first, reason="Replaced.", by=given.alice)
    assert first.status == "retired"


def uploaded_mock(given: cast.Cast) -> DatasetVersion:
    version = cast.draft_dataset(given).versions.get()
    DatasetVersion.objects.filter(pk=version.pk).update(mock_origin="uploaded", mock_sha256="b" * 64)
    return DatasetVersion.objects.select_related("dataset").get(pk=version.pk)


def test_an_uploaded_mock_needs_a_second_person():
    from domains.catalog import queries

    given = cast.cast()
    with pytest.raises(NotFound):
        queries.version(uploaded_mock(given).dataset.slug, 1, given.sam)
    version = queries.version("support2", 1, given.rita)  # the draft is open to her, for this alone
    assert queries.mock_of("support2", 1, given.rita) == version
    assert [v.pk for v in queries.mocks_waiting(given.rita)] == [version.pk]
    assert not queries.mocks_waiting(given.alice).exists()
    for user in (given.alice, given.sam, given.ada):
        with pytest.raises((NotAllowed, NotFound)):
            actions.approve_mock(version, by=user)
    actions.approve_mock(version, by=given.rita)
    assert version.mock_approved_by == given.rita
    with pytest.raises(IllegalMove):
        actions.approve_mock(version, by=given.rita)
    with pytest.raises(NotFound):
        queries.dataset("support2", given.rita)


def test_a_mock_is_out_with_its_version_and_an_uploaded_one_only_once_approved():
    from domains.catalog import queries

    given = cast.cast()
    version = uploaded_mock(given)
    with pytest.raises(NotFound):
        queries.mock_of("support2", 1, given.sam)
    actions.approve_mock(version, by=given.rita)
    cast.published(version.dataset, mock_origin="uploaded")
    assert queries.mock_version(queries.dataset("support2", given.sam)) == version
    assert queries.mock_of("support2", 1, given.sam) == version


def test_an_owner_who_also_reviews_the_area_is_not_the_second_person():
    from domains.people.models import Membership
    from domains.people.permissions import Role

    given = cast.cast()
    version = uploaded_mock(given)
    Membership.objects.create(user=given.alice, role=Role.REVIEWER, granted_by=given.ada)
    given.alice.forget_roles()
    actions.seat(given.area, given.alice, role=Role.AREA_REVIEWER, by=given.ada)
    with pytest.raises(NotAllowed) as refused:
        actions.approve_mock(version, by=given.alice)
    assert refused.value.code == "separation_of_duties"


def test_while_the_node_is_paused_no_mock_is_approved():
    from domains.node import actions as node

    given = cast.cast()
    version = uploaded_mock(given)
    node.pause(reason="Stop.", by=given.ada)
    with pytest.raises(IllegalMove) as refused:
        actions.approve_mock(version, by=given.rita)
    assert refused.value.code == "node_paused"
    node.resume(reason="Go on.", by=given.ada)
    actions.approve_mock(version, by=given.rita)


def test_a_mock_that_was_replaced_meanwhile_is_not_approved_unseen():
    given = cast.cast()
    seen = uploaded_mock(given)
    DatasetVersion.objects.filter(pk=seen.pk).update(mock_sha256="c" * 64)
    with pytest.raises(IllegalMove):
        actions.approve_mock(seen, by=given.rita)


@pytest.mark.parametrize(
    "wrong", [{"step": 0}, {"lower": 2, "upper": 1}, {"lower": 2}, {"name": "age"}, {"position": 1}]
)
def test_the_database_keeps_columns_sensible(wrong: dict[str, Any]):
    version = draft(cast.cast())
    with pytest.raises(IntegrityError), transaction.atomic():
        Column.objects.create(
            **{"version": version, "position": 9, "name": "new", "kind": "integer", **wrong}
        )


@pytest.mark.parametrize("missing", ["sha256", "attested_at", "published_at"])
def test_the_database_lets_nothing_incomplete_be_published(missing: str):
    given = cast.cast()
    version = draft(given)
    complete = {
        "status": "published",
        "sha256": "a" * 64,
        "attested_at": version.created_at,
        "attested_by": given.alice,
        "published_at": version.created_at,
        "published_by": given.alice,
    }
    lacking = complete | {"sha256": ""} if missing == "sha256" else complete
    if missing != "sha256":
        lacking = complete | {missing: None, missing.replace("_at", "_by"): None}
    with pytest.raises(IntegrityError), transaction.atomic():
        DatasetVersion.objects.filter(pk=version.pk).update(**lacking)
