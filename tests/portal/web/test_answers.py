"""Results, owners' road to publication, the audit pages and the probes, on a node with real rows."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from gridhouse import verify

from domains import triggers
from domains.catalog.models import Dataset
from domains.intake.models import Upload
from domains.jobs.models import WorkerBeat
from domains.requests import decisions
from domains.requests.models import AnalysisRequest
from tests import make
from tests.portal.people_kit import sign_in
from tests.portal.web import kit
from tests.world import World, built, node

__all__ = ["built", "node"]

pytestmark = pytest.mark.django_db


def browser(name: str) -> Client:
    client = Client()
    assert sign_in(client, make.person(name).email, make.PASSWORD).status_code == 302
    return client


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


# --- Results -----------------------------------------------------------------------------------------------------


def test_an_answer_is_a_table_a_chart_and_downloads_that_agree(node: World, tmp_path: Path) -> None:
    analysis = make.request(on=node.access(), epsilon="0.5")
    sam = browser("sam")
    assert sam.get(reverse("result", args=[analysis.pk])).status_code == 404, "nothing is out yet"
    sam.post(reverse("request_submit", args=[analysis.pk]), {"revision": "1"})
    decisions.review(
        AnalysisRequest.objects.get(pk=analysis.pk), revision=1, vote="approve", by=make.person("alice")
    )
    assert "Approved, queued" in text(sam.get(reverse("request_status", args=[analysis.pk])))
    make.run_jobs()
    fragment = text(sam.get(reverse("request_status", args=[analysis.pk])))
    assert "Released" in fragment
    assert "hx-trigger" not in fragment, "a finished request is not asked about again"
    answer = sam.get(reverse("result", args=[analysis.pk]))
    page = text(answer)
    assert kit.faults(answer.content.decode()) == []
    assert "± " in page
    assert "bars with 95 % error bars. Largest:" in page
    rows = list(csv.reader(io.StringIO(sam.get(reverse("result_csv", args=[analysis.pk])).content.decode())))
    assert rows[0] == ["sex", "n", "n_plus_minus_95"]
    payload = sam.get(reverse("result_json", args=[analysis.pk])).content
    exact = json.loads(payload)
    assert [row[1] for row in rows[1:]] == [str(row[1]) for row in exact["rows"]]
    receipt = tmp_path / "receipt.json"
    receipt.write_bytes(sam.get(reverse("receipt", args=[analysis.pk])).content)
    offline = [sys.executable, "-I", verify.__file__, str(receipt)]
    assert subprocess.run(offline, capture_output=True, check=False).returncode == 0
    bundled = sam.get(reverse("result_bundle", args=[analysis.pk]))
    assert re.search(r'filename="support2-[a-z0-9-]+-[0-9A-Z]{6}\.json"', bundled["Content-Disposition"])
    receipt.write_bytes(bundled.content)
    assert subprocess.run(offline, capture_output=True, check=False).returncode == 0
    for forge in (forged_figure, forged_bytes, forged_certificate):
        receipt.write_text(json.dumps(forge(json.loads(bundled.content))))
        assert subprocess.run(offline, capture_output=True, check=False).returncode == 1, forge.__name__
    parquet = tmp_path / "answer.parquet"
    parquet.write_bytes(sam.get(reverse("result_parquet", args=[analysis.pk])).content)
    stored = duckdb.sql(f"SELECT * FROM '{parquet}'").fetchall()
    assert [(row[0], row[1]) for row in stored] == [(row[0], row[1]) for row in exact["rows"]]
    for name in ("charlie", "alice"):
        for kind in ("result_json", "result_parquet", "result_bundle", "result_csv"):
            assert browser(name).get(reverse(kind, args=[analysis.pk])).status_code in {403, 404}


def forged_figure(found: dict[str, Any]) -> dict[str, Any]:
    """Change a figure beside the exact bytes."""
    found["rows"][0]["n"] += 1
    return found


def forged_bytes(found: dict[str, Any]) -> dict[str, Any]:
    """Change the exact bytes."""
    found["payload"] = found["payload"].replace('"n"', '"m"')
    return found


def forged_certificate(found: dict[str, Any]) -> dict[str, Any]:
    """Change what the loss is proved by."""
    found["certificate"]["loss"]["rho"] = 1
    return found


def test_a_mock_run_is_labelled_synthetic(node: World) -> None:
    analysis, sam = make.request(on=node.access()), browser("sam")
    sam.post(reverse("request_mock", args=[analysis.pk]))
    assert "hx-trigger" in text(sam.get(reverse("request_mock_status", args=[analysis.pk])))
    make.run_jobs()
    page = text(sam.get(reverse("request", args=[analysis.pk])))
    assert "synthetic" in page
    assert "say nothing about the real data" in page


def test_the_mock_is_a_download_and_the_data_is_none(node: World) -> None:
    charlie = browser("charlie")
    answer = charlie.get(reverse("dataset_mock", args=["support2"]))
    assert answer["Content-Disposition"].startswith("attachment;")
    assert len(b"".join(answer.streaming_content)) > 1000


# --- Owners ------------------------------------------------------------------------------------------------------


def test_from_an_empty_form_to_a_published_dataset_without_javascript(node: World) -> None:
    alice = browser("alice")
    words = {
        "area": make.area().pk,
        "title": "Follow-up",
        "slug": "follow-up",
        "population": make.population().pk,
    }
    assert alice.post(reverse("dataset_new"), words).url == reverse("dataset_edit", args=["follow-up"])
    row = Dataset.objects.get(slug="follow-up")
    assert browser("sam").get(reverse("dataset", args=["follow-up"])).status_code == 404, (
        "a draft is its owners' own"
    )
    if not row.versions.exists():
        alice.post(reverse("versions", args=["follow-up"]))
    file = io.BytesIO(b"age,ward\n30,a\n40,b\n50,a\n")
    file.name = "follow-up.csv"
    sent = {"file": file, "format": "csv", "purpose": "data"}
    alice.post(reverse("dataset_upload", args=["follow-up"]), sent)
    upload = Upload.objects.get(version__dataset=row)
    status = reverse("upload_status", args=["follow-up", upload.pk])
    assert "hx-trigger" in text(alice.get(status))
    make.run_jobs()
    assert alice.get(status)["HX-Refresh"] == "true"
    fields = filled(alice.get(reverse("dataset_schema", args=["follow-up"])).content.decode())
    assert fields["form-0-name"] == "age"
    for name, value in fields.items():
        assert not value or name.endswith(("-name", "-kind")) or not name.startswith("form-0-"), (
            f"{name} is filled in from private rows"
        )
    fields |= {"form-0-lower": "0", "form-0-upper": "110", "form-0-source": "protocol"}
    fields |= {
        "form-1-kind": "category",
        "form-1-codes": "a\nb",
        "form-1-source": "codebook",
        "max_units": "10",
    }
    bad = alice.post(reverse("dataset_schema", args=["follow-up"]), fields | {"form-0-upper": "-5"})
    assert bad.status_code == 422
    assert 'value="-5"' in bad.content.decode(), "what was typed is not lost"
    assert alice.post(reverse("dataset_schema", args=["follow-up"]), fields).status_code == 302
    alice.post(reverse("upload_conform", args=["follow-up", upload.pk]))
    make.run_jobs()
    assert "Go on to publish" in text(alice.get(reverse("dataset_edit", args=["follow-up"])))
    publish = reverse("dataset_publish", args=["follow-up"])
    assert alice.post(publish, {"dataset_epsilon": "2"}).status_code == 422, "publishing takes an attestation"
    assert alice.post(publish, {"dataset_epsilon": "2", "attested": "on"}).status_code == 302
    assert "Propose a project" in text(browser("sam").get(reverse("dataset", args=["follow-up"])))


def filled(html: str) -> dict[str, str]:
    """Return what a browser would send of the page's main form, untouched."""
    from html.parser import HTMLParser

    class Form(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.values: dict[str, str] = {}
            self.select = self.area = ""

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found = dict(attrs)
            name = found.get("name") or ""
            if tag == "input" and name:
                self.values[name] = found.get("value") or ""
            if tag in {"select", "textarea"}:
                self.values[name] = ""
                self.select, self.area = (name, "") if tag == "select" else ("", name)
            if tag == "option" and "selected" in found:
                self.values[self.select] = found.get("value") or ""

        def handle_endtag(self, tag: str) -> None:
            self.area = "" if tag == "textarea" else self.area

        def handle_data(self, data: str) -> None:
            if self.area:
                self.values[self.area] += data.strip()

    form = Form()
    form.feed(html[html.index("<main") :])
    return form.values


def test_freezing_takes_a_reason_and_shows_on_the_dataset(node: World) -> None:
    alice = browser("alice")
    freeze = reverse("dataset_freeze", args=["support2"])
    assert alice.post(freeze, {"reason": ""}).status_code == 422
    alice.post(freeze, {"reason": "An inquiry."})
    assert "This dataset is frozen" in text(browser("sam").get(reverse("dataset", args=["support2"])))
    assert browser("charlie").post(freeze, {"reason": "Because."}).status_code in {403, 404}


# --- Audit -------------------------------------------------------------------------------------------------------


def test_the_auditor_filters_proves_and_exports(node: World) -> None:
    theo = browser("theo")
    page = text(theo.get(f"{reverse('audit')}?event=grant.allocated"))
    assert "Budget allocated</td>" in page
    assert "Signed in</td>" not in page
    assert "No such events" in text(theo.get(f"{reverse('audit')}?subject=nothing"))
    assert "Proof that the log holds it" in text(theo.get(reverse("audit_event", args=[0])))
    assert theo.get(reverse("audit_event", args=[10**6])).status_code == 404
    lines = b"".join(theo.get(reverse("audit_export")).streaming_content).splitlines()
    assert [json.loads(line)["index"] for line in lines] == list(range(len(lines)))
    assert theo.get(reverse("audit_checkpoint")).content
    assert b"def verify_receipt" in theo.get(reverse("audit_verifier")).content


def test_the_verify_button_finds_a_changed_event(node: World) -> None:
    theo = browser("theo")
    page = reverse("audit_verify")

    def checked() -> str:
        assert theo.post(page).status_code == 302
        assert "it waits for a worker" in text(theo.get(page))
        make.run_jobs("default")
        return text(theo.get(page))

    assert "The log is whole" in checked()
    triggers.lift(connection)
    with connection.cursor() as cursor:
        cursor.execute('UPDATE audit_auditevent SET actor = %s WHERE "index" = 2', ["nobody"])
    triggers.install(connection)
    found = checked()
    assert "Faults were found" in found
    assert "event 2 " in found


# --- Probes ------------------------------------------------------------------------------------------------------


def test_livez_answers_strangers(client: Client) -> None:
    assert client.get(reverse("livez")).content == b"ok\n"


def test_readyz_needs_every_part_and_tells_nothing_private(node: World, client: Client) -> None:
    answer = client.get(reverse("readyz"))
    assert (answer.status_code, answer.json()["checks"]["worker"]) == (503, "failing")
    WorkerBeat.objects.create(name="w@secret-host", queues=["query"], pid=4711, seen_at=timezone.now())
    answer = client.get(reverse("readyz"))
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    assert "secret-host" not in answer.content.decode()
    triggers.lift(connection)
    try:
        assert client.get(reverse("readyz")).json()["checks"]["triggers"] == "failing"
    finally:
        triggers.install(connection)
