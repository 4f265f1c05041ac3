"""The auditor's pages: filters, pages by key with a constant number of queries, files, and who may see them."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from gridhouse import verify

from domains.audit import checkpoints, queries
from domains.audit.events import Event
from domains.audit.recorder import record
from tests.portal.web import kit


def fill(count: int) -> None:
    with transaction.atomic():
        for number in range(count):
            record(Event.DATASET_EDITED, by=f"policy:{number}", on=f"dataset:d{number}", title="=1+1")


def body(answer) -> str:
    return b"".join(answer.streaming_content).decode()


def test_filters_narrow_and_what_cannot_be_read_is_said(given: kit.Story) -> None:
    theo = kit.browser(given.cast.theo)
    page = theo.get(reverse("audit"), {"actor": "alice", "event": "dataset."}).content.decode()
    assert "Dataset described</td>" in page
    assert "Budget allocated</td>" not in page
    page = theo.get(reverse("audit"), {"project": given.project.pk}).content.decode()
    assert "Budget allocated</td>" in page
    assert "Dataset described</td>" not in page
    page = theo.get(reverse("audit"), {"dataset": "support2", "text": "columns"}).content.decode()
    assert "Schema declared</td>" in page
    page = theo.get(reverse("audit"), {"since": "31.3.", "dataset": "nope"}).content.decode()
    assert "“31.3.” is no day" in page
    assert "There is no dataset “nope”" in page
    assert 'value="31.3."' in page
    assert "No such events" in page


def test_pages_lead_to_older_and_newer_keeping_the_filters(given: kit.Story) -> None:
    fill(120)
    theo = kit.browser(given.cast.theo)
    first = theo.get(reverse("audit"), {"event": "dataset.edited"})
    older = first.context["slice"].older
    assert f"?event=dataset.edited&amp;before={older}" in first.content.decode()
    second = theo.get(reverse("audit"), {"event": "dataset.edited", "before": older})
    assert {row.index for row in second.context["slice"].rows} == set(range(older - 50, older))
    back = theo.get(reverse("audit"), {"event": "dataset.edited", "after": second.context["slice"].newer})
    assert [row.index for row in back.context["slice"].rows] == [
        row.index for row in first.context["slice"].rows
    ]


def test_a_page_costs_as_many_queries_in_a_long_log_as_in_a_short_one(given: kit.Story) -> None:
    theo = kit.browser(given.cast.theo)

    def cost(**filters: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert theo.get(reverse("audit"), filters).status_code == 200
        return len(asked)

    wanted = [{}, {"dataset": "support2"}, {"project": given.project.pk}, {"actor": "a"}, {"text": "details"}]
    short = [cost(**filters) for filters in wanted]
    fill(150)
    assert [cost(**filters) for filters in wanted] == short
    assert max(short) < 30


def test_an_event_names_what_it_is_about(given: kit.Story) -> None:
    theo = kit.browser(given.cast.theo)
    row = next(e for e in queries.events(event="grant.allocated"))
    page = theo.get(reverse("audit_event", args=[row.index])).content.decode()
    assert f'href="{reverse("project", args=[given.project.pk])}"' in page
    assert f'href="{reverse("person", args=[given.cast.ada.pk])}"' in page
    for row in queries.events():
        assert theo.get(reverse("audit_event", args=[row.index])).status_code == 200


def test_a_selection_is_exported_with_its_checkpoint_and_proves_itself(given: kit.Story) -> None:
    fill(3)
    theo = kit.browser(given.cast.theo)
    address = reverse("audit_selection", args=["jsonl"])
    head, *lines = [json.loads(line) for line in body(theo.get(address, {"event": "dataset."})).splitlines()]
    assert head["filters"] == {"event": "dataset."}
    assert verify.open_note(head["checkpoint"], head["public_key"]).size > max(row["index"] for row in lines)
    assert {row["event"]["event"].split(".")[0] for row in lines} == {"dataset"}
    assert [row["index"] for row in lines] == sorted(row["index"] for row in lines)


def test_the_sheet_is_safe_for_spreadsheets(given: kit.Story) -> None:
    with transaction.atomic():
        record(Event.DATASET_EDITED, by="=cmd()", on="dataset:+x")
    theo = kit.browser(given.cast.theo)
    text = body(theo.get(reverse("audit_selection", args=["csv"]), {"actor": "=cmd()"}))
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["actor"], row["subject"]) == ("'=cmd()", "'+x")
    assert int(row["log_size"]) == checkpoints.head().size > int(row["index"])


def test_an_export_reads_the_log_in_pieces(given: kit.Story) -> None:
    theo = kit.browser(given.cast.theo)
    answer = theo.get(reverse("audit_selection", args=["csv"]))
    assert answer.streaming
    assert next(iter(answer.streaming_content)).startswith(b"index,at,event")
    assert theo.get(reverse("audit_selection", args=["xml"])).status_code == 404
    assert theo.get(reverse("audit_selection", args=["csv"]), {"since": "soon"}).status_code == 422


@pytest.mark.parametrize("name", ["sam", "alice", "rita", "ada", "charlie"])
def test_only_the_auditor_sees_any_of_it(given: kit.Story, name: str) -> None:
    client = kit.browser(getattr(given.cast, name))
    for address in (
        reverse("audit"),
        reverse("audit_verify"),
        reverse("audit_event", args=[1]),
        reverse("audit_selection", args=["csv"]),
    ):
        assert client.get(address).status_code == 403, address
    assert client.post(reverse("audit_verify")).status_code == 403
    assert kit.browser(given.cast.theo).get(reverse("audit_verify")).status_code == 200
