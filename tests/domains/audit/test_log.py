"""The log in the database: recording, proofs, the witness, and what a restored backup may not do."""

from __future__ import annotations

import base64
import json
import os
import stat
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from gridhouse import verify as offline

from domains import triggers
from domains.audit import checkpoints, keys, notes, proofs, queries
from domains.audit.checkpoints import Standing
from domains.audit.events import Event
from domains.audit.models import AuditEvent, AuditHead
from domains.audit.receipts import receipt
from domains.audit.recorder import canonical, commitment, record
from domains.audit.verify import verify_database
from domains.errors import IllegalMove, InvalidInput, NotFound
from domains.people.models import User

pytestmark = pytest.mark.django_db
COMMITS = pytest.mark.django_db(transaction=True)


def fill(count: int) -> None:
    """Record `count` events in one transaction."""
    with transaction.atomic():
        for number in range(count):
            record(Event.PERSON_SIGNED_IN, by="system", on=f"session:{number}", number=number)


def row_states() -> list[tuple[str, list[tuple[Any, ...]]]]:
    """Copy the log's tables, as a backup does."""
    saved = []
    with connection.cursor() as cursor:
        for table in ("audit_auditevent", "audit_auditnode", "audit_audithead"):
            cursor.execute(f"SELECT * FROM {table}")
            saved.append((table, cursor.fetchall()))
    return saved


def restore(saved: list[tuple[str, list[tuple[Any, ...]]]]) -> None:
    """Put a copy back over what is there, as restoring a backup does."""
    triggers.lift(connection)
    with connection.cursor() as cursor:
        for table, rows in saved:
            cursor.execute(f"DELETE FROM {table}")
            for row in rows:
                cursor.execute(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(row))})", row)
    triggers.install(connection)


def test_an_event_is_its_canonical_bytes_and_reads_back() -> None:
    with transaction.atomic():
        index = record(Event.REQUEST_SUBMITTED, by="policy:P:v3", on="request:R", revision=2, words="é")
    row = queries.one(index)
    assert queries.body(row)["details"] == {"revision": 2, "words": "é"}
    assert canonical(queries.body(row)) == bytes(row.body)
    assert (row.actor, row.subject_type, row.subject) == ("policy:P:v3", "request", "R")


def test_an_objects_and_a_persons_keys_are_what_is_kept_of_them() -> None:
    person = User.objects.create_user("sam@hospital.example", name="Sam Scientist")
    with transaction.atomic():
        index = record(Event.PERSON_SIGNED_IN, by=person, on=person)
    row = queries.one(index)
    assert (row.actor, row.subject_type, row.subject) == (person.pk, "user", person.pk)
    assert b"Sam" not in bytes(row.body)


def test_a_time_that_was_rounded_by_the_caller_is_the_time_that_is_kept() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 250000, tzinfo=UTC)
    with transaction.atomic():
        index = record(Event.RESULT_RELEASED, by="system", on="release:R", at=at)
    assert queries.body(queries.one(index))["at"] == "2026-01-02T03:04:05.250000Z"
    assert verify_database() == []


@COMMITS
def test_recording_outside_a_transaction_is_a_fault_of_the_caller() -> None:
    with pytest.raises(RuntimeError):
        record(Event.PERSON_SIGNED_IN, by="system", on="session:1")


def test_what_is_rolled_back_was_never_recorded() -> None:
    fill(3)
    with transaction.atomic():
        record(Event.PERSON_SIGNED_IN, by="system", on="session:1")
        transaction.set_rollback(True)
    assert proofs.length() == 3
    assert verify_database() == []


@pytest.mark.parametrize("value", [0.1, float("nan"), {"deep": [1, 2.0]}])
def test_a_float_is_refused_because_it_has_no_one_spelling(value: Any) -> None:
    with pytest.raises(TypeError), transaction.atomic():
        record(Event.PERSON_SIGNED_IN, by="system", on="session:1", value=value)


def test_a_commitment_hides_and_binds() -> None:
    salt = "0123456789abcdef"
    assert commitment("secret", salt) == commitment("secret", salt) != commitment("secret!", salt)
    assert commitment("secret", salt[::-1]) != commitment("secret", salt)
    with pytest.raises(ValueError, match="16"):
        commitment("secret", "short")


def test_stored_proofs_verify_and_cost_few_queries() -> None:
    fill(70)
    root = checkpoints.head().root
    for index in (0, 1, 63, 64, 69):
        with CaptureQueriesContext(
            connection,
        ) as seen:
            steps = proofs.inclusion(index)
        assert len(seen) <= 3
        leaf = offline.leaf_hash(bytes(queries.one(index).body))
        assert offline.verify_inclusion(leaf, index, 70, steps, root)
        assert offline.verify_inclusion(
            leaf, index, index + 1, proofs.inclusion(index, index + 1), proofs.root(index + 1)
        )
    for old in (0, 1, 33, 64, 70):
        assert offline.verify_consistency(old, 70, proofs.root(old), root, proofs.consistency(old, 70))


def test_what_the_log_has_not_is_not_found() -> None:
    fill(2)
    for ask in (
        lambda: proofs.inclusion(2), lambda: proofs.inclusion(0, 3), lambda: proofs.consistency(1, 3),
        lambda: proofs.consistency(2, 1), lambda: proofs.root(3), lambda: receipt(2), lambda: queries.one(2),
    ):  # fmt: skip
        with pytest.raises(NotFound):
            ask()


def test_events_are_found_by_any_filter() -> None:
    fill(3)
    with transaction.atomic():
        record(Event.CHARGE_VOIDED, by="ada", on="charge:C", at=datetime(2020, 1, 1, tzinfo=UTC))
    assert [row.index for row in queries.events()] == [3, 2, 1, 0]
    assert [row.index for row in queries.events(event="charge.")] == [3]
    assert [row.index for row in queries.events(event="charge")] == []
    assert [row.index for row in queries.events(actor="ada")] == [3]
    assert [row.index for row in queries.events(subject_type="session", subject="1")] == [1]
    assert [row.index for row in queries.events(until=datetime(2021, 1, 1, tzinfo=UTC))] == [3]
    assert [row.index for row in queries.events(since=datetime(2021, 1, 1, tzinfo=UTC))] == [2, 1, 0]


def test_a_receipt_verifies_offline_and_not_when_touched() -> None:
    fill(9)
    kept = json.loads(json.dumps(receipt(4)))
    assert offline.verify_receipt(kept, checkpoints.public_key()).body["details"] == {"number": 4}
    touched = {
        "leaf": base64.b64encode(b'{"index":4}').decode(), "index": 5, "proof": kept["proof"][:-1],
        "checkpoint": kept["checkpoint"].replace("\n9\n", "\n8\n"), "public_key": "x+00000000+AQ==", "kind": "other",
    }  # fmt: skip
    for name, value in touched.items():
        with pytest.raises(offline.VerificationError):
            offline.verify_receipt(kept | {name: value})


def test_a_receipt_signed_by_another_key_is_refused_by_those_who_know_the_key() -> None:
    fill(2)
    known = checkpoints.public_key()
    (keys.Path(keys.settings.KEY_DIR) / keys.LOG_KEY).unlink()
    with pytest.raises(offline.VerificationError, match="another public key"):
        offline.verify_receipt(receipt(0), known)


def test_keys_are_made_once_and_only_their_owner_may_read_them(home: Path) -> None:
    first = checkpoints.public_key()
    assert checkpoints.public_key() == first
    assert keys.fingerprint(b"x") == keys.fingerprint(b"x") != keys.fingerprint(b"y")
    for name in (keys.LOG_KEY, keys.DOMAIN_KEY):
        path = home / "key" / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o640)
    with pytest.raises(ImproperlyConfigured):
        checkpoints.public_key()
    with pytest.raises(ImproperlyConfigured):
        keys.fingerprint(b"x")


def test_two_domains_give_the_same_bytes_different_fingerprints(home: Path) -> None:
    first = keys.fingerprint(b"x")
    (home / "key" / keys.DOMAIN_KEY).unlink()
    assert keys.fingerprint(b"x") != first


# --- The witness ------------------------------------------------------------------------------------------------


def people() -> tuple[User, User]:
    ada, bea = (User.objects.create_user(f"{name}@hospital.example", name=name) for name in ("ada", "bea"))
    return ada, bea


def test_a_new_node_has_no_witness_and_needs_none() -> None:
    assert checkpoints.compare().standing == Standing.SOUND
    fill(1)
    assert not checkpoints.is_behind()


def test_the_witness_is_the_newest_checkpoint_on_disk(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda handle: (synced.append(os.readlink(f"/proc/self/fd/{handle}")), real(handle))
    )
    fill(3)
    checkpoints.witness()
    witness = home / "witness"
    assert str(witness) in synced
    assert any(name.startswith(f"{witness}/.checkpoint") for name in synced)
    assert offline.open_note((witness / "checkpoint").read_text(), checkpoints.public_key()).size == 3
    fill(2)
    assert checkpoints.witness().size == 5
    assert not checkpoints.is_behind()


@COMMITS
def test_only_what_is_durable_may_be_witnessed() -> None:
    fill(1)
    with transaction.atomic(), pytest.raises(RuntimeError):
        checkpoints.witness()


def broken(what: str, home: Path) -> Standing:
    """Break the log or its witness in one way and return how they should stand then."""
    witness = home / "witness" / "checkpoint"
    fill(3)
    saved = row_states()
    fill(2)
    checkpoints.witness()
    if what == "restored backup":
        restore(saved)
        return Standing.BEHIND
    if what == "restored backup that went on":
        restore(saved)
        fill(4)
        return Standing.FORKED
    if what == "restored backup of the same length":
        restore(saved)
        fill(2)
        return Standing.FORKED
    if what == "missing witness":
        witness.unlink()
        return Standing.MISSING
    witness.write_text(witness.read_text().replace("\n5\n", "\n4\n"))
    return Standing.UNREADABLE


WAYS = (
    "restored backup", "restored backup that went on", "restored backup of the same length", "missing witness",
    "edited witness",
)  # fmt: skip


@COMMITS
@pytest.mark.parametrize("what", WAYS)
def test_a_log_that_does_not_lead_to_its_witness_is_refused_until_two_people_reconcile(
    what: str, home: Path
) -> None:
    expected = broken(what, home)
    assert checkpoints.compare().standing == expected
    with pytest.raises(IllegalMove) as refused:
        checkpoints.require_not_behind()
    assert refused.value.code == "ledger_behind_witness"
    with pytest.raises(IllegalMove):
        checkpoints.witness()
    assert len(verify_database()) == 1
    ada, bea = people()
    index = checkpoints.reconcile(by=ada, confirmed_by=bea, reason="The disk failed.")
    details = queries.body(queries.one(index))["details"]
    assert (details["standing"], details["confirmed_by"]) == (expected.value, bea.pk)
    assert not checkpoints.is_behind()
    assert verify_database() == []
    if what != "missing witness":
        assert (home / "witness" / f"checkpoint.before-{index}").exists()


def test_reconciling_takes_two_people_a_reason_and_a_difference(home: Path) -> None:
    ada, bea = people()
    with pytest.raises(IllegalMove):
        checkpoints.reconcile(by=ada, confirmed_by=bea, reason="Nothing is wrong.")
    broken("missing witness", home)
    with pytest.raises(IllegalMove):
        checkpoints.reconcile(by=ada, confirmed_by=ada, reason="I am sure.")
    with pytest.raises(InvalidInput):
        checkpoints.reconcile(by=ada, confirmed_by=bea, reason=" ")
    assert checkpoints.is_behind()


def test_a_witness_signed_by_another_key_is_not_believed(home: Path) -> None:
    fill(2)
    checkpoints.witness()
    (home / "key" / keys.LOG_KEY).unlink()
    assert checkpoints.compare().standing == Standing.UNREADABLE


@pytest.mark.parametrize("text", ["", "a\nb\nc\n\n— a b\n", "origin\n1\n!!!\n\n— origin AAAA\n"])
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(notes.NoteInvalid):
        notes.read(text, keys.log_key().public_key())
    with pytest.raises(offline.VerificationError):
        offline.open_note(text, checkpoints.public_key())


# --- Checking the stored log ------------------------------------------------------------------------------------

PLANTED = {
    "event 2 was changed": "UPDATE audit_auditevent SET body = leaf WHERE \"index\" = 2",
    "event 2 does not say": "UPDATE audit_auditevent SET actor = 'nobody' WHERE \"index\" = 2",
    "event 2 is missing": "DELETE FROM audit_auditevent WHERE \"index\" = 2",
    "node 1/0 is not": "UPDATE audit_auditnode SET hash = (SELECT root FROM audit_audithead) WHERE level = 1",
    "node 1/0 is not the hash": "DELETE FROM audit_auditnode WHERE level = 1 AND position = 0",
    "node 9/9 covers": "INSERT INTO audit_auditnode (level, position, hash) SELECT 9, 9, root FROM audit_audithead",
    "the head counts": "UPDATE audit_audithead SET size = 4",
    "the head's root": "UPDATE audit_audithead SET root = (SELECT leaf FROM audit_auditevent WHERE \"index\" = 0)",
}  # fmt: skip


@pytest.mark.parametrize(("finding", "planted"), PLANTED.items())
def test_each_planted_fault_is_found(finding: str, planted: str) -> None:
    fill(5)
    assert verify_database() == []
    triggers.lift(connection)
    with connection.cursor() as cursor:
        cursor.execute(planted)
    found = verify_database()
    assert any(line.startswith(finding) for line in found), found
    with pytest.raises(CommandError):
        call_command("verify_audit", stdout=StringIO())


def test_the_command_says_ok_and_exports_what_the_offline_verifier_needs(tmp_path: Path) -> None:
    fill(5)
    checkpoints.witness()
    out = StringIO()
    call_command("verify_audit", export=tmp_path / "out", stdout=out)
    assert "OK: 5 events" in out.getvalue()
    folder = tmp_path / "out"
    assert (
        offline.main(["log", *(str(folder / name) for name in ("events.jsonl", "checkpoint", "public_key"))])
        == 0
    )


def test_the_head_is_one_row_and_counts_every_event() -> None:
    fill(4)
    assert AuditHead.objects.count() == 1
    assert AuditHead.objects.get().size == AuditEvent.objects.count() == 4


def test_an_audit_event_never_lies_about_its_own_time() -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    fill(1)
    assert before < queries.one(0).at < datetime.now(UTC) + timedelta(seconds=1)
