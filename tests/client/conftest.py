"""Tests here start from a whole node, made once for each module."""

from tests.world import built, node

__all__ = ["built", "node"]
