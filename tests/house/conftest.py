"""House tests read source, not a node: they need no home of their own."""

import pytest


@pytest.fixture(autouse=True)
def home():
    """Replace the suite's fixture by nothing."""
