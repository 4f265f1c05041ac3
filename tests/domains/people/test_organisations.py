"""Organisations: who adds, renames and retires them, and who says where a person belongs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from domains.audit.models import AuditEvent
from domains.base import new_id
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.notices.models import Notice
from domains.people import organisations, queries
from domains.people.models import Organisation, User
from domains.people.permissions import Role

Join = Callable[[str, Role], User]
create = organisations.create_organisation


def test_an_administrator_adds_an_organisation_and_puts_people_into_it(ada: User, join: Join) -> None:
    rita = join("rita", Role.REVIEWER)
    made = create("  Charité   Berlin ", "de", "ror.org/001w7jn25", by=ada)
    assert (made.slug, made.name, made.country, made.ror) == (
        "charite-berlin",
        "Charité Berlin",
        "DE",
        "001w7jn25",
    )
    organisations.set_organisation(rita, made, by=ada)
    assert User.objects.get(pk=rita.pk).organisation_id == made.pk
    assert [one.pk for one in queries.of_organisation(made, ada)] == [rita.pk]
    assert queries.organisation("charite-berlin", ada).headcount == 1
    assert Notice.objects.filter(recipient=rita, text__contains="Charité Berlin").exists()
    assert {"organisation.created", "person.placed"} <= set(
        AuditEvent.objects.values_list("event", flat=True)
    )
    with pytest.raises(IllegalMove, match="there already"):
        organisations.set_organisation(rita, made, by=ada)
    organisations.set_organisation(rita, None, by=ada)
    assert User.objects.get(pk=rita.pk).organisation_id is None
    with pytest.raises(IllegalMove, match="there already"):
        organisations.set_organisation(rita, None, by=ada)


def test_nobody_says_where_they_belong_themselves(ada: User) -> None:
    made = create("Institute", by=ada)
    with pytest.raises(NotAllowed, match="Another administrator"):
        organisations.set_organisation(ada, made, by=ada)


def test_a_retired_organisation_keeps_its_people_and_takes_no_new_ones(ada: User, join: Join) -> None:
    rita, sam, made = join("rita", Role.REVIEWER), join("sam", Role.SCIENTIST), create("Institute", by=ada)
    organisations.set_organisation(rita, made, by=ada)
    organisations.retire_organisation(made, by=ada)
    assert User.objects.get(pk=rita.pk).organisation_id == made.pk
    stale = Organisation.objects.get(pk=made.pk)
    for refused in (
        lambda: organisations.set_organisation(sam, stale, by=ada),
        lambda: organisations.rename_organisation(stale, "Other", by=ada),
        lambda: organisations.retire_organisation(stale, by=ada),
    ):
        with pytest.raises(IllegalMove, match="retired"):
            refused()
    assert list(queries.organisations(ada, active=True)) == []
    assert [one.pk for one in queries.organisations(ada, "insti")] == [made.pk]


def test_a_name_and_a_ror_key_are_there_once_and_the_address_stays(ada: User) -> None:
    first, second = create("Institute", ror="05gq02987", by=ada), create("The Institute!", by=ada)
    with pytest.raises(InvalidInput, match="already"):
        create("INSTITUTE", by=ada)
    with pytest.raises(InvalidInput, match="already"):
        organisations.rename_organisation(second, "Other", ror="05gq02987", by=ada)
    organisations.rename_organisation(first, "Academy", "FR", by=ada)
    found = queries.organisation("institute", ada)
    assert (found.name, found.country, found.ror) == ("Academy", "FR", "") == (first.name, first.country, "")
    assert create("Institute", by=ada).slug == "institute-2"
    assert create("東京", by=ada).slug == "organisation"


@pytest.mark.parametrize(
    "given", [("",), ("x" * 161,), ("A", "GER"), ("A", "", "ror.org/1"), ("A", "", "0il000000")]
)
def test_odd_values_are_refused(ada: User, given: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput):
        create(*given, by=ada)
    assert not Organisation.objects.exists()


@pytest.mark.parametrize("role", [Role.SCIENTIST, Role.OWNER, Role.REVIEWER, Role.AUDITOR])
def test_only_administrators_manage_organisations_and_auditors_read_them(
    ada: User, join: Join, role: Role
) -> None:
    made, other = create("Institute", by=ada), join("other", role)
    for action in (
        lambda: create("Mine", by=other),
        lambda: organisations.rename_organisation(made, "Mine", by=other),
        lambda: organisations.retire_organisation(made, by=other),
        lambda: organisations.set_organisation(ada, made, by=other),
    ):
        with pytest.raises(NotAllowed):
            action()
    if role is Role.AUDITOR:
        assert queries.organisations(other).count() == 1
    else:
        with pytest.raises(NotAllowed):
            queries.organisations(other)


def test_nothing_is_found_where_nothing_is(ada: User) -> None:
    with pytest.raises(NotFound):
        queries.organisation("nowhere", ada)


def test_the_database_keeps_names_once_and_decisions_paired(ada: User) -> None:
    made = create("Institute", ror="05gq02987", by=ada)
    insert = "INSERT INTO people_organisation (id, created_at, name, slug, country, ror) VALUES (%s,%s,%s,%s,%s,%s)"
    wrong: list[tuple[str, list[Any]]] = [
        (insert, [new_id(), timezone.now(), "INSTITUTE", "two", "", ""]),
        (insert, [new_id(), timezone.now(), "Other", "institute", "", ""]),
        (insert, [new_id(), timezone.now(), "Other", "three", "", "05gq02987"]),
        ("UPDATE people_organisation SET retired_at = %s WHERE id = %s", [timezone.now(), made.pk]),
    ]
    for statement, values in wrong:
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, values)
