"""Owners' pages for datasets of several tables, and what everybody sees of them."""

from __future__ import annotations

import io

import pytest
from django.test import Client
from django.urls import reverse

from domains.catalog.models import DatasetVersion
from tests import hospital, make
from tests.portal.people_kit import sign_in
from tests.portal.web.kit import faults
from tests.portal.web.test_answers import filled

pytestmark = pytest.mark.django_db
SLUG = hospital.SLUG


def browser(name: str) -> Client:
    client = Client()
    assert sign_in(client, make.person(name).email, make.PASSWORD).status_code == 302
    return client


def sound(response: object) -> str:
    """Return a page's text; it keeps the basics of access."""
    assert response.status_code == 200  # type: ignore[attr-defined]
    text = str(response.content.decode())  # type: ignore[attr-defined]
    assert faults(text) == []
    return " ".join(text.split())


def address(name: str, *args: str) -> str:
    return reverse(name, args=[SLUG, *args])


def lines(columns: list[dict[str, object]]) -> dict[str, str]:
    """Return columns as the page's lines send them."""
    sent = {"form-TOTAL_FORMS": str(len(columns)), "form-INITIAL_FORMS": "0"}
    for number, column in enumerate(columns):
        for name, value in column.items():
            text = "\n".join(value) if isinstance(value, list) else str(value)
            sent[f"form-{number}-{name}"] = text
    return sent


def test_from_a_main_table_to_a_published_dataset_of_two_without_javascript():
    version = hospital.described()
    alice = browser("alice")
    here, tables = address("dataset_edit"), address("dataset_add_table")
    alice.post(address("dataset_remove_table", "groups"))
    alice.post(address("dataset_remove_table", "visits"))
    assert not version.tables.exists()
    assert "For which table" not in sound(alice.get(here))
    assert "Enter a valid value" in sound(alice.post(tables, {"name": "Two words"}, follow=True))
    alice.post(tables, {"name": "groups", "is_public": "on"})
    assert "needs its schema" in sound(alice.get(here))

    file = io.BytesIO(hospital.groups_csv())
    file.name = "groups.csv"
    sent = {"file": file, "format": "csv", "purpose": "data", "table": "groups"}
    alice.post(address("dataset_upload"), sent)
    make.run_jobs()
    schema = address("dataset_table_schema", "groups")
    page = alice.get(schema)
    assert "privacy unit" not in sound(page)
    fields = filled(page.content.decode())
    assert [fields["form-0-name"], fields["form-1-name"]] == ["dzgroup", "class_name"]
    words = lines(hospital.GROUPS["columns"]) | {"key": "dzgroup", "max_units": "20"}
    assert alice.post(schema, words | {"key": "no such"}).status_code == 422
    assert alice.post(schema, words).status_code == 302
    assert "Make the table groups from this file" in sound(alice.get(here))
    upload = version.uploads.get(table="groups")
    alice.post(address("upload_conform", upload.pk))
    hospital.send(version, make.support2_csv(20))
    assert "Go on to publish" in sound(alice.get(here))
    assert "every row of it" in sound(alice.get(address("dataset_publish")))
    caps = {"dataset_epsilon": "2", "population_epsilon": "2", "attested": "on"}
    assert alice.post(address("dataset_publish"), caps).status_code == 302

    sam = browser("sam")
    assert "one row for each <code>dzgroup</code>" in sound(sam.get(address("dataset")))
    mock = sam.get(address("dataset_table_mock", "groups"))
    assert b"".join(mock.streaming_content)[:4] == b"PAR1"
    assert sam.get(address("dataset_table_mock", "visits")).status_code == 404


def test_days_are_declared_and_shown_as_days():
    version = hospital.described()
    alice = browser("alice")
    schema = address("dataset_table_schema", "visits")
    fields = filled(alice.get(schema).content.decode())
    assert (fields["form-2-lower"], fields["form-2-upper"]) == ("1989-06-12", "1990-06-11")
    visits = lines(hospital.VISITS["columns"]) | {
        name: str(hospital.VISITS[name]) for name in ("unit_column", "max_groups", "max_rows", "max_units")
    }
    for wrong in ("12.06.1989", "1989-02-30", "726265"):
        bad = alice.post(schema, visits | {"form-2-lower": wrong})
        assert bad.status_code == 422
        assert wrong in bad.content.decode(), "what was typed is not lost"
    assert alice.post(schema, visits | {"form-2-upper": "1991-01-31"}).status_code == 302
    day = DatasetVersion.objects.get(pk=version.pk).tables.get(name="visits").columns.get(name="day")
    assert (day.lower_text, day.upper_text) == ("1989-06-12", "1991-01-31")


@pytest.mark.parametrize("name", ["rita", "sam", "ada", "theo", "charlie"])
def test_a_drafts_tables_are_its_owners_own(name):
    version = hospital.described()
    other = browser(name)
    answers = (
        other.post(address("dataset_add_table"), {"name": "wards"}),
        other.get(address("dataset_table_schema", "visits")),
        other.post(address("dataset_table_schema", "visits"), {}),
        other.post(address("dataset_remove_table", "visits")),
    )
    assert {answer.status_code for answer in answers} == {404}
    assert [table.name for table in version.tables.all()] == ["visits", "groups"]
