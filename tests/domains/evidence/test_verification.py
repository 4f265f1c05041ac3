"""The check of everything: a worker finds each planted fault in log, ledger, answers and releases, and no other."""

from __future__ import annotations

import pytest
from django.db import connection

from domains import triggers
from domains.errors import NotAllowed
from domains.evidence import verification
from domains.jobs.models import Job
from tests import make
from tests.world import World, answer, built, node

__all__ = ["answer", "built", "node"]


def check() -> verification.Check:
    theo = make.person("theo")
    asked = verification.ask(by=theo)
    assert asked.status == "queued"
    make.run_jobs("default")
    done = verification.latest(theo)[0]
    assert (done.key, done.status) == (asked.key, "finished")
    return done


def plant(sql: str, *values: object) -> None:
    triggers.lift(connection)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            assert cursor.rowcount > 0
    finally:
        triggers.install(connection)


def test_a_node_as_it_is_has_no_fault(node: World, answer):
    done = check()
    assert done.report["findings"] == []
    assert done.is_whole
    assert done.report["answers"] >= 1
    assert done.report["releases"] >= 1
    assert done.report["charges"] >= 1


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("UPDATE audit_auditevent SET actor = 'x' WHERE \"index\" = 2", "event 2 does not say"),
        (
            "UPDATE ledger_account SET rho_spent = rho_spent - 1 WHERE rho_spent > 1",
            "another limit or balance",
        ),
        ("UPDATE ledger_account SET rho_limit = rho_limit + 1", "another limit or balance"),
        ("UPDATE ledger_charge SET state = 'RESERVED'", "stands otherwise than its events say"),
        ("UPDATE ledger_answer SET payload = CAST('other' AS {blob})", "changed after it was stored"),
        (
            "UPDATE ledger_answer SET payload = CAST('other' AS {blob}), sha256 = "
            "'d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa'",
            "not the one that the log knows",
        ),
        ("UPDATE requests_release SET sha256 = 'x'", "let out other bytes"),
    ],
)
def test_each_planted_fault_is_found(node: World, answer, sql, says):
    plant(sql.replace("{blob}", "bytea" if connection.vendor == "postgresql" else "BLOB"))
    done = check()
    assert any(says in finding for finding in done.report["findings"]), done.report["findings"]
    assert not done.is_whole


def test_a_second_check_waits_for_the_first(node: World):
    theo = make.person("theo")
    first = verification.ask(by=theo)
    assert verification.ask(by=theo).key == first.key
    assert Job.objects.filter(kind="verification").count() == 1


@pytest.mark.parametrize("name", ["sam", "alice", "rita", "ada", "charlie"])
def test_only_auditors_ask_and_read(node: World, name):
    with pytest.raises(NotAllowed):
        verification.ask(by=make.person(name))
    with pytest.raises(NotAllowed):
        verification.latest(make.person(name))
