"""The Merkle tree against RFC 9162's own definition, against an independent library, and against the verifier."""

from __future__ import annotations

import hashlib

import pytest
from gridhouse import verify
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from domains.audit import tree
from domains.audit.tree import Frontier

LEAVES = [tree.leaf_hash(b"%d" % number) for number in range(66)]


def by_definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162 §2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return tree.node_hash(by_definition(leaves[:k]), by_definition(leaves[k:]))


def grown(count: int) -> tuple[Frontier, dict[tuple[int, int], bytes]]:
    """Return the frontier and every complete node of a tree with `count` leaves."""
    frontier, nodes = Frontier(), {(0, index): leaf for index, leaf in enumerate(LEAVES[:count])}
    for leaf in LEAVES[:count]:
        frontier, completed = frontier.append(leaf)
        nodes |= dict(completed)
    return frontier, nodes


ROOTS = [by_definition(LEAVES[:size]) for size in range(67)]
_, NODES = grown(66)


def proof(ranges: list[tuple[int, int]]) -> list[bytes]:
    return [tree.fold(low, high, NODES.__getitem__) for low, high in ranges]


def test_the_frontier_has_the_root_of_the_definition_at_every_size() -> None:
    frontier = Frontier()
    for size, root in enumerate(ROOTS):
        assert frontier.root() == root
        assert Frontier.from_bytes(size, frontier.to_bytes()) == frontier
        assert tree.fold(0, size, NODES.__getitem__) == root
        if size < 66:
            frontier, _ = frontier.append(LEAVES[size])


def test_a_frontier_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Frontier.from_bytes(3, b"\x00" * 32)


def test_every_inclusion_proof_verifies_and_none_for_another_leaf_root_or_step() -> None:
    for size in range(1, 67):
        for index in range(size):
            steps = proof(tree.inclusion_ranges(index, size))
            assert len(steps) <= (size - 1).bit_length()
            assert verify.verify_inclusion(LEAVES[index], index, size, steps, ROOTS[size])
            assert not verify.verify_inclusion(b"\x00" * 32, index, size, steps, ROOTS[size])
            assert not verify.verify_inclusion(LEAVES[index], index, size, [*steps, LEAVES[0]], ROOTS[size])
            assert not verify.verify_inclusion(LEAVES[index], index, size, steps, ROOTS[size - 1])
            if steps:
                bad = [hashlib.sha256(steps[0]).digest(), *steps[1:]]
                assert not verify.verify_inclusion(LEAVES[index], index, size, bad, ROOTS[size])
                assert not verify.verify_inclusion(LEAVES[index], index, size, steps[:-1], ROOTS[size])


def test_every_consistency_proof_verifies_and_none_for_another_history() -> None:
    for new in range(67):
        for old in range(new + 1):
            steps = proof(tree.consistency_ranges(old, new))
            assert verify.verify_consistency(old, new, ROOTS[old], ROOTS[new], steps)
            if 0 < old < new:
                assert not verify.verify_consistency(old, new, ROOTS[old - 1], ROOTS[new], steps)
                assert not verify.verify_consistency(old, new, ROOTS[old], ROOTS[new - 1], steps)
                assert not verify.verify_consistency(old, new, ROOTS[old], ROOTS[new], steps[:-1])


def test_there_are_no_proofs_beyond_the_tree() -> None:
    for index, size in ((0, 0), (3, 3), (-1, 3)):
        with pytest.raises(ValueError, match="no leaf"):
            tree.inclusion_ranges(index, size)
    with pytest.raises(ValueError, match="cannot extend"):
        tree.consistency_ranges(4, 3)
    assert not verify.verify_inclusion(LEAVES[0], 5, 3, [], ROOTS[3])


@given(st.lists(st.binary(max_size=40), max_size=80))
def test_an_independent_library_finds_the_same_root(bodies: list[bytes]) -> None:
    oracle, frontier, offline = InmemoryTree(algorithm="sha256"), Frontier(), verify.Frontier()
    for body in bodies:
        oracle.append_entry(body)
        frontier, _ = frontier.append(tree.leaf_hash(body))
        offline.append(verify.leaf_hash(body))
    assert frontier.root() == offline.root()
    if bodies:
        assert frontier.root() == oracle.get_root()
