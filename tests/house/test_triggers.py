"""The database keeps the promises too: every trigger that the code expects is there, on either database."""

import pytest
from django.core.management import call_command
from django.db import connection

from domains import triggers

PROTECTED = ("audit_auditevent", "ledger_entry", "ledger_answer", "jobs_result")


@pytest.mark.django_db
def test_every_expected_trigger_stands_after_migrate():
    assert triggers.expected()
    assert triggers.missing(connection) == []


@pytest.mark.parametrize("table", PROTECTED)
def test_the_records_of_what_happened_are_guarded(table):
    guarded = {trigger.name for trigger in triggers.expected() if trigger.table == table}
    assert {f"{table}_no_update", f"{table}_no_delete"} <= guarded


@pytest.mark.django_db(transaction=True)
def test_a_lost_trigger_is_named_and_the_next_migrate_brings_it_back():
    victim = triggers.expected()[0]
    triggers.lift(connection, {victim.table})
    assert victim.name in triggers.missing(connection)
    call_command("migrate", verbosity=0)
    assert triggers.missing(connection) == []
