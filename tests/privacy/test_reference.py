"""The reference tables are true: every supported example is answered, every refusal example is refused."""

import re
from pathlib import Path

import pytest

from privacy.query.parse import parse
from privacy.query.price import price
from privacy.query.reference import EXAMPLE, INTERNAL_CODES, REFUSED, SUPPORTED, Refused, Supported
from privacy.query.words import describe

SOURCES = Path(__file__).parents[2] / "privacy" / "query"


@pytest.mark.parametrize("entry", SUPPORTED, ids=lambda entry: entry.name)
def test_every_supported_example_is_priced_and_described(entry: Supported) -> None:
    plan = parse(entry.sql, EXAMPLE)
    pricing = price(plan, EXAMPLE, rho=10**10, delta=10**12)
    assert 0 < pricing.loss.rho <= 10**10
    assert all(line.endswith(".") for line in describe(plan))


@pytest.mark.parametrize("entry", REFUSED, ids=lambda entry: entry.code)
def test_every_refusal_names_code_clause_reason_and_alternative(entry: Refused) -> None:
    refusal = entry.refusal()
    assert refusal is not None
    assert refusal.code == entry.code
    assert all(refusal.to_dict().values())
    assert refusal.message.endswith(".")


def test_no_code_is_missing_from_the_reference() -> None:
    """Every code that the sources raise is listed, and every listed one is raised."""
    raised = set()
    for path in SOURCES.glob("*.py"):
        raised |= set(re.findall(r'QueryRejected\(\s*"([a-z_]+)"', path.read_text()))
    assert raised == {entry.code for entry in REFUSED} | set(INTERNAL_CODES)
    assert len(REFUSED) == len({entry.code for entry in REFUSED})
