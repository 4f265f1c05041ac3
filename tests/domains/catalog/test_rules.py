"""Policies: one person proposes, another tries and activates, and exactly one is in force (S6)."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from domains.audit import queries as log
from domains.audit.events import Event
from domains.catalog import actions, queries
from domains.catalog import rules as catalog_rules
from domains.catalog.models import AccessPolicy, DryRun
from domains.catalog.policy import PolicyInvalid
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.people.models import Membership
from domains.people.permissions import Role
from domains.requests import dry_runs
from privacy.loss import epsilon_of, rho_of
from tests import cast, make

pytestmark = pytest.mark.django_db


def proposed(given: cast.Cast, *rules, **limits) -> AccessPolicy:
    dataset = given.area.datasets.first() or cast.dataset(given)
    document = make.rules(*(rules or [("allow", make.limits(**limits))]))
    return actions.propose_policy(dataset, document=document, by=given.alice)


def activate(policy: AccessPolicy, by) -> None:
    actions.activate_policy(policy, dry_run=dry_runs.try_policy(policy, by=by), by=by)


def test_an_epsilon_becomes_rho_rounded_down_at_the_populations_delta():
    given = cast.cast()
    (rule,) = proposed(given, epsilon="0.1", month="1").rules.rules
    delta = given.population.conversion_delta
    assert [one["rho"] for one in rule.when] == [rho_of(0.1, delta), rho_of(1.0, delta)]
    assert epsilon_of(rule.when[0]["rho"], delta) <= 0.1


@pytest.mark.parametrize("epsilon", ["-1", "NaN", "Infinity", "101", "many", None, {"rho": 1}])
def test_an_amount_is_a_number_that_makes_sense(epsilon):
    with pytest.raises(InvalidInput) as refused:
        proposed(cast.cast(), ("refuse", [{"is": "loss", "test": "over", "epsilon": epsilon}]))
    assert refused.value.code == "epsilon_invalid"


def test_a_policy_names_only_columns_that_the_dataset_has():
    given = cast.cast()
    with pytest.raises(PolicyInvalid, match="no version of this dataset has “income”"):
        proposed(given, ("refuse", [{"is": "columns", "test": "any", "of": ["age", "income"]}]))
    assert proposed(given, ("refuse", [{"is": "columns", "test": "any", "of": ["age"]}])).number == 1


def test_a_reviewer_of_the_area_activates_what_an_owner_proposed():
    given = cast.cast()
    policy = proposed(given)
    assert [row.pk for row in queries.policies_waiting(given.rita)] == [policy.pk]
    activate(policy, given.rita)
    assert policy.activated_by == given.rita
    with pytest.raises(IllegalMove):
        activate(policy, given.rita)


@pytest.mark.parametrize("who", ["alice", "sam", "ada", "theo", "charlie"])
def test_nobody_else_activates(who: str):
    given = cast.cast()
    with pytest.raises((NotAllowed, NotFound)):
        actions.activate_policy(proposed(given), dry_run=None, by=getattr(given, who))


@pytest.mark.parametrize("who", ["sam", "ada", "theo", "charlie"])
def test_nobody_else_tries_a_policy(who: str):
    given = cast.cast()
    with pytest.raises((NotAllowed, NotFound)):
        dry_runs.try_policy(proposed(given), by=getattr(given, who))


def test_who_activates_has_seen_a_dry_run_of_this_policy_today():
    given = cast.cast()
    policy, other = proposed(given), proposed(given)
    of_alice = dry_runs.try_policy(policy, by=given.alice)
    of_other = dry_runs.try_policy(other, by=given.rita)
    for seen in (None, of_alice, of_other):
        with pytest.raises(IllegalMove) as refused:
            actions.activate_policy(policy, dry_run=seen, by=given.rita)
        assert refused.value.code == "dry_run_missing"


def test_a_dry_run_of_yesterday_is_made_again(monkeypatch):
    given = cast.cast()
    policy = proposed(given)
    seen = dry_runs.try_policy(policy, by=given.rita)
    monkeypatch.setattr(catalog_rules, "DRY_RUN_VALID", timedelta(seconds=-1))
    with pytest.raises(IllegalMove) as refused:
        actions.activate_policy(policy, dry_run=seen, by=given.rita)
    assert refused.value.code == "dry_run_old"


def test_a_dry_run_that_says_something_else_now_counts_for_nothing():
    given = cast.cast()
    policy = proposed(given)
    seen = dry_runs.try_policy(policy, by=given.rita)
    seen.lines = '[{"request":"none"}]'
    with pytest.raises(IllegalMove) as refused:
        actions.activate_policy(policy, dry_run=seen, by=given.rita)
    assert refused.value.code == "dry_run_changed"


def test_the_log_keeps_the_rules_and_the_digest_of_what_was_seen():
    given = cast.cast()
    policy = proposed(given)
    activate(policy, given.rita)
    of = {body["event"]: body["details"] for body in log.bodies("policy.")}
    assert of[Event.POLICY_PROPOSED]["document"] == policy.rules.to_dict()
    assert of[Event.POLICY_ACTIVATED]["dry_run"] == policy.dry_run.sha256 == policy.dry_run.content_sha256
    assert of[Event.POLICY_ACTIVATED]["sha256"] == policy.sha256 == policy.content_sha256


def test_a_proposer_who_also_reviews_cannot_activate():
    given = cast.cast()
    policy = proposed(given)
    Membership.objects.create(user=given.alice, role=Role.REVIEWER, granted_by=given.ada)
    given.alice.forget_roles()
    actions.seat(given.area, given.alice, role=Role.AREA_REVIEWER, by=given.ada)
    with pytest.raises(NotAllowed) as refused:
        activate(policy, given.alice)
    assert refused.value.code == "separation_of_duties"
    assert not queries.policies_waiting(given.alice).exists()


def breaks(statement: str, *values) -> None:
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)


def test_the_database_demands_two_people_and_a_dry_run_even_without_the_guard():
    given = cast.cast()
    policy = proposed(given)
    seen, of_alice = (dry_runs.try_policy(policy, by=who).pk for who in (given.rita, given.alice))
    put = "UPDATE catalog_accesspolicy SET activated_at = created_at, activated_by_id = %s, dry_run_id = %s"
    breaks(put, given.alice.pk, of_alice)
    breaks(put, given.rita.pk, of_alice)
    breaks(put, given.rita.pk, None)
    with connection.cursor() as cursor:  # and this is what it lets pass
        cursor.execute(put, [given.rita.pk, seen])
    policy.refresh_from_db()
    assert policy.phase == "active"


@pytest.mark.parametrize(
    "change", ["document = '{}'", "sha256 = 'x'", "number = 9", "proposed_by_id = activated_by_id", "dry_run_id = NULL"]
)  # fmt: skip
def test_the_database_never_lets_a_policy_change(change):
    given = cast.cast()
    activate(proposed(given), given.rita)
    breaks(f"UPDATE catalog_accesspolicy SET {change}")


def test_the_database_never_lets_a_policy_end_twice_begin_active_or_go():
    given = cast.cast()
    policy = proposed(given)
    actions.end_policy(policy, by=given.alice)
    breaks("UPDATE catalog_accesspolicy SET ended_at = NULL, ended_by_id = NULL")
    breaks("DELETE FROM catalog_accesspolicy")
    with pytest.raises(IntegrityError), transaction.atomic():
        AccessPolicy.objects.create(
            dataset=policy.dataset, number=2, document="{}", sha256="x", proposed_by=given.alice,
            activated_at=policy.created_at, activated_by=given.rita,
        )  # fmt: skip
    with pytest.raises(IntegrityError), transaction.atomic():
        AccessPolicy.objects.create(
            dataset=policy.dataset, number=2, document="", sha256="", proposed_by=given.alice
        )


def test_the_database_never_lets_a_dry_run_change():
    given = cast.cast()
    dry_runs.try_policy(proposed(given), by=given.rita)
    breaks("UPDATE catalog_dryrun SET lines = '[]'")
    breaks("DELETE FROM catalog_dryrun")
    assert DryRun.objects.count() == 1


def test_activating_the_next_ends_the_one_before():
    given = cast.cast()
    first, second = proposed(given), proposed(given)
    assert (first.number, second.number) == (1, 2)
    activate(first, given.rita)
    activate(second, given.rita)
    first.refresh_from_db()
    assert first.ended_by == given.rita
    active = AccessPolicy.objects.filter(activated_at__isnull=False, ended_at=None)
    assert list(active) == [second]


def test_the_database_keeps_one_policy_in_force():
    given = cast.cast()
    first, second = proposed(given), proposed(given)
    activate(first, given.rita)
    seen = dry_runs.try_policy(second, by=given.rita)
    with pytest.raises(IntegrityError), transaction.atomic():
        AccessPolicy.objects.filter(pk=second.pk).update(
            activated_at=second.created_at, activated_by=given.rita, dry_run=seen
        )


def test_an_ended_policy_is_never_activated():
    given = cast.cast()
    policy = proposed(given)
    seen = dry_runs.try_policy(policy, by=given.rita)
    actions.end_policy(policy, by=given.alice)
    with pytest.raises(IllegalMove):
        actions.activate_policy(policy, dry_run=seen, by=given.rita)
    with pytest.raises(IllegalMove):
        actions.end_policy(policy, by=given.alice)
    with pytest.raises(IllegalMove):
        dry_runs.try_policy(policy, by=given.rita)


def test_one_owner_suffices_to_end_automation():
    given = cast.cast()
    policy = proposed(given)
    activate(policy, given.rita)
    with pytest.raises(NotAllowed):
        actions.end_policy(policy, by=given.rita)
    actions.end_policy(policy, by=given.alice)
    assert policy.ended_by == given.alice
    assert policy.phase == "ended"


def test_rules_in_force_are_public_and_proposals_are_not():
    given = cast.cast()
    active, waiting = proposed(given), proposed(given)
    activate(active, given.rita)
    row = queries.dataset("support2", given.sam)
    assert [p.pk for p in queries.policies(row, given.sam)] == [active.pk]
    row = queries.dataset("support2", given.alice)
    assert [p.pk for p in queries.policies(row, given.alice)] == [waiting.pk, active.pk]


def test_what_a_policy_was_tried_on_is_for_those_who_care_for_the_dataset_and_auditors():
    given = cast.cast()
    policy = proposed(given)
    activate(policy, given.rita)
    key = policy.dry_run.pk
    for who in (given.alice, given.rita, given.theo):
        assert dry_runs.dry_run(policy, key, who).pk == key
    for who in (given.sam, given.charlie, given.ada):
        assert not dry_runs.dry_runs(policy, who).exists()
        with pytest.raises(NotFound):
            dry_runs.dry_run(policy, key, who)
