"""The Merkle tree of RFC 9162 §2.1 as pure functions: hashes, the frontier that grows, and proof paths.

A complete node is named by (level, position): it covers leaves [position·2^level, (position+1)·2^level), and
level 0 is the leaves. Paths come as names and are folded over a lookup, so a caller can fetch them in one go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

HASH = 32  # bytes in a SHA-256
EMPTY = hashlib.sha256(b"").digest()

Name = tuple[int, int]
Lookup = Callable[[Name], bytes]


def leaf_hash(body: bytes) -> bytes:
    """Hash one leaf."""
    return hashlib.sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash one interior node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class Frontier:
    """The O(log n) state from which a tree grows: the complete subtrees left to right, 32 bytes each."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    @classmethod
    def from_bytes(cls, size: int, packed: bytes) -> Frontier:
        """Read what `to_bytes` wrote; raise ValueError when it does not fit `size`."""
        if len(packed) != HASH * size.bit_count():
            raise ValueError("the frontier does not fit the size of its tree")
        return cls(size, tuple(packed[i : i + HASH] for i in range(0, len(packed), HASH)))

    def to_bytes(self) -> bytes:
        """Return the hashes one after the other."""
        return b"".join(self.hashes)

    def append(self, leaf: bytes) -> tuple[Frontier, list[tuple[Name, bytes]]]:
        """Return the frontier with one more leaf, and the interior nodes that it completed."""
        hashes, completed, level, position = list(self.hashes), [], 0, self.size
        while position & 1:
            leaf = node_hash(hashes.pop(), leaf)
            level, position = level + 1, position >> 1
            completed.append(((level, position), leaf))
        return Frontier(self.size + 1, (*hashes, leaf)), completed

    def root(self) -> bytes:
        """Return the root of the whole tree."""
        if not self.hashes:
            return EMPTY
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root


def names(low: int, high: int) -> list[Name]:
    """Name the complete nodes, left to right, that make up the subtree over leaves [low, high).

    [low, high) is a subtree of the RFC's recursion: low is a multiple of the power of two that its length
    fits in.
    """
    found = []
    while low < high:
        level = (high - low).bit_length() - 1
        found.append((level, low >> level))
        low += 1 << level
    return found


def fold(low: int, high: int, lookup: Lookup) -> bytes:
    """Return the hash of the subtree over leaves [low, high)."""
    parts = [lookup(name) for name in names(low, high)]
    if not parts:
        return EMPTY
    root = parts[-1]
    for left in reversed(parts[:-1]):
        root = node_hash(left, root)
    return root


def _split(low: int, high: int) -> int:
    """Return where RFC 9162 divides a range: after the largest power of two below its length."""
    return low + (1 << ((high - low - 1).bit_length() - 1))


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """Return the subtrees that prove leaf `index` in a tree of `size`, nearest first (RFC 9162 §2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    ranges, low, high = [], 0, size
    while high - low > 1:
        middle = _split(low, high)
        if index < middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[tuple[int, int]]:
    """Return the subtrees that prove that a tree of `new` extends one of `old` (RFC 9162 §2.1.4.1)."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} cannot extend one of {old}")
    if old in {0, new}:
        return []
    return list(_consistency(old, 0, new, whole=True))[::-1]


def _consistency(old: int, low: int, high: int, *, whole: bool) -> Iterator[tuple[int, int]]:
    while old != high:
        middle = _split(low, high)
        if old <= middle:
            yield (middle, high)
            high = middle
        else:
            yield (low, middle)
            low, whole = middle, False
    if not whole:
        yield (low, high)
