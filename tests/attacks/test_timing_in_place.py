"""When an answer from a database comes tells nothing about the rows there; see `test_timing`.

Twins are two tables behind one connection: a handful of rows, and thousands of people who all have to be bounded.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from domains.intake import actions as intake
from domains.jobs import children
from domains.requests import execution, specification
from tests import make
from tests.attacks import kit
from tests.attacks.test_timing import MOMENT, Wait, check, p_value, waited
from tests.clinic import connect, draft, placed
from tests.databases import Database, database

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

TWINS = {"light": (5, 5), "heavy": (20_000, 300)}  # rows, and people who hold them
SCHEMA: dict[str, Any] = {
    "columns": [
        {"name": "x", "kind": "decimal", "lower": "0", "upper": "100", "step": "0.01", "source": "protocol"},
        {"name": "c", "kind": "category", "codes": ["a", "b", "c"], "source": "protocol"},
    ],
    "unit_column": "who",
    "max_rows": 2,
    "max_units": 20_000,
    "declared_rows": 20_000,
}


@pytest.fixture(scope="module")
def base() -> Iterator[Database]:
    """A database with both twins."""
    with database() as made:
        made.run("REVOKE CREATE ON SCHEMA public FROM public")
        for name, (rows, people) in TWINS.items():
            made.run(
                f"CREATE TABLE {name} AS SELECT 'p' || i % {people} AS who, (i % 100)::float8 AS x,"
                f" substr('abc', 1 + i % 3, 1) AS c FROM generate_series(1, {rows}) i"
            )
        made.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {made.role('reader')}")
        yield made


@pytest.fixture
def grants(base: Database, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Sam's grants on both twins, published in place, whose planned time is short."""
    monkeypatch.setitem(specification.IN_PLACE_SECONDS, "postgresql", 0.5)
    monkeypatch.setattr(specification, "IN_PLACE_FACTOR", 1)
    connect(base.address(), password=base.password)
    caps = {"dataset_epsilon": Decimal(900), "population_epsilon": Decimal(900)}
    for name in TWINS:
        version = draft(name, SCHEMA)
        assert placed(version, f"public.{name}").status_code == ""
        intake.publish(version, attested=True, by=make.person("alice"), **caps)
    return {name: kit.granted(name, epsilon="400") for name in TWINS}


def waits(
    grants: dict[str, Any], runs: int, monkeypatch: pytest.MonkeyPatch, *, is_slow: bool = True
) -> dict[str, list[Wait]]:
    """Return the waits for each twin in turn; computing over many rows takes a moment longer if `is_slow`."""
    portal, right, now = kit.Portal(), children.Child.go, [""]

    def go(self: Any, payload: dict[str, Any], *, timeout: float) -> bytes:
        answer = right(self, payload, timeout=timeout)
        time.sleep(MOMENT if is_slow and now[0] == "heavy" else 0)
        return answer

    monkeypatch.setattr(children.Child, "go", go)
    found: dict[str, list[Wait]] = {name: [] for name in grants}
    for run in range(runs):
        for name, grant in grants.items():
            sql = f"SELECT c, COUNT(*) AS n, MEDIAN(x) AS m FROM {name} WHERE x >= {-run - 1} GROUP BY c"
            analysis, now[0] = portal.asked(grant, sql, "1"), name
            found[name].append(waited(analysis))
    return found


@pytest.mark.prove
def test_a_wait_for_a_database_tells_nothing_about_its_rows(
    grants: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    check(waits(grants, 1, monkeypatch))


@pytest.mark.prove
def test_answers_in_place_that_do_not_wait_for_their_deadline_are_caught(
    grants: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "_sleep_until", lambda moment: None)
    found = waits(grants, 1, monkeypatch)
    with pytest.raises(AssertionError):
        check(found)


@pytest.mark.prove
def test_50_waits_for_a_database_tell_nothing_about_its_rows(
    grants: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Mann–Whitney, 25 against 25: where there is nothing to tell, fewer than 1 in 10⁶ runs fail."""
    found = {
        name: [w.seconds for w in twin]
        for name, twin in waits(grants, 25, monkeypatch, is_slow=False).items()
    }
    assert p_value(found["light"], found["heavy"]) > 2e-7
