"""Checks the stored log against itself and against its witness, from the leaves up."""

from __future__ import annotations

from collections.abc import Iterator

from domains.audit import checkpoints, tree
from domains.audit.checkpoints import Standing
from domains.audit.models import AuditEvent, AuditHead, AuditNode
from domains.audit.queries import body
from domains.audit.tree import EMPTY, Frontier

_SAY = {
    Standing.BEHIND: "the log is shorter than the checkpoint last witnessed: a backup was restored",
    Standing.FORKED: "the log does not lead to the checkpoint last witnessed: history was rewritten",
    Standing.MISSING: "the witness file is gone although a checkpoint was witnessed before",
    Standing.UNREADABLE: "the witness file was changed, or is signed by another key",
}


def verify_database() -> list[str]:
    """Return one sentence per fault found, in the log's order; an empty list means that the log is whole."""
    findings = inner_faults()
    return findings + witness_faults(is_whole=not findings)


def inner_faults() -> list[str]:
    """Return the faults of the log against itself: hashes, columns, nodes, numbering and head."""
    return list(_events()) + list(_head())


def witness_faults(*, is_whole: bool) -> list[str]:
    """Return the fault of the log against its witness. Not inside a snapshot, which the witness may overtake."""
    standing = checkpoints.compare().standing if is_whole else _standing_of_broken()
    return [_SAY[standing]] if standing in _SAY else []


def _standing_of_broken() -> Standing:
    """Compare with the witness even where nodes are missing from the log."""
    try:
        return checkpoints.compare().standing
    except KeyError:
        return Standing.FORKED


def _events() -> Iterator[str]:
    """Recompute every hash from the bodies up, and compare columns, nodes and numbering."""
    frontier = Frontier()
    nodes = {(n.level, n.position): bytes(n.hash) for n in AuditNode.objects.iterator(chunk_size=5000)}
    for seen, row in enumerate(AuditEvent.objects.order_by("index").iterator(chunk_size=2000)):
        if row.index != seen:
            yield f"event {seen} is missing: the next one is {row.index}"
            return
        leaf = tree.leaf_hash(bytes(row.body))
        if leaf != bytes(row.leaf):
            yield f"event {row.index} was changed after it was recorded"
        if not _columns_match(row):
            yield f"event {row.index} does not say what its own bytes say"
        frontier, completed = frontier.append(leaf)
        for name, value in completed:
            if nodes.pop(name, None) != value:
                yield f"node {name[0]}/{name[1]} is not the hash of what is below it"
    for level, position in nodes:
        yield f"node {level}/{position} covers events that are not there"


def _columns_match(row: AuditEvent) -> bool:
    try:
        value = body(row)
    except ValueError:
        return False
    said = tuple(value.get(name) for name in ("index", "event", "actor", "subject_type", "subject"))
    stamp = row.at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return (
        said == (row.index, row.event, row.actor, row.subject_type, row.subject) and value.get("at") == stamp
    )


def _head() -> Iterator[str]:
    """Compare the head with the leaves as they are stored."""
    head = AuditHead.objects.filter(pk=1).first() or AuditHead(root=EMPTY)
    frontier = Frontier()
    for leaf in AuditEvent.objects.order_by("index").values_list("leaf", flat=True).iterator(chunk_size=5000):
        frontier, _ = frontier.append(bytes(leaf))
    if head.size != frontier.size:
        yield f"the head counts {head.size} events, and {frontier.size} are there"
    elif (bytes(head.root), bytes(head.frontier)) != (frontier.root(), frontier.to_bytes()):
        yield "the head's root is not the root of the events that are there"
