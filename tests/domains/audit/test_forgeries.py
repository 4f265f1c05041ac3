"""The offline verifier as a program of its own, against somebody who holds the database and even the real key."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gridhouse import verify

from domains.audit import notes
from domains.audit.notes import Checkpoint
from domains.audit.recorder import canonical

ORIGIN = "domain.example/audit"
KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
PUBLIC = notes.verifier_key(ORIGIN, KEY.public_key())
EVENTS = [canonical({"index": index, "event": "charge.committed", "details": {}}) for index in range(50)]


def lines(bodies: list[bytes]) -> list[str]:
    return [
        json.dumps({"index": index, "leaf": base64.b64encode(body).decode()})
        for index, body in enumerate(bodies)
    ]


def signed(bodies: list[bytes], key: Ed25519PrivateKey = KEY, origin: str = ORIGIN) -> str:
    tree = verify.Frontier()
    for body in bodies:
        tree.append(verify.leaf_hash(body))
    return notes.sign(Checkpoint(origin, tree.size, tree.root()), key)


def renumbered(bodies: list[bytes]) -> list[bytes]:
    return [canonical(json.loads(body) | {"index": index}) for index, body in enumerate(bodies)]


EDITED = [*EVENTS[:10], canonical({"index": 10, "event": "charge.voided", "details": {}}), *EVENTS[11:]]
Forgery = Callable[[], dict[str, object]]
FORGERIES: dict[str, Forgery] = {
    "an edited event": lambda: {"export": lines(EDITED)},
    "a deleted event": lambda: {"export": lines(EVENTS[:10] + EVENTS[11:])},
    "a deleted event, the rest renumbered": lambda: {"export": lines(renumbered(EVENTS[:10] + EVENTS[11:]))},
    "a deleted last event": lambda: {"export": lines(EVENTS[:-1])},
    "an inserted event": lambda: {"export": lines([*EVENTS[:10], EVENTS[10], *EVENTS[10:]])},
    "two events swapped": lambda: {"export": lines([EVENTS[1], EVENTS[0], *EVENTS[2:]])},
    "everything rewritten and signed with the real key": lambda: {
        "export": lines(EDITED), "checkpoint": signed(EDITED), "old": signed(EVENTS[:30]),
    },
    "everything rewritten, and the witness is older than the edit": lambda: {
        "export": lines(EDITED), "checkpoint": signed(EDITED), "witness": signed(EVENTS[:11]),
    },
    "a restored backup": lambda: {
        "export": lines(EVENTS[:20]), "checkpoint": signed(EVENTS[:20]), "old": signed(EVENTS[:30]),
    },
    "a restored backup, told by the witness": lambda: {
        "export": lines(EVENTS[:20]), "checkpoint": signed(EVENTS[:20]), "witness": signed(EVENTS),
    },
    "a missing witness": lambda: {"witness": None},
    "an edited checkpoint": lambda: {"checkpoint": signed(EVENTS).replace("\n50\n", "\n49\n")},
    "an edited witness": lambda: {"witness": signed(EVENTS).replace("\n50\n", "\n49\n")},
    "a checkpoint signed by another key": lambda: {"checkpoint": signed(EVENTS, OTHER)},
    "a checkpoint without a signature": lambda: {"checkpoint": signed(EVENTS).partition("—")[0]},
    "an old checkpoint of another log": lambda: {"old": signed(EVENTS[:30], OTHER, "other.example/audit")},
    "a line that is not JSON": lambda: {"export": [*lines(EVENTS)[:5], "not json"]},
    "a leaf that is not base64": lambda: {"export": [json.dumps({"index": 0, "leaf": "!"})]},
    "another public key": lambda: {"key": notes.verifier_key(ORIGIN, OTHER.public_key())},
    "a public key that is none": lambda: {"key": "key"},
}  # fmt: skip


def check(folder: Path, **changes: object) -> subprocess.CompletedProcess[str]:
    """Write the files and run verify.py as an outsider does: alone, in a folder without the project."""
    files = {
        "export": lines(EVENTS),
        "checkpoint": signed(EVENTS),
        "old": signed(EVENTS[:30]),
        "witness": signed(EVENTS[:40]),
    }
    files |= changes
    export = files["export"]
    assert isinstance(export, list)
    (folder / "export").write_text("\n".join(export) + "\n")
    for name in ("checkpoint", "old", "witness"):
        if files[name] is not None:
            (folder / name).write_text(str(files[name]))
    program = folder / "verify.py"
    program.write_bytes(Path(verify.__file__).read_bytes())
    words = [
        "log",
        "export",
        "checkpoint",
        str(files.get("key", PUBLIC)),
        "--old",
        "old",
        "--witness",
        "witness",
    ]
    command = [sys.executable, "-I", str(program), *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_an_honest_log_verifies(tmp_path: Path) -> None:
    done = check(tmp_path)
    assert (done.returncode, done.stdout[:13]) == (0, "OK: 50 events"), done.stdout + done.stderr


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_caught(tmp_path: Path, name: str) -> None:
    done = check(tmp_path, **FORGERIES[name]())
    assert done.returncode == 1, done.stdout
    assert done.stdout.startswith("FAILED: ")
    assert done.stderr == ""


def test_without_an_older_checkpoint_a_rewritten_history_is_not_seen() -> None:
    """The honest limit: who kept nothing from before cannot tell."""
    assert verify.verify_log(lines(EDITED), signed(EDITED), PUBLIC).size == 50


def test_events_after_the_checkpoint_do_not_disturb_it() -> None:
    assert verify.verify_log(lines(EVENTS), signed(EVENTS[:30]), PUBLIC).size == 30
    assert verify.verify_log([], signed([]), PUBLIC).size == 0


def receipt() -> dict[str, object]:
    root = verify.node_hash(verify.leaf_hash(EVENTS[0]), verify.leaf_hash(EVENTS[1]))
    return {
        "kind": verify.RECEIPT_KIND,
        "origin": ORIGIN,
        "index": 1,
        "size": 2,
        "leaf": base64.b64encode(EVENTS[1]).decode(),
        "proof": [base64.b64encode(verify.leaf_hash(EVENTS[0])).decode()],
        "checkpoint": notes.sign(Checkpoint(ORIGIN, 2, root), KEY),
        "public_key": PUBLIC,
    }


def test_a_receipt_in_a_file_verifies_with_and_without_the_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, key = tmp_path / "receipt.json", tmp_path / "key"
    path.write_text(json.dumps(receipt()))
    key.write_text(PUBLIC + "\n")
    assert verify.main([str(path)]) == 0
    assert "compare it with one you trust" in capsys.readouterr().out
    assert verify.main([str(path), "--key", str(key)]) == 0
    assert verify.main([str(path), "--key", notes.verifier_key(ORIGIN, OTHER.public_key())]) == 1
    assert verify.main([str(tmp_path / "absent.json")]) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"proof": 3}, {"index": "one"}, {"index": 0}, {"leaf": "ÿ"}, {"leaf": base64.b64encode(EVENTS[2]).decode()},
        {"checkpoint": notes.sign(Checkpoint("x", 2, b"0" * 32), KEY)},
        {"public_key": PUBLIC.replace("domain", "other")},
    ],
)  # fmt: skip
def test_a_touched_receipt_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(verify.VerificationError):
        verify.verify_receipt(receipt() | changes)


def test_a_receipt_that_lacks_a_part_is_refused() -> None:
    for name in receipt():
        if name not in {"size", "origin"}:  # for people; what counts is in the checkpoint
            with pytest.raises(verify.VerificationError):
                verify.verify_receipt({key: value for key, value in receipt().items() if key != name})
