"""Evidence packs, which catch whatever is taken out or changed, signed again or not; and the check of everything.

Both begin with a node that has answered, which is dear to make: so they share one.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from gridhouse import verify

from domains import triggers
from domains.audit import checkpoints, keys, notes
from domains.audit.events import Event
from domains.audit.recorder import record
from domains.errors import NotAllowed, NotFound
from domains.evidence import pack, register, verification
from domains.jobs.models import Job
from domains.projects.models import Project
from domains.requests import incidents
from domains.requests.models import AnalysisRequest, Review
from tests import make
from tests.world import World, answer, built, node

__all__ = ["answer", "built", "node"]

Files = dict[str, bytes]


def project_of(key: str) -> Project:
    return Project.objects.get(pk=AnalysisRequest.objects.get(pk=key).grant.project_id)


def packed(key: str, who: str = "theo") -> Files:
    with pack.build(project_of(key), make.person(who)) as file, zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def check(files: Files, folder: Path, key: str | None = None) -> int:
    path = folder / "pack.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return verify.verify_pack(path, key)[1]


def signed_again(files: Files) -> Files:
    """Return the pack as its node itself would sign it: what only the log's own proofs contradict."""
    manifest = json.loads(files["manifest.json"])
    inside = {name: body for name, body in files.items() if not name.startswith("manifest")}
    manifest["files"] = {name: hashlib.sha256(body).hexdigest() for name, body in inside.items()}
    whole = json.dumps(manifest).encode()
    text = f"{pack.KIND}\nsha256:{hashlib.sha256(whole).hexdigest()}\n"
    signature = notes.sign_text(text, checkpoints.origin(), keys.log_key())
    return inside | {"manifest.json": whole, "manifest.sig": signature.encode()}


def rows(files: Files, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in files[name].splitlines()]


def written(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def changed(name: str, change: Callable[[list[dict[str, Any]]], Any]) -> Callable[[Files], None]:
    def apply(files: Files) -> None:
        lines = rows(files, name)
        change(lines)
        files[name] = written(lines)

    return apply


def without_event(event: str) -> Callable[[Files], None]:
    def keep(line: dict[str, Any]) -> bool:
        return json.loads(base64.b64decode(line["leaf"]))["event"] != event

    def apply(files: Files) -> None:
        left = [line for line in rows(files, "events.jsonl") if keep(line)]
        assert len(left) < len(rows(files, "events.jsonl"))
        files["events.jsonl"] = written(left)

    return apply


def _other_answer(files: Files) -> None:
    name = next(name for name in files if name.startswith("answers/"))
    files[name] = files[name].replace(b"1", b"2", 1)


def _no_answer(files: Files) -> None:
    del files[next(name for name in files if name.startswith("answers/"))]


def _renamed_answer(files: Files) -> None:
    """Alter the answer and everything in the pack that names its hash."""
    name = next(name for name in files if name.startswith("answers/"))
    payload = files.pop(name).replace(b"1", b"2", 1)
    old, new = name[8:-5], hashlib.sha256(payload).hexdigest()
    files[f"answers/{new}.json"] = payload
    files["releases.jsonl"] = files["releases.jsonl"].replace(old.encode(), new.encode())


def _leaf(line: dict[str, Any]) -> None:
    body = base64.b64decode(line["leaf"]).replace(b'"system"', b'"nobody"').replace(b"2026", b"2025")
    line["leaf"] = base64.b64encode(body).decode()


def _swap(lines: list[dict[str, Any]]) -> None:
    lines[0]["sql"] = "SELECT COUNT(*) AS n FROM support2"


def _swap_with_hash(lines: list[dict[str, Any]]) -> None:
    """Swap a revision and hash it anew, so that only the log knows the right one."""
    hashed = lines[0]["hashed"]
    hashed["sql"] = lines[0]["sql"] = "SELECT COUNT(*) AS n FROM support2"
    text = json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    lines[0]["sha256"] = hashlib.sha256(text.encode()).hexdigest()


def _forge(lines: list[dict[str, Any]]) -> None:
    lines.append(lines[0] | {"person": "01AAAAAAAAAAAAAAAAAAAAAAAA"})


ATTACKS: dict[str, Callable[[Files], None]] = {
    "altered answer": _other_answer,
    "altered answer under its new hash": _renamed_answer,
    "answer taken out": _no_answer,
    "missing vote": changed("votes.jsonl", lambda lines: lines.pop()),
    "forged vote": changed("votes.jsonl", _forge),
    "vote turned round": changed("votes.jsonl", lambda lines: lines[0].update(vote="deny")),
    "missing vote on the project": changed("project-votes.jsonl", lambda lines: lines.pop()),
    "missing version of the project": changed("project-versions.jsonl", lambda lines: lines.pop()),
    "version of the project, other words": changed(
        "project-versions.jsonl", lambda lines: lines[0]["content"].update(title="Another")
    ),
    "swapped revision": changed("revisions.jsonl", _swap),
    "swapped revision, hashed anew": changed("revisions.jsonl", _swap_with_hash),
    "revision's cost lowered": changed("revisions.jsonl", lambda lines: lines[0].update(rho=1)),
    "missing revision": changed("revisions.jsonl", lambda lines: lines.pop()),
    "altered ledger line": changed("ledger.jsonl", lambda lines: lines[0].update(rho=1)),
    "missing ledger line": changed("ledger.jsonl", lambda lines: lines.pop()),
    "ledger line on another account": changed("ledger.jsonl", lambda lines: lines[0].update(account="x")),
    "missing release": changed("releases.jsonl", lambda lines: lines.pop()),
    "missing request": changed("requests.jsonl", lambda lines: lines.pop()),
    "dropped approval": without_event("request.voted"),
    "dropped release": without_event("result.released"),
    "dropped commit": without_event("charge.committed"),
    "dropped check": without_event("request.checked"),
    "altered event": changed("events.jsonl", lambda lines: _leaf(lines[0])),
    "event out of order": changed("events.jsonl", lambda lines: lines.reverse()),
    "missing file": lambda files: files.pop("votes.jsonl"),
}


def test_a_whole_pack_verifies_and_tells_the_story(node: World, answer, tmp_path):
    files = packed(answer)
    assert check(files, tmp_path, checkpoints.public_key()) == len(rows(files, "events.jsonl")) > 10
    assert {"votes.jsonl", "ledger.jsonl", "README.md", "manifest.sig"} <= files.keys()
    (release,) = [row for row in rows(files, "releases.jsonl") if row["request"] == answer]
    assert hashlib.sha256(files[f"answers/{release['sha256']}.json"]).hexdigest() == release["sha256"]
    assert any(row["hashed"] for row in rows(files, "revisions.jsonl"))
    assert [row["vote"] for row in rows(files, "project-votes.jsonl")] == ["approve"]


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_what_is_altered_is_caught_even_if_signed_again(node: World, answer, tmp_path, attack):
    files = packed(answer)
    attack(files)
    with pytest.raises(verify.VerificationError):
        check(files, tmp_path)
    with pytest.raises(verify.VerificationError) as caught:
        check(signed_again(files), tmp_path)
    assert "form that this verifier knows" not in str(caught.value)


def test_words_that_no_event_repeats_are_held_by_the_signature(node: World, answer, tmp_path):
    files = packed(answer)
    changed("votes.jsonl", lambda lines: lines[0].update(reason="Another."))(files)
    with pytest.raises(verify.VerificationError, match=r"votes.jsonl was changed"):
        check(files, tmp_path)
    assert check(signed_again(files), tmp_path)  # the README says so


def test_another_key_and_another_kind_of_file_are_refused(node: World, answer, tmp_path):
    files = packed(answer)
    with pytest.raises(verify.VerificationError, match="another public key"):
        check(files, tmp_path, "other.example/audit+00000000+AQ==")
    (tmp_path / "not.zip").write_bytes(b"no ZIP")
    with pytest.raises(verify.VerificationError):
        verify.verify_pack(tmp_path / "not.zip")
    files["extra.txt"] = b"x"
    with pytest.raises(verify.VerificationError, match=r"extra.txt"):
        check(files, tmp_path)


def test_the_command_line_says_whether_it_holds(node: World, answer, tmp_path, capsys):
    check(packed(answer), tmp_path)
    assert verify.main(["pack", str(tmp_path / "pack.zip"), "--key", checkpoints.public_key()]) == 0
    assert "OK: the pack is whole" in capsys.readouterr().out
    (tmp_path / "pack.zip").write_bytes(b"")
    assert verify.main(["pack", str(tmp_path / "pack.zip")]) == 1


def test_the_same_state_gives_the_same_bytes(node: World, answer):
    theo, project = make.person("theo"), project_of(answer)
    with pack.build(project, theo) as first, pack.build(project, theo) as second:
        assert first.read() == second.read()


def test_a_lead_has_their_own_without_events_whose_time_tells(node: World, answer, tmp_path):
    own, whole = packed(answer, "sam"), packed(answer)
    assert check(own, tmp_path)

    def names(files: Files) -> set[str]:
        return {json.loads(base64.b64decode(row["leaf"]))["event"] for row in rows(files, "events.jsonl")}

    assert "answer.persisted" in names(whole)
    assert not names(own) & pack.TIMED
    assert json.loads(own["manifest.json"])["audience"] == "lead"


def test_no_private_value_and_no_exact_time_of_a_run_is_in_a_pack(node: World, answer):
    run = AnalysisRequest.objects.get(pk=answer).run
    version = node.access().dataset.versions.get()
    files = packed(answer)
    text = b"".join(files.values()).decode()
    for private in (version.sha256, run.data_opened_at.isoformat(), "@hospital.example"):
        assert private not in text
    assert {row["status"] for row in rows(files, "runs.jsonl")} <= {"queued", "running", "finished", "failed"}


@pytest.mark.parametrize(
    ("name", "error"),
    [("charlie", NotFound), ("alice", NotAllowed), ("rita", NotAllowed), ("ada", NotAllowed)],
)
def test_nobody_else_has_it(node: World, answer, name, error):
    assert not pack.may_have(make.person(name), project_of(answer))
    with pytest.raises(error):
        pack.build(project_of(answer), make.person(name))


def test_an_answer_that_was_taken_back_leaves_its_trace_and_not_its_bytes(
    node: World, answer, tmp_path, settings
):
    settings.PUBLIC_REGISTER_SINCE = date(2020, 1, 1)
    project = project_of(answer)
    before = {each.title for each in register.outputs(project)}
    release = AnalysisRequest.objects.get(pk=answer).releases.get()
    incidents.revoke_release(release, reason="It shows too much.", by=make.person("alice"))
    files = packed(answer)
    assert check(files, tmp_path)
    assert f"answers/{release.sha256}.json" not in files
    assert [row["status"] for row in rows(files, "releases.jsonl")] == ["revoked"]
    assert before
    assert register.outputs(project) == []
    changed("releases.jsonl", lambda lines: lines[0].update(status="released"))(files)
    with pytest.raises(verify.VerificationError):
        check(signed_again(files), tmp_path)


def test_votes_stay_blind_until_they_decide(node: World, answer, tmp_path):
    waiting = make.request(make.Status.IN_REVIEW, on=node.access())
    Review.objects.create(revision=waiting.current, reviewer=make.person("rita"), vote="approve")
    with transaction.atomic():
        record(Event.REQUEST_VOTED, by=make.person("rita"), on=waiting, revision=1, vote="approve")
    files = packed(answer, "sam")
    assert check(files, tmp_path)
    assert waiting.pk not in {row["request"] for row in rows(files, "votes.jsonl")}
    leaves = [base64.b64decode(row["leaf"]).decode() for row in rows(files, "events.jsonl")]
    assert not any(waiting.pk in leaf and "request.voted" in leaf for leaf in leaves)


def test_a_large_pack_is_kept_on_disk(node: World, answer, monkeypatch):
    monkeypatch.setattr(pack, "IN_MEMORY", 100)
    with pack.build(project_of(answer), make.person("theo")) as file:
        assert file._rolled  # type: ignore[attr-defined]
        assert zipfile.is_zipfile(io.BytesIO(file.read()))


# --- Its pages, API and client --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status"),
    [("theo", 200), ("sam", 200), ("alice", 403), ("rita", 403), ("ada", 403), ("charlie", 404)],
)
def test_the_page_the_file_and_the_api_are_for_auditors_and_the_lead(node: World, answer, name, status):
    project, person = project_of(answer), make.person(name)
    browser = Client()
    browser.force_login(person)
    headers = {"authorization": f"Bearer {node.tokens[name]}"}
    for response in (
        browser.get(reverse("project_evidence", args=[project.pk])),
        browser.get(reverse("project_evidence_file", args=[project.pk])),
        Client().get(f"/api/v1/projects/{project.pk}/evidence/", headers=headers),
    ):
        assert response.status_code == status
        if response.streaming:
            b"".join(response.streaming_content)  # to its end, which closes what it reads from
    seen = browser.get(reverse("project", args=[project.pk])).content.decode()
    assert ("Take everything about it along" in seen) == (status == 200)


# --- The check of everything, by a worker ---------------------------------------------------------------------


def everything() -> verification.Check:
    theo = make.person("theo")
    asked = verification.ask(by=theo)
    assert asked.status == "queued"
    make.run_jobs("default")
    done = verification.latest(theo)[0]
    assert (done.key, done.status) == (asked.key, "finished")
    return done


def plant(sql: str, *values: object) -> None:
    triggers.lift(connection)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            assert cursor.rowcount > 0
    finally:
        triggers.install(connection)


def test_a_node_as_it_is_has_no_fault(node: World, answer):
    done = everything()
    assert done.report["findings"] == []
    assert done.is_whole
    assert done.report["answers"] >= 1
    assert done.report["releases"] >= 1
    assert done.report["charges"] >= 1


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("UPDATE audit_auditevent SET actor = 'x' WHERE \"index\" = 2", "event 2 does not say"),
        (
            "UPDATE ledger_account SET rho_spent = rho_spent - 1 WHERE rho_spent > 1",
            "another limit or balance",
        ),
        ("UPDATE ledger_account SET rho_limit = rho_limit + 1", "another limit or balance"),
        ("UPDATE ledger_charge SET state = 'RESERVED'", "stands otherwise than its events say"),
        ("UPDATE ledger_answer SET payload = CAST('other' AS {blob})", "changed after it was stored"),
        (
            "UPDATE ledger_answer SET payload = CAST('other' AS {blob}), sha256 = "
            "'d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa'",
            "not the one that the log knows",
        ),
        ("UPDATE requests_release SET sha256 = 'x'", "let out other bytes"),
    ],
)
def test_each_planted_fault_is_found(node: World, answer, sql, says):
    plant(sql.replace("{blob}", "bytea" if connection.vendor == "postgresql" else "BLOB"))
    done = everything()
    assert any(says in finding for finding in done.report["findings"]), done.report["findings"]
    assert not done.is_whole


def test_a_second_check_waits_for_the_first(node: World):
    theo = make.person("theo")
    first = verification.ask(by=theo)
    assert verification.ask(by=theo).key == first.key
    assert Job.objects.filter(kind="verification").count() == 1


@pytest.mark.parametrize("name", ["sam", "alice", "rita", "ada", "charlie"])
def test_only_auditors_ask_and_read(node: World, name):
    with pytest.raises(NotAllowed):
        verification.ask(by=make.person(name))
    with pytest.raises(NotAllowed):
        verification.latest(make.person(name))
