"""Decisions by several people, in a browser without JavaScript: who may, what each sees, at what cost."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from domains.catalog import actions as catalog
from domains.people.permissions import Role
from domains.requests import decisions, rules, standing
from domains.requests.models import AnalysisRequest, ApprovalRule, Review
from tests import cast as world
from tests.portal.web import kit
from tests.portal.web.kit import Story

pytestmark = pytest.mark.django_db
SECRET = "The columns are harmless."


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


@pytest.fixture
def two(given: Story) -> Story:
    """Two people must approve: Alice owns, Rita reviews."""
    catalog.assign(given.dataset, given.cast.rita, role=Role.DATASET_REVIEWER, by=given.cast.alice)
    rules.set_rule(given.dataset, people=2, by=given.cast.alice)
    return given


@pytest.fixture
def half(two: Story) -> AnalysisRequest:
    """A request that Alice has approved, and that waits for another."""
    analysis = kit.ask(two)
    decisions.review(analysis, revision=1, vote="approve", reason=SECRET, by=two.cast.alice)
    return analysis


def people(given: Story) -> dict[str, Client]:
    return {name: kit.browser(getattr(given.cast, name)) for name in ("alice", "rita", "sam")}


def test_an_owner_sets_the_rule_and_a_reviewer_of_the_area_confirms_a_looser_one(two: Story) -> None:
    browsers, page = people(two), reverse("dataset_approval", args=[two.dataset.slug])
    change = reverse("approval_set", args=[two.dataset.slug])
    assert browsers["rita"].post(change, {"people": "1", "days": "7"}).status_code == 403
    assert "Set the rule" not in text(browsers["sam"].get(page))
    too_many = browsers["alice"].post(change, {"people": "40", "days": "7"})
    assert (too_many.status_code, 'value="40"' in text(too_many)) == (422, True)
    looser = browsers["alice"].post(change, {"people": "1", "days": "7"}, follow=True)
    assert "another person has to confirm it" in text(looser)
    assert not kit.faults(looser.content.decode())
    confirm = reverse("approval_confirm", args=[two.dataset.slug, 2])
    assert browsers["alice"].post(confirm).status_code == 403
    browsers["rita"].post(confirm)
    assert standing.terms_in_force(two.dataset).people == 1
    browsers["alice"].post(change, {"people": "3", "has_owner": "on", "days": "2"})
    browsers["alice"].post(change, {"people": "2", "days": "2"})
    browsers["alice"].post(reverse("approval_withdraw", args=[two.dataset.slug, 4]))
    assert ApprovalRule.objects.get(number=4).ended_at
    assert standing.terms_in_force(two.dataset).people == 3


def test_no_page_shows_anothers_vote_before_ones_own(two: Story, half: AnalysisRequest) -> None:
    browsers = people(two)
    decision = reverse("decision", args=[half.pk])
    before = text(browsers["rita"].get(decision))
    assert "1 of 2 approvals in" in before
    assert "shown once you have voted" in before
    for name, client in browsers.items():
        for address in (reverse("request", args=[half.pk]), reverse("queue"), reverse("notices"), "/"):
            assert name == "alice" or SECRET not in text(client.get(address)), (name, address)
    assert SECRET not in before
    quorum = before.split("Quorum so far")[1].split("</dd>")[0]
    assert "may still vote" in quorum
    assert not any(
        person.name in quorum for person in (two.cast.alice, two.cast.rita)
    )  # who is left tells who voted
    assert SECRET in text(browsers["alice"].get(decision))
    decisions.review(half, revision=1, vote="approve", by=two.cast.rita)
    assert SECRET in text(browsers["rita"].get(decision))


def test_an_approval_that_decides_nothing_yet_says_so(two: Story) -> None:
    analysis, alice = kit.ask(two), kit.browser(two.cast.alice)
    decision = reverse("decision", args=[analysis.pk])
    vote = {"vote": "approve", "revision": "1", "reason": ""}
    assert "nothing runs before others have approved" in text(alice.post(decision, vote))
    done = text(alice.post(decision, vote | {"do": "confirm"}, follow=True))
    assert "Others have to vote too" in done
    assert "You have voted. Others decide now." in done


def test_standing_aside_asks_why_and_takes_the_request_from_ones_queue(two: Story) -> None:
    analysis = kit.ask(two)
    browsers, page = people(two), reverse("request_recuse", args=[analysis.pk])
    assert browsers["sam"].get(page).status_code == 403
    assert not kit.faults(browsers["rita"].get(page).content.decode())
    assert browsers["rita"].post(page, {"reason": ""}).status_code == 422
    done = text(browsers["rita"].post(page, {"reason": "My brother wrote it."}, follow=True))
    assert "You stand aside" in done
    assert "Patients by sex" not in done
    decision = text(browsers["alice"].get(reverse("decision", args=[analysis.pk])))
    assert "1 person" in decision
    assert "My brother" not in decision, "why is read by those who have voted"
    assert "too few people left" in decision


def test_owners_assign_and_reviewers_take(two: Story) -> None:
    analysis, browsers = kit.ask(two), people(two)
    page = reverse("request_assign", args=[analysis.pk])
    assert browsers["sam"].post(page, {"person": two.cast.alice.pk}).status_code == 403
    assert browsers["rita"].post(page, {"person": two.cast.alice.pk}).status_code == 403
    assert "may decide" in text(browsers["alice"].post(page, {"person": two.cast.sam.pk}, follow=True))
    browsers["rita"].post(page, {"person": two.cast.rita.pk})
    assert "Give it back" in text(browsers["rita"].get(reverse("decision", args=[analysis.pk])))
    assert "Patients by sex" in text(browsers["rita"].get(reverse("queue"), {"assigned": "mine"}))
    assert "Nothing here" in text(browsers["rita"].get(reverse("queue"), {"assigned": "unassigned"}))
    browsers["alice"].post(page, {"person": ""})
    assert AnalysisRequest.objects.get(pk=analysis.pk).assigned_to is None


def test_a_stranger_learns_nothing_of_the_request(two: Story, half: AnalysisRequest) -> None:
    stranger = kit.browser(world.person("Stranger", Role.OWNER))
    for name in ("request_recuse", "incident", "release_revoke", "decision"):
        assert stranger.get(reverse(name, args=[half.pk])).status_code == 404
    assert stranger.post(reverse("request_assign", args=[half.pk]), {"person": ""}).status_code == 404


def test_the_queue_takes_as_many_queries_for_twenty_requests_as_for_two(two: Story) -> None:
    alice = kit.browser(two.cast.alice)
    for number in range(2):
        kit.ask(two, f"Request {number}", epsilon="0.01")
    alice.get(reverse("queue"))
    few = _queries(alice)
    for number in range(2, 6):
        kit.ask(two, f"Request {number}", epsilon="0.01")
    for analysis in AnalysisRequest.objects.all()[:3]:
        Review.objects.create(
            revision=analysis.revision, reviewer=two.cast.rita, vote="approve", role=Role.DATASET_REVIEWER
        )
    assert _queries(alice) == few


def _queries(client: Client) -> int:
    with CaptureQueriesContext(connection) as caught:
        assert "of 2" in text(client.get(reverse("queue")))
    return len(caught)
