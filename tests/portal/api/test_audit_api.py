"""The log over REST: anyone checks it, auditors read it, and its numbers are taken from nobody on trust."""

import base64
import json

import pytest
from gridhouse import verify

from domains.audit import recorder
from domains.audit.events import Event


def key_of(call):
    return call("").get("audit/key/").json()["public_key"]


def hashes(proof):
    return [base64.b64decode(step) for step in proof]


@pytest.mark.parametrize("who", ["", "charlie", "theo"])
def test_anyone_reads_the_checkpoint_and_it_is_signed(call, who):
    note = call(who).get("audit/checkpoint/")
    assert note["Content-Type"].startswith("text/plain")
    assert verify.open_note(note.content.decode(), key_of(call)).size > 0


def test_anyone_proves_that_a_leaf_is_in_the_log(call):
    head = verify.open_note(call("").get("audit/checkpoint/").content.decode(), key_of(call))
    leaf = json.loads(call("theo").get("audit/export/").getvalue().decode().splitlines()[3])
    found = call("").get("audit/proofs/inclusion/", index=3, size=head.size).json()
    hashed = verify.leaf_hash(base64.b64decode(leaf["leaf"]))
    assert verify.verify_inclusion(hashed, 3, head.size, hashes(found["proof"]), head.root)
    assert not verify.verify_inclusion(hashed, 4, head.size, hashes(found["proof"]), head.root)


def test_anyone_proves_that_the_log_only_grew(node, call):
    old = verify.open_note(call("").get("audit/checkpoint/").content.decode(), key_of(call))
    recorder.record(Event.DATASET_EDITED, by="system", on="dataset:x")
    new = verify.open_note(call("").get("audit/checkpoint/").content.decode(), key_of(call))
    found = call("").get("audit/proofs/consistency/", old=old.size).json()
    assert found["new"] == new.size == old.size + 1
    proof = hashes(found["proof"])
    assert verify.verify_consistency(old.size, new.size, old.root, new.root, proof)
    assert not verify.verify_consistency(old.size, new.size, new.root, new.root, proof)


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("inclusion", {"index": 10**9}, 404),
        ("inclusion", {"index": 0, "size": 10**9}, 404),
        ("inclusion", {"index": 5, "size": 5}, 404),
        ("consistency", {"old": 2, "new": 1}, 404),
        ("consistency", {"old": 0, "new": 10**9}, 404),
        ("inclusion", {}, 422),
        ("inclusion", {"index": -1}, 422),
        ("inclusion", {"index": "one"}, 422),
        ("inclusion", {"index": 10**30}, 422),
        ("consistency", {"old": "NaN"}, 422),
    ],
)
def test_proofs_of_what_is_not_there_are_refused(call, path, params, status):
    answer = call("").get(f"audit/proofs/{path}/", **params)
    assert answer.status_code in ({400, 422} if status == 422 else {status})


def test_the_whole_log_exported_is_verified_offline(call, tmp_path):
    lines = call("theo").get("audit/export/").getvalue().decode().splitlines()
    note = call("").get("audit/checkpoint/").content.decode()
    assert verify.verify_log(lines, note, key_of(call)).size == len(lines)
    changed = [*lines[:2], lines[3], lines[2], *lines[4:]]
    with pytest.raises(verify.VerificationError):
        verify.verify_log(changed, note, key_of(call))


def test_auditors_list_events_newest_first_and_narrow_them(call):
    rows = call("theo").get("audit/events/").json()["results"]
    indexes = [row["index"] for row in rows]
    assert indexes == sorted(indexes, reverse=True)
    tokens = call("theo").get("audit/events/", event="token.").json()["results"]
    assert {row["event"] for row in tokens} == {"token.created"}
    assert call("theo").get("audit/events/", since="yesterday").status_code in {400, 422}


def test_events_come_in_pages(node, call):
    for _ in range(60):
        recorder.record(Event.DATASET_EDITED, by="system", on="dataset:x")
    first = call("theo").get("audit/events/", event="dataset.edited").json()
    assert len(first["results"]) == 50
    cursor = first["next"].split("cursor=")[1].split("&")[0]
    import urllib.parse

    rest = (
        call("theo").get("audit/events/", event="dataset.edited", cursor=urllib.parse.unquote(cursor)).json()
    )
    assert len(rest["results"]) >= 10
    assert rest["next"] is None


@pytest.mark.parametrize("path", ["audit/events/", "audit/export/"])
@pytest.mark.parametrize(
    ("who", "status"),
    [("", 401), ("charlie", 403), ("sam", 403), ("alice", 403), ("ada", 403), ("theo", 200)],
)
def test_only_auditors_read_events(call, who, status, path):
    assert call(who).get(path).status_code == status


def test_the_verifier_is_offered_as_the_file_it_is(call):
    answer = call("").get("audit/verifier/")
    assert answer.status_code == 200
    with open(verify.__file__, "rb") as file:
        assert answer.content == file.read()


def test_the_log_is_only_read(call):
    for path in ("checkpoint", "proofs/inclusion", "proofs/consistency", "key", "verifier"):
        assert call("").post(f"audit/{path}/").status_code == 405
    for path in ("events", "export"):
        assert call("theo").post(f"audit/{path}/").status_code == 405


def test_events_are_found_by_project_dataset_actor_and_words(node, call):
    grant = node.access()
    of_project = call("theo").get("audit/events/", project=grant.project_id).json()["results"]
    assert {row["event"] for row in of_project} >= {"project.approved", "grant.allocated"}
    of_dataset = call("theo").get("audit/events/", dataset="support2", event="version.").json()["results"]
    assert "version.published" in {row["event"] for row in of_dataset}
    assert call("theo").get("audit/events/", actor="Alice", text="support2").json()["results"]
    refused = call("theo").get("audit/events/", dataset="nowhere")
    assert (refused.status_code, refused.json()["code"]) == (422, "filter_invalid")


def test_a_selection_and_a_check_over_the_api(node, call):
    from tests import make

    lines = (
        call("theo").get("audit/selection/", event="token.", kind="jsonl").getvalue().decode().splitlines()
    )
    assert json.loads(lines[0])["kind"] == "gridhouse-audit-selection/1"
    assert call("theo").get("audit/selection/", kind="csv").getvalue().startswith(b"index,at")
    asked = call("theo").post("audit/checks/")
    assert (asked.status_code, asked.json()["status"]) == (202, "queued")
    make.run_jobs("default")
    (done,) = call("theo").get("audit/checks/").json()
    assert (done["status"], done["is_whole"], done["report"]["findings"]) == ("finished", True, [])
    assert call("theo").get("audit/witness/").json()["standing"] == "sound"
    for path in ("audit/selection/", "audit/checks/", "audit/witness/"):
        assert call("ada").get(path).status_code == 403
    assert call("sam").post("audit/checks/").status_code == 403
