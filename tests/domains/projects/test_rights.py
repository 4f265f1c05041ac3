"""A grant is usable when every condition holds now; each condition alone makes it unusable, and says so."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from hypothesis import given as example
from hypothesis import strategies as st

from domains.catalog import actions as catalog
from domains.errors import NotAllowed
from domains.projects import actions
from domains.projects.policy import Facts, usable
from domains.projects.rights import grant_usable, grants_usable, require_usable
from tests import cast

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
GOOD = Facts(
    project_status="approved",
    project_valid_until=NOW + DAY,
    grant_status="granted",
    grant_valid_from=NOW - DAY,
    grant_valid_to=NOW + DAY,
    is_active=True,
    is_scientist=True,
    is_member=True,
    dataset_status="published",
    has_version=True,
)
BAD = {
    "person_active": {"is_active": False},
    "person_scientist": {"is_scientist": False},
    "person_member": {"is_member": False},
    "project_approved": {"project_status": "suspended"},
    "project_not_expired": {"project_valid_until": NOW},
    "grant_granted": {"grant_status": "revoked"},
    "grant_in_window": {"grant_valid_to": NOW},
    "dataset_published": {"has_version": False},
    "dataset_not_frozen": {"dataset_status": "frozen"},
    "agreements_accepted": {"agreement_due": "Terms of use"},
    "node_running": {"is_paused": True},
}


def test_all_conditions_together_make_it_usable():
    verdict = usable(GOOD, NOW)
    assert verdict.ok
    assert verdict.refusal is None
    assert {check.code for check in verdict.checks} == set(BAD)


@pytest.mark.parametrize("code", BAD)
def test_each_condition_alone_makes_it_unusable_and_is_named(code: str):
    verdict = usable(replace(GOOD, **BAD[code]), NOW)
    assert not verdict.ok
    assert [check.code for check in verdict.checks if not check.ok] == [code]
    assert verdict.refusal.hint


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            {"project_status": s}
            for s in ("draft", "in_review", "changes_requested", "rejected", "withdrawn", "closed")
        ),
        *({"grant_status": s} for s in ("requested", "denied", "withdrawn", "suspended", "closed")),
        *({"dataset_status": s} for s in ("draft", "withdrawn")),
        {"grant_valid_from": NOW + DAY},
        {"project_valid_until": NOW - DAY},
    ],
)
def test_no_other_status_and_no_other_time_will_do(wrong):
    assert not usable(replace(GOOD, **wrong), NOW).ok


@example(st.fixed_dictionaries({name: st.booleans() for name in BAD}))
def test_it_is_usable_exactly_when_nothing_fails(fails):
    facts = GOOD
    for code, failing in fails.items():
        facts = replace(facts, **BAD[code]) if failing else facts
    verdict = usable(facts, NOW)
    assert verdict.ok is not any(fails.values())
    assert {check.code for check in verdict.checks if not check.ok} == {c for c, f in fails.items() if f}


@pytest.fixture
def story(db):
    given = cast.cast()
    project = cast.approved(given, cast.dataset(given))
    return given, project, cast.granted(project, by=given.ada)


def test_the_predicate_reads_the_database_and_not_what_was_read_before(story):
    given, _project, grant = story
    assert grant_usable(grant, given.sam, timezone.now()).ok
    catalog.freeze(type(grant.dataset).objects.get(pk=grant.dataset_id), reason="Stop.", by=given.alice)
    assert grant.dataset.status == "published"  # as it was read
    assert grant_usable(grant, given.sam, timezone.now()).refusal.code == "dataset_not_frozen"


def test_what_people_do_takes_the_right_away_at_once(story):
    given, project, grant = story
    require_usable(grant, given.sam)
    actions.suspend(project, reason="A complaint.", by=given.rita)
    with pytest.raises(NotAllowed) as refused:
        require_usable(grant, given.sam)
    assert refused.value.code == "project_approved"


def test_a_member_who_left_and_a_scientist_who_is_none_any_more_cannot(story):
    given, project, grant = story
    assert grant_usable(grant, given.charlie, timezone.now()).refusal.code == "person_member"
    actions.add_member(project, given.charlie, by=given.rita)
    assert grant_usable(grant, given.charlie, timezone.now()).ok
    actions.end_member(project, given.charlie, by=given.sam)
    assert grant_usable(grant, given.charlie, timezone.now()).refusal.code == "person_member"
    given.sam.memberships.update(ended_at=timezone.now(), ended_by=given.ada)
    assert grant_usable(grant, given.sam, timezone.now()).refusal.code == "person_scientist"
    type(given.sam).objects.filter(pk=given.sam.pk).update(
        deactivated_at=timezone.now(), deactivated_by=given.ada, is_active=False
    )
    assert grant_usable(grant, given.sam, timezone.now()).refusal.code == "person_active"


def test_time_alone_takes_the_right_away(story):
    given, _project, grant = story
    assert grant_usable(grant, given.sam, timezone.now() + 31 * DAY).refusal.code == "grant_in_window"
    assert grant_usable(grant, given.sam, timezone.now() + 366 * DAY).refusal.code == "project_not_expired"
    assert not grant_usable(grant, given.sam, timezone.now() - DAY).ok


def test_many_grants_cost_as_many_queries_as_one(story, django_assert_num_queries):
    given, _project, grant = story
    grants = [grant]
    for number in range(29):
        grants.append(cast.granted(cast.approved(given, cast.dataset(given, f"more-{number}")), by=given.ada))
    with django_assert_num_queries(4):
        assert grants_usable(grants[:1], given.sam, timezone.now())[grant.pk].ok
    with django_assert_num_queries(4):
        assert all(verdict.ok for verdict in grants_usable(grants, given.sam, timezone.now()).values())
