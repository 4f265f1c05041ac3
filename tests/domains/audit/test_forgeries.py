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
EVENTS = [canonical({"index": index, "event": "person.signed_in", "details": {}}) for index in range(50)]


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


EDITED = [*EVENTS[:10], canonical({"index": 10, "event": "person.signed_out", "details": {}}), *EVENTS[11:]]
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


# --- The books in the log ---------------------------------------------------------------------------------------


def cap(rho: int, pure: int) -> dict[str, int]:
    return {"rho": rho, "delta": 0, "pure": pure}


def charged(event: str, key: str, **amounts: int) -> dict[str, object]:
    more = {"accounts": ["top", "own"]} if event == "reserved" else {}
    return {"event": f"charge.{event}", "subject": key, "details": cap(**amounts) | more}


SPENDING: list[dict[str, object]] = [
    {"event": "account.opened", "subject": "top", "details": cap(10, 10)},
    {"event": "account.opened", "subject": "own", "details": cap(5, 5)},
    charged("reserved", "a", rho=0, pure=5),
    charged("voided", "a", rho=0, pure=5),
    charged("reserved", "b", rho=1, pure=4),
    charged("committed", "b", rho=1, pure=4),
    charged("reserved", "c", rho=4, pure=1),
    charged("committed", "c", rho=4, pure=1),
]
RAISED: dict[str, object] = {
    "event": "limit.changed",
    "subject": "own",
    "details": cap(5, 6) | {"rho_before": 5, "delta_before": 0, "pure_before": 5},
}
UNSOUND: dict[str, list[dict[str, object]]] = {
    "one unit of pure ε too much": [*SPENDING, charged("reserved", "d", rho=0, pure=1)],
    "one unit of ρ too much": [*SPENDING, charged("reserved", "d", rho=1, pure=0)],
    "a charge on an account that was never opened": SPENDING[2:],
    "a charge that is settled twice": [*SPENDING, charged("voided", "b", rho=1, pure=4)],
    "a charge that is settled at less": [*SPENDING[:5], charged("committed", "b", rho=1, pure=3)],
    "a charge that is settled and never reserved": [*SPENDING[:2], charged("committed", "b", rho=1, pure=4)],
    "a charge that is reserved twice": [*SPENDING[:3], SPENDING[2]],
    "an account that is opened twice": [*SPENDING[:2], SPENDING[0]],
    "an account that is opened again to forget": [*SPENDING, SPENDING[1]],
    "a cap that was another before": [*SPENDING, RAISED, RAISED],
    "a cap lowered below what is spent": [
        *SPENDING,
        RAISED | {"details": cap(5, 4) | {"rho_before": 5, "delta_before": 0, "pure_before": 5}},
    ],
    "an amount below nothing": [*SPENDING[:2], charged("reserved", "a", rho=0, pure=-1)],
    "an amount that is missing": [{"event": "account.opened", "subject": "top", "details": {"rho": 1}}],
}  # fmt: skip


def log_of(events: list[dict[str, object]]) -> list[bytes]:
    return [canonical(event | {"index": index}) for index, event in enumerate(events)]


def test_sound_books_verify_in_every_currency() -> None:
    for events in (SPENDING, [*SPENDING, RAISED, charged("reserved", "d", rho=0, pure=1)]):
        bodies = log_of(events)
        assert verify.verify_log(lines(bodies), signed(bodies), PUBLIC).size == len(events)


def test_a_log_from_before_there_was_pure_epsilon_still_verifies() -> None:
    old = [
        event | {"details": {name: n for name, n in event["details"].items() if name != "pure"}}  # type: ignore[attr-defined]
        for event in [*SPENDING[:2], charged("reserved", "a", rho=1, pure=0)]
    ]
    bodies = log_of(old)
    assert verify.verify_log(lines(bodies), signed(bodies), PUBLIC).size == 3


@pytest.mark.parametrize("name", UNSOUND)
def test_a_well_signed_log_whose_books_do_not_hold_is_refused(name: str) -> None:
    """The planted faults: a node that signs what it should not have allowed."""
    bodies = log_of(UNSOUND[name])
    with pytest.raises(verify.VerificationError):
        verify.verify_log(lines(bodies), signed(bodies), PUBLIC)
