"""Proofs read from the stored nodes: O(log n) hashes, fetched in at most two queries."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Q

from domains.audit import tree
from domains.audit.models import AuditEvent, AuditHead, AuditNode
from domains.errors import NotFound


def length() -> int:
    """Return how many leaves the log has."""
    return AuditHead.objects.filter(pk=1).values_list("size", flat=True).first() or 0


def root(at: int) -> bytes:
    """Return the root that the log had when it was `at` leaves long; raise NotFound beyond its end."""
    _require_within(at, length())
    return _hashes([(0, at)])[0]


def inclusion(index: int, size: int | None = None) -> list[bytes]:
    """Return the hashes that prove leaf `index` in the log at `size`, or now; NotFound beyond its end."""
    now = length()
    at = now if size is None else size
    _require_within(at, now)
    if not 0 <= index < at:
        raise NotFound("The log has no such leaf.")
    return _hashes(tree.inclusion_ranges(index, at))


def inclusions(indices: Sequence[int], size: int) -> list[list[bytes]]:
    """Return the proofs of many leaves at `size` in a few queries; NotFound where one is beyond it."""
    _require_within(size, length())
    if any(not 0 <= index < size for index in indices):
        raise NotFound("The log has no such leaf.")
    ranges = [tree.inclusion_ranges(index, size) for index in indices]
    hashes = iter(_hashes([each for path in ranges for each in path]))
    return [[next(hashes) for _ in path] for path in ranges]


def consistency(old: int, new: int) -> list[bytes]:
    """Return the hashes that prove that the log at `new` extends it at `old`; NotFound beyond its end."""
    _require_within(new, length())
    if not 0 <= old <= new:
        raise NotFound("A log only extends a shorter one.")
    return _hashes(tree.consistency_ranges(old, new))


def _require_within(at: int, end: int) -> None:
    if not 0 <= at <= end:
        raise NotFound("The log is not that long.")


def _hashes(ranges: list[tuple[int, int]]) -> list[bytes]:
    """Fetch every complete node under `ranges` at once, and return one hash per range."""
    wanted = {name for low, high in ranges for name in tree.names(low, high)}
    leaves = [position for level, position in wanted if level == 0]
    found = {
        (0, index): bytes(leaf)
        for index, leaf in AuditEvent.objects.filter(index__in=leaves).values_list("index", "leaf")
    }
    by_level: dict[int, list[int]] = {}
    for level, position in wanted:
        if level > 0:
            by_level.setdefault(level, []).append(position)
    if by_level:
        condition = Q()
        for level, positions in by_level.items():
            condition |= Q(level=level, position__in=positions)
        rows = AuditNode.objects.filter(condition).values_list("level", "position", "hash")
        found |= {(level, position): bytes(hash_) for level, position, hash_ in rows}
    return [tree.fold(low, high, found.__getitem__) for low, high in ranges]
