"""Requests begin where a grant is: the node is made once a file, and each test rolls back what it did."""

import pytest

from tests.world import World, built, node

__all__ = ["built", "node"]


@pytest.fixture
def cast(node: World):
    """The six people."""
    return {name: node.user(name) for name in ("ada", "alice", "rita", "sam", "theo", "charlie")}


@pytest.fixture
def grant(node: World, cast):
    """Sam's approved project with ε = 1 on SUPPORT2."""
    return node.access()
