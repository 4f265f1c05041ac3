"""Quorums over distinct organisations and required roles: votes keep what their voter was when voting."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from domains.catalog import actions as catalog
from domains.catalog.models import Steward
from domains.errors import InvalidInput
from domains.notices.models import Notice
from domains.people import organisations
from domains.people.permissions import Role
from domains.requests import decisions, panel, queries, rules, standing, waiting
from domains.requests.lifecycle import Status
from domains.requests.models import ApprovalRule, Review
from domains.requests.quorum import Standing, Terms, Voter, is_looser, strictest
from tests import make

ANN, BOB, CID = Voter("a", True, "x"), Voter("b", False, "x"), Voter("c", False, "y")
NONE = Voter("d", False)
BOTH = Terms(2, has_owner=True, has_reviewer=True)


@pytest.mark.parametrize(
    ("terms", "approved", "is_reached"),
    [
        (Terms(2, organisations=2), {ANN, BOB}, False),  # one organisation twice
        (Terms(2, organisations=2), {ANN, CID}, True),
        (Terms(2, organisations=2), {ANN, NONE}, False),  # none is none
        (Terms(2, organisations=1), {NONE, BOB}, True),
        (BOTH, {BOB, CID}, False),
        (BOTH, {ANN, Voter("e", True)}, False),
        (BOTH, {ANN, BOB}, True),
        (Terms(1, has_reviewer=True), {ANN}, False),
        (Terms(1, has_reviewer=True), {BOB}, True),
    ],
)
def test_a_quorum_counts_organisations_and_roles(terms, approved, is_reached):
    assert Standing(terms, frozenset(approved), frozenset()).is_reached is is_reached
    assert Standing(terms, frozenset(), frozenset(approved)).is_reachable is is_reached


def test_fewer_organisations_or_a_role_less_is_looser_and_the_strictest_of_all_counts():
    assert is_looser(Terms(3, organisations=1), Terms(3, organisations=2))
    assert is_looser(Terms(2), Terms(2, has_reviewer=True))
    assert not is_looser(Terms(2, organisations=2, has_reviewer=True), Terms(2))
    found = strictest([Terms(1, has_owner=True), Terms(1, has_reviewer=True, organisations=1)], days=3)
    assert found == Terms(2, True, 3, 1, True)  # two roles are two people
    assert found.in_words.endswith(
        "of at least 1 organisation, one of them by an owner of the dataset and one by a reviewer"
    )
    assert "reviewer who is no owner" in Terms(has_reviewer=True).in_words


@pytest.fixture
def two_places(cast, grant, db):
    """Alice and Bea are of the hospital, Rita of the university; approvals need both."""
    bea = make.person("bea", Role.OWNER)
    catalog.assign(grant.dataset, bea, role=Role.DATASET_OWNER, by=cast["alice"])
    catalog.assign(grant.dataset, cast["rita"], role=Role.DATASET_REVIEWER, by=cast["alice"])
    places = [organisations.create_organisation(name, by=cast["ada"]) for name in ("Hospital", "University")]
    for person, place in ((cast["alice"], 0), (bea, 0), (cast["rita"], 1)):
        organisations.set_organisation(person, places[place], by=cast["ada"])
    rules.set_rule(grant.dataset, people=2, organisations=2, by=cast["alice"])
    return cast | {"bea": bea, "hospital": places[0], "university": places[1]}


def vote(analysis, by):
    decisions.review(queries.detail(analysis.pk, by), revision=1, vote="approve", by=by)


def status(analysis):
    return queries.detail(analysis.pk, analysis.author).status


def test_two_people_of_one_organisation_are_one(two_places, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    vote(analysis, two_places["alice"])
    vote(analysis, two_places["bea"])
    assert status(analysis) == Status.IN_REVIEW
    vote(analysis, two_places["rita"])
    assert status(analysis) == Status.APPROVED


def test_who_moves_after_voting_changes_no_vote(two_places, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    vote(analysis, two_places["alice"])
    organisations.set_organisation(two_places["alice"], two_places["university"], by=two_places["ada"])
    organisations.set_organisation(two_places["bea"], two_places["university"], by=two_places["ada"])
    vote(analysis, two_places["bea"])  # of the university by now; Alice's vote stays the hospital's
    assert status(analysis) == Status.APPROVED
    cast = Review.objects.filter(revision=analysis.revision).values_list("organisation__name", flat=True)
    assert list(cast) == ["Hospital", "University"]


def test_a_stricter_rule_applies_to_open_requests_and_an_unreachable_one_goes_up(two_places, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    rules.set_rule(grant.dataset, people=2, organisations=2, has_reviewer=True, by=two_places["alice"])
    assert standing.terms_of(queries.detail(analysis.pk, analysis.author)).has_reviewer
    panel.recuse(queries.detail(analysis.pk, two_places["rita"]), reason="A friend.", by=two_places["rita"])
    assert queries.detail(analysis.pk, analysis.author).escalation == "unreachable"
    told = dict(Notice.objects.filter(event="request.escalated").values_list("recipient__name", "path"))
    assert told["Alice Owner"] == f"/requests/{analysis.pk}/decision/"  # who may read it is led to it
    assert told["Ada Administrator"] == f"/datasets/{grant.dataset.slug}/approval/"


@pytest.mark.parametrize(
    "terms", [{"people": 1, "organisations": 2}, {"people": 1, "has_owner": True, "has_reviewer": True}]
)
def test_a_rule_that_nobody_can_meet_is_refused(two_places, grant, terms):
    with pytest.raises(InvalidInput):
        rules.set_rule(grant.dataset, **terms, by=two_places["alice"])


def test_a_looser_rule_is_a_task_of_who_may_confirm_it(two_places, grant):
    (work,) = [each for each in waiting.WORK if each.kind == "rule.confirm"]
    assert not work.rows(two_places["rita"]).exists()
    rules.set_rule(grant.dataset, people=2, by=two_places["alice"])
    (row,) = work.rows(two_places["rita"])
    assert work.line(row).path == f"/datasets/{grant.dataset.slug}/approval/"
    assert not any(work.rows(two_places[name]).exists() for name in ("alice", "sam", "ada", "theo"))
    rules.confirm_rule(row, by=two_places["rita"])
    assert not work.rows(two_places["rita"]).exists()


def test_the_database_refuses_votes_of_another_organisation_and_impossible_rules(two_places, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    wrong = {"revision": analysis.revision, "reviewer": two_places["alice"], "vote": "approve"}
    for place in (two_places["university"], None):
        with pytest.raises(IntegrityError), transaction.atomic():
            Review.objects.create(**wrong, organisation=place)
    vote(analysis, two_places["alice"])
    for sql in (
        "UPDATE requests_review SET organisation_id = NULL",
        "UPDATE requests_approvalrule SET organisations = 0",
        "UPDATE requests_approvalrule SET has_reviewer = NOT has_reviewer",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    for terms in ({"organisations": 3}, {"people": 1, "has_owner": True, "has_reviewer": True}):
        values = {"dataset": grant.dataset, "number": 9, "people": 2, "is_looser": False} | terms
        with pytest.raises(IntegrityError), transaction.atomic():
            ApprovalRule.objects.create(**values, proposed_by=two_places["alice"])


def test_an_orphaned_seat_does_not_count(two_places, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    seat = Steward.objects.get(dataset=grant.dataset, user=two_places["rita"], ended_at=None)
    catalog.end_steward(seat, by=two_places["alice"])
    assert not standing.standing(queries.detail(analysis.pk, analysis.author)).is_reachable
