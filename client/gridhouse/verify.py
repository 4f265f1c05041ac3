"""Checks a receipt, an evidence pack, or a whole exported audit log, with nothing of the node that made it.

One file: Python's standard library and `cryptography`. It may be copied anywhere and read in one sitting.

    python verify.py receipt.json [--key NAME+ID+KEY]
    python verify.py pack evidence.zip [--key NAME+ID+KEY]
    python verify.py log EXPORT CHECKPOINT PUBKEY [--old CHECKPOINT]... [--witness CHECKPOINT]

A log is also read as books: no charge may go over a cap of any account in any currency (ρ, δ, pure ε).

Formats: RFC 9162 §2.1 for the tree, c2sp.org/tlog-checkpoint and c2sp.org/signed-note for checkpoints.
What it cannot know: events that were gone before the first checkpoint anybody outside kept.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_ED25519 = b"\x01"  # the algorithm's byte in a note's key
RECEIPT_KIND, PACK_KIND = "gridhouse-receipt/1", "gridhouse-evidence/1"
UNITS = {"rho": 10**12, "delta": 10**18, "pure": 10**12}  # currencies of a loss, and how many units make 1
_BOOKED = {"account.opened", "limit.changed", "charge.reserved", "charge.committed", "charge.voided"}


class VerificationError(Exception):
    """Something does not prove what it says; the message says what, in one sentence."""


@dataclass(frozen=True)
class Checkpoint:
    """A log's size (leaves) and root (32 bytes) under its origin's name, as its key signed them."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True)
class Leaf:
    """A proven event: its place in the log, its decoded body, and the checkpoint that covers it."""

    index: int
    body: dict[str, Any]
    checkpoint: Checkpoint


def leaf_hash(body: bytes) -> bytes:
    """Return the hash of one leaf: SHA-256 of 0x00 and the body."""
    return hashlib.sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of one interior node: SHA-256 of 0x01, left and right."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Say whether `proof` shows leaf hash `leaf` at `index` of the tree with `size` and `root` (§2.1.3.2)."""
    if not 0 <= index < size:
        return False
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Say whether `proof` shows that the tree of `new` leaves extends the one of `old` (§2.1.4.2)."""
    if old == new:
        return old_root == new_root and not proof
    if old == 0:
        return not proof and old_root == hashlib.sha256(b"").digest()
    if not 0 < old < new or not proof:
        return False
    steps = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = steps[0]
    for c in steps[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == old_root and sr == new_root


class Frontier:
    """A tree that grows leaf by leaf in O(log n) memory and knows its root at every size."""

    def __init__(self) -> None:
        """Start with no leaf."""
        self.size = 0
        self._hashes: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        position = self.size
        while position & 1:
            leaf, position = node_hash(self._hashes.pop(), leaf), position >> 1
        self._hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of what was added so far."""
        if not self._hashes:
            return hashlib.sha256(b"").digest()
        root = self._hashes[-1]
        for left in reversed(self._hashes[:-1]):
            root = node_hash(left, root)
        return root


def _bytes(text: object, what: str) -> bytes:
    try:
        return base64.b64decode(str(text).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise VerificationError(f"{what} is not base64.") from error


def read_key(text: str) -> tuple[str, bytes]:
    """Return the name and the 32 bytes of a public key written as `name+key id+key`."""
    parts = text.strip().split("+", 2)
    packed = _bytes(parts[2], "The public key") if len(parts) == 3 else b""
    if len(packed) != 33 or packed[:1] != _ED25519:
        raise VerificationError("The public key is not an Ed25519 key of the form name+id+key.")
    name, raw = parts[0], packed[1:]
    if _key_id(name, raw).hex() != parts[1]:
        raise VerificationError("The public key's id does not belong to its name and bytes.")
    return name, raw


def _key_id(name: str, raw: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + raw).digest()[:4]


def open_text(note: str, public_key: str) -> list[str]:
    """Return the lines of a signed note; raise VerificationError unless `public_key` signed it."""
    name, raw = read_key(public_key)
    text, _, signatures = note.partition("\n\n")
    text += "\n"
    for line in signatures.splitlines():
        mark, _, rest = line.partition(" ")
        signer, _, packed = rest.partition(" ")
        if mark != "—" or signer != name:
            continue
        signature = _bytes(packed, "The checkpoint's signature")
        if signature[:4] == _key_id(name, raw):
            _require_signed(raw, signature, text)
            return text.split("\n")
    raise VerificationError("The checkpoint is not signed by the log's key.")


def open_note(note: str, public_key: str) -> Checkpoint:
    """Return the checkpoint in a signed note; raise VerificationError unless `public_key` signed it."""
    lines = note.partition("\n\n")[0].split("\n")
    if len(lines) < 3 or not lines[1].isdecimal():
        raise VerificationError("This is not a checkpoint.")
    origin, size, root, *_ = open_text(note, public_key)
    return Checkpoint(origin, int(size), _bytes(root, "The root"))


def _require_signed(raw: bytes, signature: bytes, text: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature[4:], text.encode())
    except InvalidSignature as error:
        raise VerificationError("The checkpoint was changed after it was signed.") from error


def verify_receipt(receipt: dict[str, Any], public_key: str | None = None) -> Leaf:
    """Return the event that a receipt proves; raise VerificationError if it proves none.

    Without `public_key` the receipt's own is used, which shows that it is whole but not whose it is:
    compare that key with one you had from elsewhere.
    """
    if receipt.get("kind") != RECEIPT_KIND:
        raise VerificationError(f"This is not a receipt of the kind {RECEIPT_KIND}.")
    try:
        key, note = str(receipt["public_key"]), str(receipt["checkpoint"])
        body, index = _bytes(receipt["leaf"], "The leaf"), int(receipt["index"])
        proof = [_bytes(step, "The proof") for step in receipt["proof"]]
    except (KeyError, TypeError, ValueError) as error:
        raise VerificationError("The receipt lacks a part, or a part has the wrong form.") from error
    if public_key is not None and key.strip() != public_key.strip():
        raise VerificationError("The receipt names another public key than the one expected.")
    checkpoint = open_note(note, key)
    if checkpoint.origin != read_key(key)[0]:
        raise VerificationError("The checkpoint is of another log than the key.")
    if not verify_inclusion(leaf_hash(body), index, checkpoint.size, proof, checkpoint.root):
        raise VerificationError("The event is not in the log that the checkpoint signs.")
    value = _json(body)
    if value.get("index") != index:
        raise VerificationError("The event says that it stands at another place in the log.")
    return Leaf(index, value, checkpoint)


def _json(text: bytes | str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise VerificationError("A line or an event is not JSON.") from error
    if not isinstance(value, dict):
        raise VerificationError("A line or an event is not a JSON object.")
    return value


def verify_log(
    lines: Iterable[str],
    checkpoint: str,
    public_key: str,
    *,
    old: Sequence[str] = (),
    witness: str | None = None,
) -> Checkpoint:
    """Return the checkpoint that the exported `lines` bear out; raise VerificationError at the first fault.

    `old` are checkpoints of the same log that somebody kept, `witness` the node's anti-rollback file: the
    log must lead to each of them, which is what catches a history that was rewritten and signed again.
    """
    now = open_note(checkpoint, public_key)
    if now.origin != read_key(public_key)[0]:
        raise VerificationError("The checkpoint is of another log than the key.")
    kept = [open_note(note, public_key) for note in (*old, *([witness] if witness is not None else []))]
    for earlier in kept:
        if earlier.origin != now.origin:
            raise VerificationError("An older checkpoint is of another log.")
        if earlier.size > now.size:
            raise VerificationError(
                f"The log has {now.size} events, and {earlier.size} were seen before: a backup was restored."
            )
    _replay(lines, now, kept)
    return now


class Books:
    """The accounts as the events tell of them: each cap, what is taken under it, and every charge's loss."""

    def __init__(self) -> None:
        """Start with no account."""
        self.caps: dict[str, dict[str, int]] = {}
        self.taken: dict[str, dict[str, int]] = {}
        self.charges: dict[str, tuple[dict[str, int], list[str]]] = {}  # empty once settled

    def read(self, body: dict[str, Any]) -> None:
        """Follow one event; raise VerificationError where it breaks a cap or contradicts an earlier one."""
        event, subject, details = str(body.get("event")), str(body.get("subject")), body.get("details")
        if event not in _BOOKED:
            return
        try:
            accounts = self._follow(event, subject, details or {})
            over = [c for key in accounts for c in UNITS if self.taken[key][c] > self.caps[key][c]]
        except (KeyError, TypeError, ValueError) as error:
            raise VerificationError(f"Event {body.get('index')} contradicts the books before it.") from error
        if over:
            raise VerificationError(f"Event {body.get('index')} puts an account over its cap in {over[0]}.")

    def _follow(self, event: str, subject: str, details: dict[str, Any]) -> list[str]:
        """Return the accounts that an event changes, changed; raise KeyError or ValueError where it cannot be."""
        amounts, first = _amounts(details), event in {"account.opened", "charge.reserved"}
        if first and (subject in self.caps or subject in self.charges):
            raise ValueError("opened or reserved twice")
        if event == "charge.reserved":
            accounts = [str(key) for key in details["accounts"]]
            self.charges[subject] = amounts, accounts
            return self._take(accounts, amounts, 1)
        if event.startswith("charge."):
            loss, accounts = self.charges[subject]
            if loss != amounts:
                raise ValueError("settled twice, or at another loss")
            self.charges[subject] = {}, []
            return self._take(accounts, loss, -1) if event == "charge.voided" else accounts
        if not first and self.caps[subject] != _amounts(details, "_before"):
            raise ValueError("the cap was another")
        self.caps[subject] = amounts
        self.taken.setdefault(subject, dict.fromkeys(UNITS, 0))
        return [subject]

    def _take(self, accounts: list[str], loss: dict[str, int], sign: int) -> list[str]:
        for account in accounts:
            self.taken[account] = {c: n + sign * loss[c] for c, n in self.taken[account].items()}
        return accounts


def _amounts(details: dict[str, Any], suffix: str = "") -> dict[str, int]:
    """Return an event's loss or cap by currency; logs from before there was pure ε do not name it."""
    amounts = {name: int(details[f"{name}{suffix}"]) for name in ("rho", "delta")}
    amounts["pure"] = int(details.get(f"pure{suffix}", 0))
    if min(amounts.values()) < 0:
        raise ValueError("an amount below 0")
    return amounts


def _replay(lines: Iterable[str], now: Checkpoint, kept: Sequence[Checkpoint]) -> None:
    """Rebuild the tree from the leaves and compare its root at every size that was signed; follow the books."""
    tree, books = Frontier(), Books()
    _compare(tree, kept)
    for line in lines:
        row = _json(line)
        body = _bytes(row.get("leaf"), "A leaf")
        event = _json(body)
        if row.get("index") != tree.size or event.get("index") != tree.size:
            raise VerificationError(f"Event {tree.size} is missing, or one was put in before it.")
        tree.append(leaf_hash(body))
        books.read(event)
        _compare(tree, kept)
        if tree.size == now.size:
            break  # later events are covered by a later checkpoint
    if tree.size != now.size:
        raise VerificationError(f"There are {tree.size} events, and the checkpoint signs {now.size}.")
    if tree.root() != now.root:
        raise VerificationError("An event was changed, taken out or put in: the root is another.")


def _compare(tree: Frontier, kept: Sequence[Checkpoint]) -> None:
    for earlier in kept:
        if earlier.size == tree.size and earlier.root != tree.root():
            raise VerificationError(
                f"The first {earlier.size} events are not those that were signed before: history was rewritten."
            )


class Pack:
    """An evidence pack as its files say: rows by file, events by what they are about."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        """Read the archive; raise VerificationError where a file is missing or unreadable."""
        self._archive = archive
        self.names = archive.namelist()
        if len(set(self.names)) != len(self.names):
            raise VerificationError("Two files of the pack have one name.")
        self.key = self.text("public-key.txt").strip()
        self.manifest = _json(self.text("manifest.json"))

    def content(self, name: str) -> bytes:
        """Return a file's bytes."""
        try:
            return self._archive.read(name)
        except (KeyError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
            raise VerificationError(f"{name} is missing from the pack, or damaged.") from error

    def text(self, name: str) -> str:
        """Return a file as text."""
        try:
            return self.content(name).decode()
        except UnicodeDecodeError as error:
            raise VerificationError(f"{name} is not text.") from error

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the lines of a file, each one JSON object."""
        return [_json(line) for line in self.text(name).splitlines()]


def verify_pack(path: str | Path, public_key: str | None = None) -> tuple[Checkpoint, int]:
    """Return the checkpoint and the number of proven events of an evidence pack, all of whose parts fit.

    Raises VerificationError at the first that does not: a signature, a file's hash, an event's proof, or a row
    that the log's events contradict or do not know.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            pack = Pack(archive)
            if public_key is not None and pack.key != public_key.strip():
                raise VerificationError("The pack names another public key than the one expected.")
            _check_files(pack)
            checkpoint = open_note(pack.text("checkpoint.txt"), pack.key)
            if (pack.manifest.get("origin"), pack.manifest.get("size")) != (
                checkpoint.origin,
                checkpoint.size,
            ):
                raise VerificationError("The manifest and the checkpoint are not of one log.")
            events = list(_proven(pack, checkpoint))
            _compare_story(pack, events)
    except (KeyError, TypeError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise VerificationError("The pack is not of the form that this verifier knows.") from error
    return checkpoint, len(events)


def _check_files(pack: Pack) -> None:
    """Raise unless the signed manifest lists exactly the files that are there, with their hashes."""
    kind, digest, *_ = open_text(pack.text("manifest.sig"), pack.key)
    whole = hashlib.sha256(pack.content("manifest.json")).hexdigest()
    if kind != PACK_KIND or pack.manifest.get("kind") != PACK_KIND or digest != f"sha256:{whole}":
        raise VerificationError("The manifest is not the one that was signed.")
    listed = {*pack.manifest["files"], "manifest.json", "manifest.sig"}
    for name in sorted(listed ^ set(pack.names)):
        raise VerificationError(f"{name} is in the manifest or in the pack, but not in both.")
    for name, expected in pack.manifest["files"].items():
        if hashlib.sha256(pack.content(name)).hexdigest() != expected:
            raise VerificationError(f"{name} was changed after the pack was signed.")


def _proven(pack: Pack, checkpoint: Checkpoint) -> Iterator[dict[str, Any]]:
    """Yield each event, proven to stand in the log at its place."""
    last = -1
    for row in pack.rows("events.jsonl"):
        index, body = int(row["index"]), _bytes(row["leaf"], "A leaf")
        proof = [_bytes(step, "The proof") for step in row["proof"]]
        event = _json(body)
        if index <= last or event.get("index") != index:
            raise VerificationError(f"Event {index} stands at another place than it says.")
        if not verify_inclusion(leaf_hash(body), index, checkpoint.size, proof, checkpoint.root):
            raise VerificationError(f"Event {index} is not in the log that the checkpoint signs.")
        last = index
        yield event


_VOTES = {
    "request.voted": "approve",
    "request.changes_requested": "request_changes",
    "request.denied": "deny",
}


def _hash_of(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


_HANDED_IN = {"project.submitted", "amendment.submitted"}
_ENTRIES = {"charge.reserved": "RESERVE", "charge.committed": "COMMIT", "charge.voided": "VOID"}
# Of each kind of row: its file, what of it the log repeats, and what an event says of the same; None if nothing.
_STORY: dict[
    str, tuple[str, Callable[[dict[str, Any]], Any], Callable[[dict[str, Any], dict[str, Any]], Any]]
] = {
    "vote on the project": (
        "project-votes.jsonl",
        lambda row: (row["project"], row["person"], row["version"], row["vote"]),
        lambda e, d: (
            (e["subject"], e["actor"], d["version"], d["vote"]) if e["event"] == "project.reviewed" else None
        ),
    ),
    "version of the project": (
        "project-versions.jsonl",
        lambda row: (row["number"], _hash_of(row["content"]), row["submitted_by"]),
        lambda e, d: (
            (d["version"], d["sha256"], e["actor"]) if "sha256" in d and e["event"] in _HANDED_IN else None
        ),
    ),
    "vote on a request": (
        "votes.jsonl",
        lambda row: (row["request"], row["person"], row["revision"], row["vote"]),
        lambda e, d: (
            (e["subject"], e["actor"], d["revision"], _VOTES[e["event"]]) if e["event"] in _VOTES else None
        ),
    ),
    "release": (
        "releases.jsonl",
        lambda row: (row["id"], row["request"], row["sha256"], row["is_repeat"]),
        lambda e, d: (
            (e["subject"], d["analysis"], d["sha256"], d["repeat"])
            if e["event"] == "result.released"
            else None
        ),
    ),
}


def _compare_story(pack: Pack, events: list[dict[str, Any]]) -> None:
    """Raise unless the files and the proven events tell one story."""
    for what, (name, of_row, of_event) in _STORY.items():
        told = Counter(of_row(row) for row in pack.rows(name))
        found = [of_event(event, event["details"]) for event in events]
        _require_same(what, told, Counter(each for each in found if each is not None))
    _compare_ledger(pack, events)
    _compare_revisions(pack, events)
    _compare_answers(pack)
    taken_back = Counter(row["id"] for row in pack.rows("releases.jsonl") if row["status"] != "released")
    revoked = Counter(event["subject"] for event in events if event["event"] == "release.revoked")
    _require_same("release that was taken back", taken_back, revoked)
    known = {"project.proposed": "project.jsonl", "request.drafted": "requests.jsonl"}
    for event, name in known.items():
        begun = Counter(each["subject"] for each in events if each["event"] == event)
        _require_same(f"line of {name}", Counter(row["id"] for row in pack.rows(name)), begun)


def _require_same(what: str, told: Counter[Any], logged: Counter[Any]) -> None:
    if told - logged:
        raise VerificationError(f"A {what} has no event in the log: {next(iter(told - logged))}.")
    if logged - told:
        raise VerificationError(
            f"A {what} is in the log and missing from the pack: {next(iter(logged - told))}."
        )


def _compare_ledger(pack: Pack, events: list[dict[str, Any]]) -> None:
    """Raise unless every line of the ledger is what its charge's event did to one of the charge's accounts."""
    accounts = {e["subject"]: e["details"]["accounts"] for e in events if e["event"] == "charge.reserved"}
    logged = Counter(
        (e["subject"], account, _ENTRIES[e["event"]], *_amounts(e["details"]).values())
        for e in events
        if e["event"] in _ENTRIES
        for account in accounts.get(e["subject"], ())
    )
    rows = pack.rows("ledger.jsonl")
    told = Counter((row["charge"], row["account"], row["kind"], *_amounts(row).values()) for row in rows)
    _require_same("line of the ledger", told, logged)


def _compare_revisions(pack: Pack, events: list[dict[str, Any]]) -> None:
    """Raise unless each revision hashes to what was checked, and each approval names one of them."""
    told = set()
    for row in pack.rows("revisions.jsonl"):
        told.add((row["request"], row["number"], row["sha256"]))
        hashed = row["hashed"]
        if hashed is None:
            continue
        if _hash_of(hashed) != row["sha256"]:
            raise VerificationError(
                f"Revision {row['number']} of {row['request']} has another hash than it says."
            )
        shown = (row["sql"], row["epsilon"], row["accounting"], _amounts(row))
        if shown != (hashed["sql"], hashed["epsilon"], hashed["accounting"], _amounts(hashed["loss"])):
            raise VerificationError(f"Revision {row['number']} of {row['request']} is not what was hashed.")
    logged: dict[str, set[Any]] = {"request.checked": set(), "request.approved": set()}
    for e in events:
        if e["event"] in logged:
            logged[e["event"]].add((e["subject"], e["details"]["revision"], e["details"]["sha256"]))
    _require_same("revision", Counter(told), Counter(logged["request.checked"]))
    if logged["request.approved"] - told:
        raise VerificationError("An approved revision is missing from the pack.")


def _compare_answers(pack: Pack) -> None:
    """Raise unless the pack holds the answer of each release, with the bytes that were let out, and no other."""
    released = {row["sha256"] for row in pack.rows("releases.jsonl") if row["status"] == "released"}
    held = {name[8:-5] for name in pack.names if name.startswith("answers/")}
    for sha256 in sorted(released ^ held):
        raise VerificationError(f"The answer {sha256} was released or is in the pack, but not both.")
    for sha256 in released:
        if hashlib.sha256(pack.content(f"answers/{sha256}.json")).hexdigest() != sha256:
            raise VerificationError(f"The answer {sha256} is not the bytes that were released.")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise VerificationError(f"{path} cannot be read.") from error


def _check_receipt(arguments: argparse.Namespace) -> str:
    given = _json(_read(arguments.file))
    receipt = given.get("receipt", given)
    if not isinstance(receipt, dict):
        raise VerificationError("The file's receipt is not an object.")
    leaf = verify_receipt(receipt, _read_key_argument(arguments.key))
    if receipt is not given:
        _check_payload(given, leaf)
    whose = "the key you gave" if arguments.key else "the key in the receipt; compare it with one you trust"
    return (
        f"OK: event {leaf.index}, “{leaf.body.get('event')}”, is in the log of {leaf.checkpoint.origin} "
        f"at size {leaf.checkpoint.size}, signed by {whose}.{_cost(leaf)}"
    )


def _check_payload(given: dict[str, Any], leaf: Leaf) -> None:
    """Raise unless an answer that holds its receipt is the one that was released."""
    payload, details = given.get("payload"), leaf.body.get("details")
    if not isinstance(payload, str) or not isinstance(details, dict):
        raise VerificationError("The file does not hold the exact bytes of an answer.")
    if hashlib.sha256(payload.encode()).hexdigest() != details.get("sha256"):
        raise VerificationError("The exact bytes in the file are not those that were released.")
    exact = _json(payload)
    if exact.get("certificate") != given.get("certificate") or not _same_figures(exact, given):
        raise VerificationError("The figures shown in the file are not those of its exact bytes.")


def _same_figures(exact: dict[str, Any], given: dict[str, Any]) -> bool:
    """Say whether each row shown is the released integers, each over its column's public scale."""
    try:
        columns = [(column["name"], column["scale"]) for column in exact["columns"]]
        proven = [
            {name: _figure(cell, scale) for (name, scale), cell in zip(columns, row, strict=True)}
            for row in exact["rows"]
        ]
        return bool(proven == given["rows"])
    except (KeyError, TypeError, ValueError):
        return False


def _figure(cell: Any, scale: int | None) -> Any:
    """Return a cell as people read it: an integer over its scale, a key as it is."""
    if scale is None or type(cell) is not int:
        return cell
    value = Decimal(cell) / Decimal(scale)
    return int(value) if value == value.to_integral_value() else float(value)


def _cost(leaf: Leaf) -> str:
    """Say what the event's loss is, where it has one."""
    details = leaf.body.get("details") or {}
    if not {"rho", "delta"} <= set(details):
        return ""
    names = {"rho": "ρ", "delta": "δ", "pure": "pure ε"}
    words = [f"{names[c]} = {n / UNITS[c]:.6g}" for c, n in _amounts(details).items() if n]
    return f" Its loss: {', '.join(words) or 'none'}."


def _read_key_argument(value: str | None) -> str | None:
    """Return a key given as text, or the contents of the file it names."""
    return _read(value) if value is not None and Path(value).is_file() else value


def _check_pack(arguments: argparse.Namespace) -> str:
    found, count = verify_pack(arguments.file, _read_key_argument(arguments.key))
    whose = "the key you gave" if arguments.key else "the key in the pack; compare it with one you trust"
    return (
        f"OK: the pack is whole, and its {count} events are in the log of {found.origin} at size {found.size}, "
        f"signed by {whose}."
    )


def _check_log(arguments: argparse.Namespace) -> str:
    key = _read_key_argument(arguments.key) or ""
    old = [_read(path) for path in arguments.old]
    witness = _read(arguments.witness) if arguments.witness else None
    with Path(arguments.export).open(encoding="utf-8") as lines:
        found = verify_log(lines, _read(arguments.checkpoint), key, old=old, witness=witness)
    return (
        f"OK: {found.size} events of {found.origin} are whole, and lead to "
        f"{len(old)} older checkpoints{' and the witness' if witness else ''}."
    )


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="verify.py", description="Verify a receipt, an evidence pack or an exported audit log."
    )
    if words[:1] == ["log"]:
        parser.add_argument("export", help="one JSON object a line, as the node exports it")
        parser.add_argument("checkpoint", help="the signed checkpoint of that export")
        parser.add_argument("key", help="the log's public key, or a file that holds it")
        parser.add_argument(
            "--old", action="append", default=[], help="a checkpoint that you kept from before"
        )
        parser.add_argument("--witness", help="the node's anti-rollback file; it must be there")
        parser.set_defaults(check=_check_log)
        return parser.parse_args(words[1:])
    if words[:1] == ["pack"]:
        parser.add_argument("file", help="an evidence pack, as the node makes it")
        parser.add_argument("--key", help="the public key that you expect, or a file that holds it")
        parser.set_defaults(check=_check_pack)
        return parser.parse_args(words[1:])
    parser.add_argument(
        "file", help="a receipt or an answer with its receipt, as JSON; or the word log or pack"
    )
    parser.add_argument("--key", help="the public key that you expect, or a file that holds it")
    parser.set_defaults(check=_check_receipt)
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Check what the command line names; print one line and return 0 if it holds, 1 if not."""
    arguments = _arguments(list(sys.argv[1:] if words is None else words))
    try:
        print(arguments.check(arguments))
    except (VerificationError, OSError) as error:
        print(f"FAILED: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
