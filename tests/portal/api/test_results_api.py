"""Answers over REST: what members read, what nobody else does, CSV that runs nowhere, bytes that a receipt proves."""

import csv
import hashlib
import io
import json

import pytest
from django.utils import timezone
from gridhouse import verify

from domains.catalog import actions as catalog
from domains.people.permissions import Role
from domains.projects.models import AccessGrant
from domains.requests.lifecycle import ReleaseStatus
from domains.requests.models import AnalysisRequest, Release
from portal import sheets
from tests import make


@pytest.fixture
def answered(node, answer):
    """Return the request that was answered before these tests began."""
    return AnalysisRequest.objects.get(pk=answer)


def test_a_member_reads_figures_their_errors_and_the_cost(call, answered):
    found = call("sam").get(f"requests/{answered.pk}/result/").json()
    assert [column["name"] for column in found["answer"]["columns"]] == ["sex", "n", "a"]
    assert [row[0] for row in found["answer"]["rows"]][:2] == ["female", "male"]
    for row, errors in zip(found["answer"]["rows"], found["answer"]["accuracy"], strict=True):
        assert isinstance(row[1], int)
        assert errors[0] is None
        assert errors[1] > 0
    assert found["cost"]["rho_units"] == answered.revision.rho
    assert found["release"]["status"] == "released"


def test_the_bytes_have_the_hash_that_the_receipt_proves(call, answered):
    payload = call("sam").get(f"requests/{answered.pk}/result/payload/").content
    leaf = verify.verify_receipt(call("sam").get(f"requests/{answered.pk}/receipt/").json())
    assert leaf.body["details"]["sha256"] == hashlib.sha256(payload).hexdigest()
    assert leaf.body["details"]["analysis"] == answered.pk
    rows = json.loads(payload)["rows"]
    shown = call("sam").get(f"requests/{answered.pk}/result/").json()["answer"]["rows"]
    assert [row[1] for row in shown] == [row[1] for row in rows]


def test_the_csv_holds_each_figure_beside_its_error(call, answered):
    answer = call("sam").get(f"requests/{answered.pk}/result/csv/")
    assert answer["Content-Type"].startswith("text/csv")
    header, *rows = csv.reader(io.StringIO(answer.content.decode()))
    assert header == ["sex", "n", "n_plus_minus_95", "a", "a_plus_minus_95"]
    assert [row[0] for row in rows][:2] == ["female", "male"]
    assert float(rows[0][2]) > 0


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "=HYPERLINK('x')"])
def test_a_spreadsheet_never_runs_a_cell(text):
    header, row = csv.reader(io.StringIO(sheets.to_csv([text], [[text]])))
    assert header[0] == row[0] == "'" + text


def test_numbers_stay_numbers_and_nothing_stays_empty():
    assert sheets.to_csv(["n"], [[-5], [-0.5], [None], ["plain"]]).splitlines() == [
        "n",
        "-5",
        "-0.5",
        '""',
        "plain",
    ]


@pytest.mark.parametrize(
    "path", ["result/", "result/csv/", "result/parquet/", "result/bundle/", "result/payload/", "receipt/"]
)
def test_the_owner_who_approved_does_not_read_the_scientists_result(call, answered, path):
    assert call("alice").get(f"requests/{answered.pk}/{path}").status_code == 403
    assert call("charlie").get(f"requests/{answered.pk}/{path}").status_code == 404


@pytest.mark.parametrize(
    "path", ["result/", "result/csv/", "result/parquet/", "result/bundle/", "result/payload/", "receipt/"]
)
def test_there_is_no_result_before_the_release(node, call, path):
    waiting = make.request(make.Status.APPROVED, on=node.access())
    answer = call("sam").get(f"requests/{waiting.pk}/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_result")


def test_a_repeat_returns_the_same_bytes_at_no_cost(node, call, answered):
    again = make.request(make.Status.READY, on=node.access(), sql=answered.revision.sql)
    sent = call("sam").post(f"requests/{again.pk}/submit/", {"revision": 1})
    assert sent.json()["progress"]["code"] == "released"
    first, second = (call("sam").get(f"requests/{key}/result/").json() for key in (answered.pk, again.pk))
    assert second["answer"] == first["answer"]
    assert second["release"]["sha256"] == first["release"]["sha256"]
    assert (second["release"]["is_repeat"], second["cost"]["rho_units"]) == (True, 0)


# --- Held answers ----------------------------------------------------------------------------------------------


@pytest.fixture
def held(node, answered):
    """Return a request whose answer was held back, because the grant ended while it ran."""
    # The race itself is tested in the domain; here the release is put where it would have left it.
    Release.objects.filter(analysis=answered).update(
        status=ReleaseStatus.AWAITING_REVIEW, released_at=None, audit_index=None
    )
    AccessGrant.objects.filter(pk=node.grant).update(valid_to=timezone.now())
    return answered


def test_a_held_answer_is_seen_by_the_owner_and_not_by_the_scientist(call, held):
    assert call("alice").get(f"requests/{held.pk}/result/").status_code == 200
    assert call("sam").get(f"requests/{held.pk}/result/").status_code == 404
    assert [row["id"] for row in call("alice").get("queue/releases/").json()["results"]] == [held.pk]
    assert call("charlie").get("queue/releases/").json()["results"] == []


def test_a_second_person_releases_the_exact_bytes_that_were_looked_at(call, held):
    seen = call("alice").get(f"requests/{held.pk}/result/").json()["release"]["sha256"]
    own = call("alice").post(f"requests/{held.pk}/result/release/", {"sha256": seen})
    assert (own.status_code, own.json()["code"]) == (403, "separation_of_duties")  # she approved it (S3)
    dataset = held.grant.dataset
    catalog.assign(dataset, make.person("rita"), role=Role.DATASET_REVIEWER, by=make.person("alice"))
    wrong = call("rita").post(f"requests/{held.pk}/result/release/", {"sha256": "0" * 64})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "stale")
    assert call("rita").post(f"requests/{held.pk}/result/release/", {"sha256": seen}).status_code == 200
    assert call("sam").get(f"requests/{held.pk}/result/").status_code == 200


def test_the_owner_keeps_an_answer_back_with_a_reason(call, held):
    assert call("alice").post(f"requests/{held.pk}/result/reject/", {"reason": ""}).status_code in {400, 422}
    assert (
        call("alice").post(f"requests/{held.pk}/result/reject/", {"reason": "Too late."}).status_code == 200
    )
    assert call("sam").get(f"requests/{held.pk}/progress/").json()["code"] == "kept_back"
    assert call("sam").get(f"requests/{held.pk}/result/").status_code == 404


def test_the_scientist_releases_nothing(call, held):
    answer = call("sam").post(f"requests/{held.pk}/result/release/", {"sha256": "0" * 64})
    assert answer.status_code == 403
