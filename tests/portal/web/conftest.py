"""The story that most page tests begin with."""

from __future__ import annotations

import pytest

from tests.portal.web import kit


@pytest.fixture
def given(db: None) -> kit.Story:
    """Return a published dataset, an approved project and a usable grant."""
    return kit.story()
