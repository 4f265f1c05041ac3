"""How each move of people is made, by its action and label; `before` prepares what the call needs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from domains.agreements import actions as agreements
from domains.catalog import actions as catalog
from domains.catalog import erasing, rules, tables, using
from domains.catalog.models import DatasetVersion
from domains.delivery import actions as delivery
from domains.emergency import actions as emergency
from domains.intake import actions as intake
from domains.ledger import actions as ledger
from domains.ledger import limits, topups
from domains.node import actions as node
from domains.people.permissions import Role
from domains.projects import actions as projects
from domains.projects import amending, amendments, application, sections
from domains.requests import actions, decisions, dry_runs, incidents, panel, releases
from domains.requests import rules as approval_rules
from domains.synthetic import actions as synthetic
from tests import cast, make
from tests.portal.web import kit
from tests.stage import Stage

Call = Callable[[Any, Any, Stage], object]
SMALL = make.rules(("allow", make.limits("0.1")))
SCHEMA: dict[str, Any] = {"columns": cast.COLUMNS, "max_units": 10_000}
WORDS = {"title": "A title", "sql": kit.QUESTION, "epsilon": "0.1"}
TWO = {"epsilon": Decimal(2), "reason": "More."}


def _vote(vote: str) -> Call:
    return lambda o, by, w: decisions.review(
        o, revision=o.revision.number if o.revision else 1, vote=vote, reason="Because.", by=by
    )


def _judge(vote: str) -> Call:
    return lambda o, by, w: projects.review(o, version=o.version, vote=vote, reason="Because.", by=by)


def _decide(vote: str) -> Call:
    return lambda o, by, w: amending.review(
        o, version=o.frozen.number if o.frozen else 1, vote=vote, reason="Because.", by=by
    )


CALLS: dict[tuple[str, str], Call] = {
    ("requests.actions.edit", "Edit"): lambda o, by, w: actions.edit(o, **WORDS, by=by),
    ("requests.actions.check", "Check"): lambda o, by, w: actions.check(o, by=by),
    ("requests.actions.run_on_mock", "Run on the mock"): lambda o, by, w: actions.run_on_mock(o, by=by),
    ("requests.actions.submit", "Submit"): lambda o, by, w: actions.submit(
        o, revision=o.revision.number, by=by
    ),
    ("requests.actions.withdraw", "Withdraw"): lambda o, by, w: actions.withdraw(o, by=by),
    ("requests.actions.comment", "Comment"): lambda o, by, w: actions.comment(o, "A line.", by=by),
    ("requests.panel.assign", "Take it"): lambda o, by, w: panel.assign(o, by, by=by),
    ("requests.panel.assign", "Assign to somebody"): lambda o, by, w: panel.assign(
        o, w.user("rita" if by.name != "Rita" else "bea"), by=by
    ),
    ("requests.panel.recuse", "Stand aside"): lambda o, by, w: panel.recuse(o, reason="Kin.", by=by),
    ("requests.decisions.review", "Approve"): _vote("approve"),
    ("requests.decisions.review", "Request changes"): _vote("request_changes"),
    ("requests.decisions.review", "Deny"): _vote("deny"),
    ("requests.decisions.undo_approval", "Undo the approval"): lambda o, by, w: decisions.undo_approval(
        o, by=by
    ),
    ("requests.decisions.revoke", "Revoke the approval"): lambda o, by, w: decisions.revoke(
        o, reason="A mistake.", by=by
    ),
    ("requests.releases.release_held", "Release"): lambda o, by, w: releases.release_held(
        o, sha256=o.sha256, by=by
    ),
    ("requests.releases.reject", "Keep back"): lambda o, by, w: releases.reject(o, reason="No.", by=by),
    ("requests.incidents.revoke_release", "Take back"): lambda o, by, w: incidents.revoke_release(
        o, reason="A small cell.", by=by
    ),
    ("requests.rules.confirm_rule", "Confirm"): lambda o, by, w: approval_rules.confirm_rule(o, by=by),
    ("requests.rules.withdraw_rule", "Withdraw"): lambda o, by, w: approval_rules.withdraw_rule(o, by=by),
    ("requests.actions.draft", "Write a request"): lambda o, by, w: actions.draft(o, **WORDS, by=by),
    ("requests.rules.set_rule", "Set the approval rule"): lambda o, by, w: approval_rules.set_rule(
        o, people=3, by=by
    ),
    ("projects.actions.edit", "Edit"): lambda o, by, w: projects.edit(
        o, version=o.version, title="A title", lay_summary="In words.", purpose="Why.", by=by
    ),
    ("projects.application.answer", "Answer"): lambda o, by, w: application.answer(
        o, version=o.version, answers={}, by=by
    ),
    ("projects.membership.add_member", "Add a person"): lambda o, by, w: projects.add_member(
        o, w.user("zoe"), by=by
    ),
    ("projects.membership.end_member", "Take a person off"): lambda o, by, w: projects.end_member(
        o, w.user("mia"), by=by
    ),
    ("projects.actions.submit", "Hand in"): lambda o, by, w: projects.submit(o, by=by),
    ("projects.actions.withdraw", "Withdraw"): lambda o, by, w: projects.withdraw(o, by=by),
    ("projects.sections.review_section", "Review a section"): lambda o, by, w: sections.review_section(
        o, version=o.version, section="aims", verdict="fine", by=by
    ),
    ("projects.actions.review", "Approve"): _judge("approve"),
    ("projects.actions.review", "Request changes"): _judge("request_changes"),
    ("projects.actions.review", "Reject"): _judge("deny"),
    ("projects.actions.suspend", "Suspend"): lambda o, by, w: projects.suspend(o, reason="Stop.", by=by),
    ("projects.actions.reinstate", "Reinstate"): lambda o, by, w: projects.reinstate(o, reason="On.", by=by),
    ("projects.actions.close", "Close"): lambda o, by, w: projects.close(o, report="Done.", by=by),
    ("projects.amendments.begin", "Begin an amendment"): lambda o, by, w: amendments.begin(o, by=by),
    ("projects.amendments.renew", "Ask to renew"): lambda o, by, w: amendments.renew(
        o, reason="More.", valid_until=timezone.now().date() + timedelta(days=700), by=by
    ),
    ("projects.amendments.answer", "Answer"): lambda o, by, w: amendments.answer(
        o, version=o.version, answers={}, by=by
    ),
    ("projects.amendments.change", "Change"): lambda o, by, w: amendments.change(
        o,
        version=o.version,
        title="A title",
        reason="More.",
        datasets=[w.access().dataset],
        people=[],
        by=by,
    ),
    ("projects.amendments.submit", "Hand in"): lambda o, by, w: amendments.submit(o, by=by),
    ("projects.amendments.withdraw", "Withdraw"): lambda o, by, w: amendments.withdraw(o, by=by),
    ("projects.amending.review", "Approve"): _decide("approve"),
    ("projects.amending.review", "Request changes"): _decide("request_changes"),
    ("projects.amending.review", "Deny"): _decide("deny"),
    ("ledger.actions.allocate", "Allocate a budget"): lambda o, by, w: ledger.allocate(
        o, epsilon=Decimal(1), by=by
    ),
    ("projects.grants.revoke_grant", "Deny or revoke"): lambda o, by, w: projects.revoke_grant(
        o, reason="No.", by=by
    ),
    ("projects.grants.suspend_grant", "Suspend"): lambda o, by, w: projects.suspend_grant(
        o, reason="Stop.", by=by
    ),
    ("projects.grants.reinstate_grant", "Reinstate"): lambda o, by, w: projects.reinstate_grant(
        o, reason="On.", by=by
    ),
    ("ledger.topups.ask", "Ask for a larger budget"): lambda o, by, w: topups.ask(o, **TWO, by=by),
    ("ledger.topups.propose_unasked", "Propose a larger budget"): lambda o, by, w: topups.propose_unasked(
        o, **TWO, by=by
    ),
    ("ledger.topups.propose", "Propose"): lambda o, by, w: topups.propose(o, epsilon=Decimal(2), by=by),
    ("ledger.topups.confirm", "Confirm"): lambda o, by, w: topups.confirm(o, by=by),
    ("ledger.topups.decline", "Decline"): lambda o, by, w: topups.decline(o, reason="No.", by=by),
    ("ledger.topups.withdraw", "Withdraw"): lambda o, by, w: topups.withdraw(o, by=by),
    ("ledger.limits.confirm_raise", "Confirm"): lambda o, by, w: limits.confirm_raise(o.pk, by=by),
    ("ledger.limits.end_proposal", "Decline"): lambda o, by, w: limits.end_proposal(o.pk, by=by),
    ("catalog.datasets.describe", "Describe"): lambda o, by, w: catalog.describe(
        o, title="A title", summary="", provenance="", licence="", by=by
    ),
    ("catalog.datasets.assign", "Share its care"): lambda o, by, w: catalog.assign(
        o, w.user("otto"), role=Role.DATASET_OWNER, by=by
    ),
    ("catalog.using.declare_use", "Declare conditions of use"): lambda o, by, w: using.declare_use(
        o, [("HMB", "")], by=by
    ),
    ("catalog.versions.new_version", "Start a version"): lambda o, by, w: catalog.new_version(o, by=by),
    ("catalog.versions.open_draft", "Open the draft"): lambda o, by, w: catalog.open_draft(o, by=by),
    ("catalog.rules.propose_policy", "Propose a policy"): lambda o, by, w: rules.propose_policy(
        o, document=SMALL, by=by
    ),
    ("synthetic.actions.propose", "Propose synthetic rows"): lambda o, by, w: synthetic.propose(
        o, sql='{"marginals": [["sex"]]}', epsilon="0.5", by=by
    ),
    ("catalog.datasets.freeze", "Freeze"): lambda o, by, w: catalog.freeze(o, reason="Stop.", by=by),
    ("catalog.datasets.unfreeze", "Unfreeze"): lambda o, by, w: catalog.unfreeze(o, reason="On.", by=by),
    ("catalog.datasets.withdraw", "Withdraw"): lambda o, by, w: catalog.withdraw(o, reason="Gone.", by=by),
    ("catalog.versions.declare", "Declare its schema"): lambda o, by, w: catalog.declare(o, **SCHEMA, by=by),
    ("catalog.tables.add_table", "Add a table"): lambda o, by, w: tables.add_table(o, name="visits", by=by),
    ("catalog.versions.approve_mock", "Approve its mock"): lambda o, by, w: catalog.approve_mock(o, by=by),
    ("intake.actions.publish", "Publish"): lambda o, by, w: intake.publish(o, attested=True, by=by),
    ("catalog.versions.retire", "Retire"): lambda o, by, w: catalog.retire(o, reason="Old.", by=by),
    ("catalog.erasing.erase", "Erase its data"): lambda o, by, w: erasing.erase(o, reason="Asked.", by=by),
    ("catalog.erasing.keep", "Keep it after all"): lambda o, by, w: erasing.keep(o, by=by),
    ("requests.dry_runs.try_policy", "Try it on past requests"): lambda o, by, w: dry_runs.try_policy(
        o, by=by
    ),
    ("catalog.rules.activate_policy", "Activate"): lambda o, by, w: rules.activate_policy(
        o, dry_run=o.dry_runs.filter(made_by=by).first(), by=by
    ),
    ("catalog.rules.end_policy", "End"): lambda o, by, w: rules.end_policy(o, by=by),
    ("synthetic.actions.confirm", "Confirm"): lambda o, by, w: synthetic.confirm(o, by=by),
    ("synthetic.actions.decline", "Decline"): lambda o, by, w: synthetic.decline(o, reason="No.", by=by),
    ("synthetic.actions.withdraw", "Withdraw"): lambda o, by, w: synthetic.withdraw(o, by=by),
    ("synthetic.actions.retract", "Retract"): lambda o, by, w: synthetic.retract(o, reason="No.", by=by),
    ("intake.actions.conform", "Make the file"): lambda o, by, w: intake.conform(o, by=by),
    ("intake.actions.discard", "Discard"): lambda o, by, w: intake.discard(o, by=by),
    ("agreements.actions.draft", "Write"): lambda o, by, w: agreements.draft(
        o, body="Be kinder.", changes="More.", valid_days=None, edition=_edition(o), by=by
    ),
    ("agreements.actions.publish", "Publish"): lambda o, by, w: agreements.publish(
        o, edition=_edition(o), by=by
    ),
    ("agreements.actions.retire", "Retire"): lambda o, by, w: agreements.retire(o, reason="Over.", by=by),
    ("delivery.actions.redeliver", "Send it again"): lambda o, by, w: delivery.redeliver(o, by=by),
    ("delivery.actions.rotate", "Give it a new secret"): lambda o, by, w: delivery.rotate(o, by=by),
    ("delivery.actions.send_test", "Send a test"): lambda o, by, w: delivery.send_test(o, by=by),
    ("delivery.actions.pause", "Pause"): lambda o, by, w: delivery.pause(o, by=by),
    ("delivery.actions.resume", "Resume"): lambda o, by, w: delivery.resume(o, by=by),
    ("delivery.actions.remove", "Remove"): lambda o, by, w: delivery.remove(o, by=by),
    ("emergency.actions.freeze_dataset", "Freeze a dataset"): lambda o, by, w: emergency.freeze_dataset(
        o, w.access().dataset, by=by
    ),
    ("emergency.actions.suspend_project", "Suspend a project"): lambda o, by, w: emergency.suspend_project(
        o, w.access().project, by=by
    ),
    ("emergency.actions.sign_out", "Sign somebody out"): lambda o, by, w: emergency.sign_out(
        o, w.user("charlie"), by=by
    ),
    ("emergency.actions.close_access", "Close"): lambda o, by, w: emergency.close_access(o, by=by),
    ("node.actions.resume", "Resume the node"): lambda o, by, w: node.resume(reason="On.", by=by),
    ("node.actions.pause", "Pause the node"): lambda o, by, w: node.pause(reason="Stop.", by=by),
}


def _edition(agreement: Any) -> int:
    kept = getattr(agreement, "draft", None)
    return kept.edition if kept is not None else 0


def _made(o: Any, by: Any) -> None:
    """Give a draft version a mock that was made of its schema, as publishing wants it."""
    DatasetVersion.objects.filter(pk=o.pk, status="draft").update(mock_origin="generated")


def _tried(o: Any, by: Any) -> None:
    """Let whoever may look at a policy have looked at it."""
    if o.ended_at is None and by.is_active and by.node_roles & {Role.REVIEWER}:
        dry_runs.try_policy(o, by=by)


BEFORE: dict[tuple[str, str], Callable[[Any, Any], None]] = {
    ("intake.actions.publish", "Publish"): _made,
    ("catalog.rules.activate_policy", "Activate"): _tried,
}
