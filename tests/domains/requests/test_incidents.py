"""A disclosure found after a release: nobody reads the bytes any more, and who did is kept."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from domains.errors import DomainError, IllegalMove, InvalidInput, NotFound
from domains.ledger import queries as books
from domains.notices.models import Notice
from domains.requests import incidents, queries, releases
from domains.requests.lifecycle import ReleaseStatus
from domains.requests.models import Release
from tests import make

pytestmark = pytest.mark.django_db


def test_a_revoked_answer_is_served_to_nobody_and_its_fetches_are_kept(cast, grant):
    analysis = make.answered(on=grant)
    release = analysis.releases.get()
    again = make.request(on=grant)
    make.requests.submit(again, revision=1, by=cast["sam"])  # the same bytes, at no charge
    for form in ("page", "csv"):
        releases.fetch(queries.detail(analysis.pk, cast["sam"]), form=form, by=cast["sam"])
    spent = [balance.spent for balance in books.balances(grant, cast["sam"])]
    for name in ("sam", "ada", "theo", "charlie"):
        with pytest.raises(DomainError):
            incidents.revoke_release(release, reason="A small cell.", by=cast[name])
    with pytest.raises(InvalidInput):
        incidents.revoke_release(release, reason=" ", by=cast["alice"])
    incidents.revoke_release(release, reason="A small cell.", by=cast["alice"])
    with pytest.raises(IllegalMove, match="revoked"):
        incidents.revoke_release(release, reason="Again.", by=cast["alice"])
    assert set(Release.objects.values_list("status", flat=True)) == {ReleaseStatus.REVOKED}
    for row in (analysis, again):
        with pytest.raises(NotFound) as refusal:
            releases.result(queries.detail(row.pk, cast["sam"]), by=cast["sam"])
        assert refusal.value.code == "release_revoked"
        with pytest.raises(NotFound):
            releases.receipt(queries.detail(row.pk, cast["sam"]), by=cast["sam"])
    assert (
        make.request(make.Status.IN_REVIEW, on=grant).status == "in_review"
    )  # it is no free repeat any more
    assert [balance.spent for balance in books.balances(grant, cast["sam"])] == spent  # never refunded
    for name in ("alice", "theo"):
        found = incidents.incident(queries.detail(analysis.pk, cast[name]), by=cast[name])
        assert [(row.person.name, row.form) for row in found.downloads] == [
            ("Sam Scientist", "page"),
            ("Sam Scientist", "csv"),
        ]
        assert found.release.revoked_why == "A small cell."
    with pytest.raises(DomainError):
        incidents.incident(queries.detail(analysis.pk, cast["sam"]), by=cast["sam"])
    told = Notice.objects.filter(event="release.revoked").values_list("recipient__name", flat=True)
    assert {"Sam Scientist", "Theo Auditor"} <= set(told)
    assert not any("small cell" in row.text for row in Notice.objects.all())


def test_the_database_refuses_a_revocation_without_a_reason_and_a_forgotten_fetch(cast, grant):
    analysis = make.answered(on=grant)
    releases.fetch(queries.detail(analysis.pk, cast["sam"]), form="csv", by=cast["sam"])
    assert not incidents.may_revoke(queries.detail(analysis.pk, cast["sam"]), cast["sam"])
    assert incidents.may_revoke(queries.detail(analysis.pk, cast["alice"]), cast["alice"])
    for sql in (
        "UPDATE requests_release SET status = 'revoked'",
        "UPDATE requests_release SET revoked_at = created_at",
        "UPDATE requests_release SET revoked_why = 'x'",
        "DELETE FROM requests_download",
        "UPDATE requests_download SET form = 'page'",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)


def test_nothing_is_taken_back_before_there_is_an_answer(cast, grant):
    analysis = make.request(make.Status.IN_REVIEW, on=grant)
    assert not incidents.may_revoke(queries.detail(analysis.pk, cast["alice"]), cast["alice"])
    with pytest.raises(NotFound):
        incidents.incident(queries.detail(analysis.pk, cast["alice"]), by=cast["alice"])
