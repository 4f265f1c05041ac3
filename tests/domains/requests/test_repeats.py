"""LEDGER's repeat rule: stored bytes come back at no charge inside the scope that paid, and nowhere else."""

from datetime import timedelta

import pytest
from django.utils import timezone

from domains.catalog import actions as catalog
from domains.errors import DomainError, NotAllowed, NotFound
from domains.ledger import queries as books
from domains.ledger.models import Charge
from domains.people.models import User
from domains.projects import actions as projects
from domains.projects.models import AccessGrant
from domains.requests import actions, decisions, releases
from domains.requests.estimates import estimate
from domains.requests.lifecycle import ReleaseStatus, Status
from domains.requests.models import AnalysisRequest, Release
from domains.requests.specification import specify
from tests import make
from tests.world import QUESTION, answer

__all__ = ["answer"]


def spent(grant, person):
    return {b.scope: (b.reserved, b.spent) for b in books.balances(grant, person)}


def submitted(grant, *, sql=QUESTION, epsilon="0.1", by=None):
    """Ask again as the page does, and return the request as it stands."""
    by = by or make.person("sam")
    analysis = actions.draft(grant, title="Once more", sql=sql, epsilon=epsilon, by=by)
    assert actions.check(analysis, by=by) == []
    actions.submit(analysis, revision=1, by=by)
    return AnalysisRequest.objects.get(pk=analysis.pk)


def is_free(analysis):
    return analysis.status_code == "repeat"


def test_the_same_question_returns_the_same_bytes_and_no_account_moves(cast, grant, answer):
    before, charges = spent(grant, cast["sam"]), Charge.objects.count()
    again = submitted(grant, sql="select  sex, count(*) as n,\n avg(age) as a from support2 group by sex")
    assert is_free(again)
    first = releases.result(AnalysisRequest.objects.get(pk=answer), by=cast["sam"])
    second = releases.result(again, by=cast["sam"])
    assert second.payload == first.payload
    assert second.release.sha256 == first.release.sha256
    assert spent(grant, cast["sam"]) == before
    assert Charge.objects.count() == charges
    assert again.job is None


def test_a_colleague_on_the_same_grant_gets_it_too(cast, grant, answer):
    projects.add_member(grant.project, cast["charlie"], by=cast["rita"])
    charlie = User.objects.get(pk=cast["charlie"].pk)
    before = spent(grant, charlie)
    assert is_free(submitted(grant, by=charlie))
    assert spent(grant, charlie) == before


@pytest.mark.parametrize(
    "change",
    [
        {"epsilon": "0.11"},
        {"sql": QUESTION.replace("AVG(age)", "AVG(age + 1)")},
        {"sql": QUESTION + " LIMIT 1"},
    ],
    ids=["another loss", "another plan", "another limit"],
)
def test_another_question_or_another_loss_pays_anew(grant, answer, change):
    assert not is_free(submitted(grant, **change))


def test_another_project_of_the_same_person_pays_anew_and_learns_nothing(cast, grant, answer):
    other = make.grant("0.5", title="Another project")
    assert not estimate(other, sql=QUESTION, epsilon="0.1", by=cast["sam"]).is_repeat
    assert estimate(grant, sql=QUESTION, epsilon="0.1", by=cast["sam"]).is_repeat
    waiting = submitted(other)
    assert (waiting.status, is_free(waiting)) == (Status.IN_REVIEW, False)


def test_another_version_pays_anew(grant, answer):
    version = grant.dataset.current
    specification = actions.respecify(AnalysisRequest.objects.get(pk=answer).current)
    assert releases.repeatable(specification.repeat_key()) is not None
    draft = catalog.new_version(grant.dataset, by=make.person("alice"))
    moved = specify(grant, version, sql=QUESTION, epsilon="0.1")
    object.__setattr__(moved, "version", draft)
    assert releases.repeatable(moved.repeat_key()) is None


def test_a_stranger_cannot_probe_the_cache(cast, grant, answer):
    for refused in (
        lambda: estimate(grant, sql=QUESTION, epsilon="0.1", by=cast["charlie"]),
        lambda: actions.draft(grant, title="Probe", sql=QUESTION, epsilon="0.1", by=cast["charlie"]),
    ):
        with pytest.raises((NotAllowed, NotFound)):
            refused()


def ended(grant, cast):
    AccessGrant.objects.filter(pk=grant.pk).update(valid_to=timezone.now() - timedelta(days=1))


def revoked(grant, cast):
    projects.revoke_grant(grant, reason="Over.", by=cast["alice"])


def frozen(grant, cast):
    catalog.freeze(grant.dataset, reason="Stop.", by=cast["alice"])


@pytest.mark.parametrize("end", [ended, revoked, frozen])
def test_a_grant_that_cannot_be_used_now_returns_no_stored_bytes(cast, grant, answer, end):
    analysis = make.request(Status.READY, on=grant, sql=QUESTION)
    end(grant, cast)
    analysis = AnalysisRequest.objects.get(pk=analysis.pk)
    with pytest.raises(DomainError):
        actions.submit(analysis, revision=1, by=cast["sam"])
    assert not analysis.releases.exists()


@pytest.mark.parametrize(
    "status", [ReleaseStatus.AWAITING_REVIEW, ReleaseStatus.REJECTED, ReleaseStatus.REVOKED]
)
def test_an_answer_that_is_not_out_is_not_repeated(cast, grant, answer, status):
    make.no_longer_out(answer, status)
    assert not estimate(grant, sql=QUESTION, epsilon="0.1", by=cast["sam"]).is_repeat
    assert not is_free(submitted(grant))


def test_an_approval_whose_twin_was_answered_meanwhile_reserves_nothing(cast, grant, answer):
    """Asked while the first was still under way, so it went to people; when they approve, the bytes are there."""
    Release.objects.filter(analysis=answer).update(status=ReleaseStatus.QUARANTINED)
    waiting = submitted(grant)
    assert waiting.status == Status.IN_REVIEW
    Release.objects.filter(analysis=answer).update(status=ReleaseStatus.RELEASED)
    before = spent(grant, cast["sam"])
    decisions.review(waiting, revision=1, vote="approve", by=cast["alice"])
    waiting = AnalysisRequest.objects.get(pk=waiting.pk)
    assert is_free(waiting)
    assert waiting.decided_by == cast["alice"]
    assert waiting.releases.get().is_repeat
    assert spent(grant, cast["sam"]) == before


def test_the_rule_is_what_keeps_others_out(cast, grant, answer, monkeypatch):
    """Planted fault: a key without the grant would hand one project's bytes to another."""
    from domains.requests import specification

    real = specification.digest

    def without_grant(value):
        return real({name: item for name, item in value.items() if name != "grant" or "plan" not in value})

    paid = Charge.objects.get(pk=Release.objects.get(analysis=answer).charge_id)
    other = make.grant("0.5", title="Another project")
    theirs = specify(other, other.dataset.current, sql=QUESTION, epsilon="0.1")
    ours = specify(grant, grant.dataset.current, sql=QUESTION, epsilon="0.1")
    assert paid.repeat_key == ours.repeat_key() != theirs.repeat_key()
    monkeypatch.setattr(specification, "digest", without_grant)
    assert theirs.repeat_key() == ours.repeat_key()
