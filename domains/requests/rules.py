"""What an approval on a dataset needs: set by an owner, and confirmed by a second person where it becomes looser."""

from __future__ import annotations

from dataclasses import asdict

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.catalog.models import Dataset, Seat
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.node.queries import require_running
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, Role, require
from domains.requests.models import ApprovalRule
from domains.requests.quorum import MOST_DAYS, MOST_PEOPLE, Terms, is_looser
from domains.requests.standing import terms_in_force
from domains.words import once


@transaction.atomic(durable=True)
def set_rule(
    dataset: Dataset,
    *,
    people: int,
    by: User,
    has_owner: bool = False,
    days: int = 7,
    organisations: int = 0,
    has_reviewer: bool = False,
) -> ApprovalRule:
    """Put the next version of the rule in force at once, unless it is looser: then another person confirms it.

    A stricter rule applies to open requests too; a looser one only to those submitted after it (S4).
    """
    require(by, Permission.POLICY_PROPOSE, on=dataset)
    Dataset.objects.select_for_update(no_key=True).get(pk=dataset.pk)
    dataset = Dataset.objects.get(pk=dataset.pk)
    new, old = Terms(people, has_owner, days, organisations, has_reviewer), terms_in_force(dataset)
    _require_sound(new)
    if new == old:
        raise InvalidInput("This is the rule already.", code="rule_unchanged")
    now, looser = timezone.now(), is_looser(new, old)
    dataset.approval_rules.filter(activated_at=None, ended_at=None).update(ended_at=now, ended_by=by)
    if not looser:
        _end_active(dataset, by)
    last = dataset.approval_rules.order_by("-number").values_list("number", flat=True).first()
    with once("Somebody else has just set a rule; look at it first.", code="rule_exists"):
        rule = ApprovalRule.objects.create(
            dataset=dataset,
            number=(last or 0) + 1,
            **asdict(new),
            is_looser=looser,
            proposed_by=by,
            activated_at=None if looser else now,
            activated_by=None if looser else by,
        )
    _announce(rule, by)
    return rule


def _require_sound(terms: Terms) -> None:
    if not 1 <= terms.people <= MOST_PEOPLE:
        raise InvalidInput(f"An approval takes between 1 and {MOST_PEOPLE} people.", code="rule_invalid")
    if not 1 <= terms.days <= MOST_DAYS:
        raise InvalidInput(f"Escalate after 1 to {MOST_DAYS} days.", code="rule_invalid")
    if not 0 <= terms.organisations <= terms.people:
        text = "As many people have to approve as organisations, or more."
        raise InvalidInput(text, code="rule_invalid")
    if terms.has_owner and terms.has_reviewer and terms.people < 2:
        text = "An owner and a reviewer who is no owner are two people."
        raise InvalidInput(text, code="rule_invalid")


def _end_active(dataset: Dataset, by: User) -> None:
    active = dataset.approval_rules.filter(activated_at__isnull=False, ended_at=None)
    active.update(ended_at=timezone.now(), ended_by=by)


def _announce(rule: ApprovalRule, by: User) -> None:
    dataset, path = rule.dataset, f"/datasets/{rule.dataset.slug}/approval/"
    event = Event.RULE_PROPOSED if rule.is_looser else Event.RULE_ACTIVATED
    record(event, by=by, on=rule, dataset=dataset.pk, number=rule.number, **asdict(rule.terms))
    if rule.is_looser:
        seats = dataset.area.seats.filter(role=Role.AREA_REVIEWER, ended_at=None).select_related("user")
        text = f"A looser approval rule for “{dataset.title}” waits for a second person."
        tell({row.user for row in seats} - {by}, event, text, path)
    else:
        stewards = dataset.stewards.filter(ended_at=None).select_related("user")
        text = f"Approvals on “{dataset.title}” now need {rule.terms.in_words}."
        tell({row.user for row in stewards} - {by}, event, text, path)


@transaction.atomic(durable=True)
def confirm_rule(rule: ApprovalRule, *, by: User) -> None:
    """Put a looser rule in force, as the second person."""
    require(by, Permission.POLICY_ACTIVATE, on=rule)
    if by.pk == rule.proposed_by_id:
        raise NotAllowed(
            "You proposed this rule, so somebody else must confirm it.", code="separation_of_duties"
        )
    require_running()
    Dataset.objects.select_for_update(no_key=True).get(pk=rule.dataset_id)
    _end_active(rule.dataset, by)
    now = timezone.now()
    waiting = ApprovalRule.objects.filter(pk=rule.pk, activated_at=None, ended_at=None)
    if waiting.update(activated_at=now, activated_by=by) != 1:
        raise IllegalMove("This rule is not waiting to be confirmed.")
    rule.activated_at, rule.activated_by = now, by
    record(Event.RULE_ACTIVATED, by=by, on=rule, dataset=rule.dataset_id, number=rule.number)
    text = f"Approvals on “{rule.dataset.title}” now need {rule.terms.in_words}."
    tell([rule.proposed_by], Event.RULE_ACTIVATED, text, f"/datasets/{rule.dataset.slug}/approval/")


@transaction.atomic(durable=True)
def withdraw_rule(rule: ApprovalRule, *, by: User) -> None:
    """Drop a rule that waits to be confirmed; the one in force stays."""
    require(by, Permission.POLICY_PROPOSE, on=rule)
    waiting = ApprovalRule.objects.filter(pk=rule.pk, activated_at=None, ended_at=None)
    if waiting.update(ended_at=timezone.now(), ended_by=by) != 1:
        raise IllegalMove("This rule is not waiting to be confirmed.")
    record(Event.RULE_WITHDRAWN, by=by, on=rule, dataset=rule.dataset_id, number=rule.number)


def waiting_for(user: User) -> QuerySet[ApprovalRule]:
    """Return the looser rules that `user` may confirm as the second person, the oldest first."""
    seats = Seat.objects.filter(user=user, role=Role.AREA_REVIEWER, ended_at=None).values("area")
    rows = ApprovalRule.objects.filter(activated_at=None, ended_at=None, dataset__area__in=seats)
    return (
        rows.exclude(proposed_by=user).select_related("dataset", "proposed_by").order_by("created_at", "pk")
    )


def rule(dataset: Dataset, number: int) -> ApprovalRule:
    """Return one version of a dataset's rule, or raise NotFound."""
    found = ApprovalRule.objects.select_related("dataset__area", "proposed_by")
    row = found.filter(dataset=dataset, number=number).first()
    if row is None:
        raise NotFound("This dataset has no such rule.")
    return row
