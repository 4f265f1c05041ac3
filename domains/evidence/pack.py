"""A project's evidence in one ZIP: what was decided, asked and released, the books, the log's events and their proofs.

The bytes are a function of the node's state and of what is out by now: no clock and no randomness goes in.
Nothing private is in it: released answers, declared words and hashes alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any

from django.utils import timezone

from domains.audit import checkpoints, keys, notes, proofs, search
from domains.audit.events import Event
from domains.audit.search import Filters
from domains.evidence import subjects
from domains.evidence.readme import README
from domains.evidence.sections import SECTIONS, Asked, answers
from domains.evidence.snapshot import snapshot
from domains.people.models import User
from domains.people.permissions import Permission, Role, allows, require
from domains.projects.models import Project
from domains.requests.lifecycle import Status

KIND = "gridhouse-evidence/1"
IN_MEMORY = 8 * 2**20  # bytes of a pack kept in memory; what is larger goes to a file
_OLD = (1980, 1, 1, 0, 0, 0)  # every file's date in the ZIP
# Events whose very time could betray the data they were computed from: for auditors, as in the log itself.
TIMED = frozenset(
    {
        Event.ANSWER_PERSISTED,
        Event.CHARGE_BURNT,
        Event.JOB_FAILED,
        Event.JOB_STOOD_DOWN,
        Event.RELEASE_HELD,
        Event.MODEL_FITTED,
    }
)


def may_have(user: User, project: Project) -> bool:
    """Answer whether `user` may have this project's pack: auditors any, a lead their own."""
    is_lead = Role.PROJECT_LEAD in project.own_roles_of(user) and allows(
        user, Permission.RESULT_READ, on=project
    )
    return is_lead or allows(user, Permission.AUDIT_READ)


def build(project: Project, user: User) -> IO[bytes]:
    """Return the pack as a file at its beginning; raise NotAllowed or NotFound for everybody else."""
    if not may_have(user, project):
        require(user, Permission.AUDIT_READ, on=project)
    is_auditor = allows(user, Permission.AUDIT_READ)
    file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the caller closes it
    try:
        with snapshot(), zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            _fill(_Pack(archive), Asked(project, timezone.now()), is_auditor=is_auditor)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


class _Pack:
    """A ZIP that is written file by file, and remembers the hash of each."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.hashes: dict[str, str] = {}

    def add(self, name: str, parts: Iterator[bytes]) -> None:
        info, seen = zipfile.ZipInfo(name, _OLD), hashlib.sha256()
        info.compress_type, info.external_attr, info.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
        with self._archive.open(info, "w", force_zip64=True) as out:
            for part in parts:
                seen.update(part)
                out.write(part)
        self.hashes[name] = seen.hexdigest()


def _fill(pack: _Pack, asked: Asked, *, is_auditor: bool) -> None:
    head = checkpoints.head()
    note = notes.sign(head, keys.log_key())
    pack.add("README.md", iter([README.encode()]))
    pack.add("checkpoint.txt", iter([note.encode()]))
    pack.add("public-key.txt", iter([(checkpoints.public_key() + "\n").encode()]))
    for name, rows in SECTIONS.items():
        pack.add(name, (_line(row) for row in rows(asked)))
    for sha256, payload in answers(asked):
        pack.add(f"answers/{sha256}.json", iter([payload]))
    pack.add("events.jsonl", _events(asked, head.size, is_auditor=is_auditor))
    manifest = {
        "kind": KIND,
        "origin": head.origin,
        "project": asked.project.pk,
        "audience": "auditor" if is_auditor else "lead",
        "size": head.size,
        "files": dict(pack.hashes),
    }
    whole = _line(manifest)
    pack.add("manifest.json", iter([whole]))
    signed = f"{KIND}\nsha256:{hashlib.sha256(whole).hexdigest()}\n"
    pack.add("manifest.sig", iter([notes.sign_text(signed, head.origin, keys.log_key()).encode()]))


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _events(asked: Asked, size: int, *, is_auditor: bool) -> Iterator[bytes]:
    """Yield every event about the project that is out by now, with its proof, some hundred at a time."""
    wanted = Filters(about=subjects.of_project(asked.project))
    hidden = frozenset() if is_auditor else TIMED
    blind = set(asked.requests.filter(status=Status.IN_REVIEW).values_list("pk", flat=True))
    rows = (
        row
        for row in search.exported(wanted, size)
        if row.at <= asked.now
        and row.event not in hidden
        and not (row.event == Event.REQUEST_VOTED and row.subject in blind)
    )
    while some := list(islice(rows, 200)):
        found = proofs.inclusions([row.index for row in some], size)
        for row, proof in zip(some, found, strict=True):
            leaf = base64.b64encode(bytes(row.body)).decode()
            steps = [base64.b64encode(step).decode() for step in proof]
            yield _line({"index": row.index, "leaf": leaf, "proof": steps})
