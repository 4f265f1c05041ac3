"""Decisions by several people: rules only two loosen, votes judged alone, standing aside, and going up."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from domains.catalog import actions as catalog
from domains.catalog.models import Steward
from domains.errors import BudgetExhausted, DomainError, IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.ledger import queries as books
from domains.notices.models import Notice
from domains.people import actions as people
from domains.people.permissions import Role
from domains.requests import decisions, escalation, panel, queries, rules, standing, upkeep
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest, ApprovalRule, Recusal, Review
from domains.requests.quorum import Standing, Terms, Voter, is_looser, strictest
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def three(cast, grant):
    """Alice and Bea own the dataset, Rita is its reviewer."""
    bea = make.person("bea", Role.OWNER)
    catalog.assign(grant.dataset, bea, role=Role.DATASET_OWNER, by=cast["alice"])
    catalog.assign(grant.dataset, cast["rita"], role=Role.DATASET_REVIEWER, by=cast["alice"])
    return cast | {"bea": bea}


@pytest.fixture
def two_needed(three, grant):
    """Two people must approve."""
    return rules.set_rule(grant.dataset, people=2, by=three["alice"])


def reload(analysis: AnalysisRequest) -> AnalysisRequest:
    return queries.detail(analysis.pk, analysis.author)


def vote(analysis, by, cast="approve", reason=""):
    number = reload(analysis).revision.number
    decisions.review(reload(analysis), revision=number, vote=cast, reason=reason, by=by)


def seen(analysis, by):
    return [row.reviewer.email[:4] for row in standing.visible_votes(queries.detail(analysis.pk, by), by)]


# --- The value ---------------------------------------------------------------------------------------------------


def test_a_quorum_counts_people_and_may_ask_for_an_owner():
    owner, other = Voter("a", True), Voter("b", False)
    two = Terms(2, has_owner=True)
    assert not Standing(
        two, frozenset({owner, Voter("a", False)}), frozenset()
    ).is_reached  # one person twice
    assert Standing(two, frozenset({owner, other}), frozenset()).is_reached
    assert not Standing(two, frozenset({other, Voter("c", False)}), frozenset()).is_reached
    assert Standing(two, frozenset({other}), frozenset({owner})).is_reachable
    assert not Standing(two, frozenset({owner}), frozenset()).is_reachable


def test_looser_is_fewer_people_or_no_owner():
    assert is_looser(Terms(1), Terms(2))
    assert is_looser(Terms(3), Terms(2, has_owner=True))
    assert not is_looser(Terms(2, has_owner=True), Terms(2))
    assert strictest([Terms(3), Terms(1, has_owner=True)], days=4) == Terms(3, True, 4)
    assert strictest([], days=7) == Terms()


# --- Rules -------------------------------------------------------------------------------------------------------


def test_a_stricter_rule_counts_at_once_and_for_open_requests(three, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    rule = rules.set_rule(grant.dataset, people=2, has_owner=True, by=three["alice"])
    assert rule.activated_at
    vote(analysis, three["rita"])
    assert reload(analysis).status == Status.IN_REVIEW
    vote(analysis, three["bea"])
    assert reload(analysis).status == Status.APPROVED


def test_a_looser_rule_takes_a_second_person_and_does_not_help_open_requests(three, two_needed, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    looser = rules.set_rule(grant.dataset, people=1, by=three["alice"])
    assert looser.is_looser
    assert not looser.activated_at
    assert standing.terms_in_force(grant.dataset).people == 2
    with pytest.raises(NotAllowed):
        rules.confirm_rule(looser, by=three["bea"])  # an owner, not a reviewer of the area
    rules.confirm_rule(looser, by=three["rita"])
    with pytest.raises(IllegalMove):
        rules.confirm_rule(looser, by=three["rita"])
    vote(analysis, three["rita"])
    assert reload(analysis).status == Status.IN_REVIEW  # it was submitted under the stricter one
    later = make.request(Status.IN_REVIEW, on=grant, sql="SELECT COUNT(*) AS n FROM support2")
    vote(later, three["rita"])
    assert reload(later).status == Status.APPROVED


def test_who_proposed_a_looser_rule_does_not_confirm_it(three, two_needed, grant):
    catalog.assign(grant.dataset, make.person("rob", Role.OWNER), role=Role.DATASET_OWNER, by=three["alice"])
    people.grant_role(three["rita"], Role.OWNER, by=three["ada"])
    catalog.assign(grant.dataset, three["rita"], role=Role.DATASET_OWNER, by=three["alice"])
    looser = rules.set_rule(grant.dataset, people=1, by=make.person("rita"))
    with pytest.raises(NotAllowed, match="You proposed"):
        rules.confirm_rule(looser, by=make.person("rita"))


def test_a_proposal_is_withdrawn_or_replaced(three, two_needed, grant):
    first = rules.set_rule(grant.dataset, people=1, by=three["alice"])
    second = rules.set_rule(grant.dataset, people=1, days=3, by=three["bea"])
    with pytest.raises(IllegalMove):
        rules.confirm_rule(first, by=three["rita"])
    rules.withdraw_rule(second, by=three["alice"])
    with pytest.raises(IllegalMove):
        rules.withdraw_rule(second, by=three["alice"])
    assert standing.terms_in_force(grant.dataset).people == 2


@pytest.mark.parametrize("terms", [{"people": 0}, {"people": 10}, {"people": 2, "days": 0}, {"people": 1}])
def test_a_rule_is_within_bounds_and_changes_something(three, grant, terms):
    with pytest.raises(InvalidInput):
        rules.set_rule(grant.dataset, **terms, by=three["alice"])


def test_only_owners_set_rules_and_versions_are_found(three, two_needed, grant):
    for name in ("rita", "sam", "ada", "theo", "charlie"):
        with pytest.raises(DomainError):
            rules.set_rule(grant.dataset, people=3, by=three[name])
    assert rules.rule(grant.dataset, 1) == two_needed
    with pytest.raises(NotFound):
        rules.rule(grant.dataset, 9)


# --- Votes -------------------------------------------------------------------------------------------------------


def test_the_reservation_comes_with_the_vote_that_completes_the_quorum(three, two_needed, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    vote(analysis, three["alice"])
    assert books.balances(grant, three["sam"])[1].reserved.rho == 0
    with pytest.raises(IllegalMove, match="already voted"):
        vote(analysis, three["alice"])
    vote(analysis, three["rita"])
    assert books.balances(grant, three["sam"])[1].reserved.rho > 0
    with pytest.raises(IllegalMove):
        vote(analysis, three["bea"])
    assert Review.objects.filter(revision__analysis=analysis).values_list("role", flat=True).count() == 2


def test_a_last_vote_without_budget_is_not_counted(three, two_needed, grant):
    both = [
        make.request(Status.IN_REVIEW, on=grant, epsilon="0.9", sql=f"SELECT COUNT(*) AS n{n} FROM support2")
        for n in (1, 2)
    ]
    for analysis in both:
        vote(analysis, three["alice"])
    vote(both[0], three["rita"])
    with pytest.raises(BudgetExhausted):
        vote(both[1], three["rita"])
    after = reload(both[1])
    assert (after.status, after.status_code) == (Status.IN_REVIEW, "insufficient_budget")
    assert len(standing.votes_of(after)) == 1


def test_nobody_sees_anothers_vote_before_their_own(three, two_needed, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    before = Notice.objects.count()
    vote(analysis, three["alice"], reason="Looks harmless.")
    assert Notice.objects.count() == before  # no notice gives it away
    assert seen(analysis, three["alice"]) == ["alic"]
    assert [seen(analysis, three[name]) for name in ("rita", "bea", "sam", "theo")] == [[], [], [], []]
    assert standing.visible_votes(reload(analysis), None) == []
    vote(analysis, three["rita"])
    assert seen(analysis, three["sam"]) == ["alic", "rita"]  # the decision has fallen


def test_a_vote_keeps_its_role_after_the_person_has_left(three, grant):
    rules.set_rule(grant.dataset, people=2, has_owner=True, by=three["alice"])
    analysis = make.request(Status.IN_REVIEW, on=grant)
    vote(analysis, three["bea"])
    seat = Steward.objects.get(dataset=grant.dataset, user=three["bea"], ended_at=None)
    catalog.end_steward(seat, by=three["alice"])
    vote(analysis, three["rita"])
    assert reload(analysis).status == Status.APPROVED


# --- Standing aside ----------------------------------------------------------------------------------------------


def test_who_stands_aside_never_counts_and_is_not_asked_again(three, two_needed, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    vote(analysis, three["rita"])
    panel.recuse(reload(analysis), reason="I know the author.", by=three["rita"])
    with pytest.raises(IllegalMove, match="already"):
        panel.recuse(reload(analysis), reason="Again.", by=three["rita"])
    assert not queries.queue(three["rita"]).exists()
    vote(analysis, three["alice"])
    assert reload(analysis).status == Status.IN_REVIEW  # Rita's vote no longer counts
    vote(analysis, three["bea"])
    assert reload(analysis).status == Status.APPROVED


def test_who_stands_aside_does_not_vote(three, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    with pytest.raises(InvalidInput):
        panel.recuse(reload(analysis), reason=" ", by=three["alice"])
    panel.recuse(reload(analysis), reason="A relative.", by=three["alice"])
    with pytest.raises(NotAllowed, match="stand aside"):
        vote(analysis, three["alice"])
    assert not queries.may_decide(reload(analysis), three["alice"])


def test_a_quorum_that_cannot_be_reached_goes_up_at_once(three, grant):
    rules.set_rule(grant.dataset, people=3, by=three["alice"])
    analysis = make.request(Status.IN_REVIEW, on=grant)
    panel.recuse(reload(analysis), reason="A relative.", by=three["bea"])
    after = reload(analysis)
    assert (after.escalation, after.escalation_level) == ("unreachable", 3)
    told = set(Notice.objects.filter(event="request.escalated").values_list("recipient__email", flat=True))
    assert {"alice@hospital.example", "rita@hospital.example", "ada@hospital.example"} <= told
    assert not any("Patients" in row.text for row in Notice.objects.filter(event="request.escalated"))


# --- Assignment --------------------------------------------------------------------------------------------------


def test_owners_assign_anyone_and_reviewers_themselves(three, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    with pytest.raises(NotAllowed):
        panel.assign(reload(analysis), three["bea"], by=three["rita"])
    panel.assign(reload(analysis), three["rita"], by=three["rita"])
    panel.assign(reload(analysis), None, by=three["rita"])
    panel.assign(reload(analysis), three["rita"], by=three["alice"])
    assert queries.queue(three["rita"], assigned="mine").count() == 1
    assert queries.queue(three["bea"], assigned="mine").count() == 0
    assert queries.queue(three["bea"], assigned="unassigned").count() == 0
    assert queries.queue(three["bea"]).count() == 1  # and may still decide
    with pytest.raises(InvalidInput, match="may not decide"):
        panel.assign(reload(analysis), three["sam"], by=three["alice"])
    panel.recuse(reload(analysis), reason="A relative.", by=three["rita"])
    assert reload(analysis).assigned_to is None


def test_of_two_who_assign_at_once_the_second_looks_again(three, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    first, second = reload(analysis), reload(analysis)
    panel.assign(first, three["rita"], by=three["alice"])
    with pytest.raises(IllegalMove, match="just assigned"):
        panel.assign(second, three["bea"], by=three["alice"])
    decisions.review(reload(analysis), revision=1, vote="approve", by=three["alice"])
    with pytest.raises(IllegalMove):
        panel.assign(reload(analysis), None, by=three["alice"])


def test_the_assignment_of_somebody_who_leaves_moves_on(three, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    panel.assign(reload(analysis), three["rita"], by=three["alice"])
    assert not panel.hand_on(reload(analysis))
    people.deactivate(three["rita"], by=three["ada"])
    upkeep.sweep(timezone.now())
    assert reload(analysis).assigned_to is None
    assert Notice.objects.filter(event="request.unassigned", recipient=three["alice"]).count() == 1


# --- Going up ----------------------------------------------------------------------------------------------------


def test_an_unanswered_request_goes_up_step_by_step_and_is_never_approved(three, grant):
    rules.set_rule(grant.dataset, people=1, days=2, has_owner=True, by=three["alice"])
    analysis = make.request(Status.IN_REVIEW, on=grant)
    start = reload(analysis).submitted_at
    levels = []
    for days in (1, 2, 3, 4, 6, 8, 8):
        for _ in range(2):  # a second sweep finds nothing to do
            upkeep.sweep(start + timedelta(days=days))
        levels.append(reload(analysis).escalation_level)
    assert levels == [0, 1, 1, 2, 3, 3, 3]
    told = list(Notice.objects.filter(event="request.escalated").values_list("recipient__name", flat=True))
    assert sorted(told) == ["Ada Administrator", "Alice Owner", "Bea", "Rita Reviewer"]
    assert reload(analysis).status == Status.IN_REVIEW
    assert list(queries.escalated(grant.dataset)) == [analysis]


def test_without_a_rule_a_week_is_long(cast, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    start = reload(analysis).submitted_at
    assert not escalation.overdue(start + timedelta(days=6)).exists()
    assert escalation.overdue(start + timedelta(days=8)).get() == analysis
    assert not escalation.escalate(reload(analysis), start)


def test_a_sweep_sees_that_nobody_is_left(cast, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    upkeep.sweep(timezone.now())
    assert reload(analysis).escalation == ""
    rules.set_rule(grant.dataset, people=2, by=cast["alice"])
    upkeep.sweep(timezone.now())
    assert reload(analysis).escalation == "unreachable"
    assert not escalation.if_unreachable(reload(analysis))


# --- What the database itself refuses ----------------------------------------------------------------------------


def refused(sql: str, *values: object) -> None:
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, values)


def test_the_database_refuses_votes_of_authors_and_of_who_stood_aside(three, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    panel.recuse(reload(analysis), reason="A relative.", by=three["bea"])
    for name in ("sam", "bea"):
        with pytest.raises(IntegrityError), transaction.atomic():
            Review.objects.create(revision=analysis.revision, reviewer=three[name], vote="approve")
    with pytest.raises(IntegrityError), transaction.atomic():
        Recusal.objects.create(analysis=analysis, person=three["bea"], reason="Twice.")
    with pytest.raises(IntegrityError), transaction.atomic():
        Recusal.objects.create(analysis=analysis, person=three["rita"], reason="")
    refused("DELETE FROM requests_recusal")
    refused("UPDATE requests_recusal SET reason = 'x'")


def test_the_database_keeps_rules_as_they_were_set(three, two_needed, grant):
    refused("UPDATE requests_approvalrule SET people = 1")
    refused("UPDATE requests_approvalrule SET has_owner = NOT has_owner")
    refused("DELETE FROM requests_approvalrule")
    looser = rules.set_rule(grant.dataset, people=1, by=three["alice"])
    refused(
        "UPDATE requests_approvalrule SET activated_at = created_at, activated_by_id = proposed_by_id "
        "WHERE id = %s",
        looser.pk,
    )
    rules.withdraw_rule(looser, by=three["alice"])
    refused("UPDATE requests_approvalrule SET ended_at = NULL, ended_by_id = NULL WHERE id = %s", looser.pk)
    assert ApprovalRule.objects.count() == 2


def test_the_database_refuses_half_an_assignment_and_an_unknown_escalation(cast, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    refused("UPDATE requests_analysisrequest SET assigned_at = created_at WHERE id = %s", analysis.pk)
    refused("UPDATE requests_analysisrequest SET assigned_to_id = author_id WHERE id = %s", analysis.pk)
    refused("UPDATE requests_analysisrequest SET escalation = 'bored' WHERE id = %s", analysis.pk)
    refused("UPDATE requests_analysisrequest SET escalation_level = 2 WHERE id = %s", analysis.pk)
