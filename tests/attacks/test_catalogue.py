"""The list of attacks in the documentation names tests that are there, and leaves no attack of the design out."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

ROOT = Path(settings.BASE_DIR)
PAGE = ROOT / "docs" / "explanation" / "attacks.md"
ATTACKS = 18


def named(text: str) -> set[str]:
    """Return the tests that a text names."""
    return set(re.findall(r"`(test_\w+)`", text))


def there() -> set[str]:
    """Return every test of the suite."""
    return {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text())
    }


def test_every_attack_has_tests_and_every_named_test_is_there() -> None:
    text = PAGE.read_text()
    rows = [line for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(row.split("|")[1]) for row in rows] == list(range(1, ATTACKS + 1))
    assert all(named(row.split("|")[4]) for row in rows)
    assert named(text) - there() == set()


def test_a_name_that_is_gone_is_seen() -> None:
    assert named("`test_that_was_never_written`") - there() == {"test_that_was_never_written"}
