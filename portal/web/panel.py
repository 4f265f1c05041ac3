"""Who decides: a dataset's approval rule, the assignment of a request, and standing aside from it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from domains.catalog import queries as catalogue
from domains.catalog.models import Dataset
from domains.people.permissions import Permission, allows, require
from domains.requests import panel, queries, rules, standing
from domains.requests.models import AnalysisRequest
from domains.requests.quorum import MOST_DAYS, MOST_PEOPLE
from portal.web import pages
from portal.web.access import recent_sign_in
from portal.web.forms import ReasonForm


class RuleForm(forms.Form):
    """What an approval needs."""

    people = forms.IntegerField(
        min_value=1,
        max_value=MOST_PEOPLE,
        label="People who must approve",
        help_text="Different people; nobody who is on the project counts.",
    )
    organisations = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MOST_PEOPLE,
        label="Of at least so many organisations",
        help_text="As administrators entered them for each person; who has none counts for none. 0 does not ask.",
    )
    has_owner = forms.BooleanField(required=False, label="One of them an owner of the dataset")
    has_reviewer = forms.BooleanField(required=False, label="One of them a reviewer who is no owner")
    days = forms.IntegerField(
        min_value=1,
        max_value=MOST_DAYS,
        label="Escalate after, in days",
        help_text="First the owners are told, then the area’s reviewers, then the administrators. "
        "Nothing is ever approved because nobody answered.",
    )

    def clean_organisations(self) -> int:
        return self.cleaned_data["organisations"] or 0


@require_GET
def approval(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what an approval on a dataset needs, its versions, and what is proposed."""
    row = catalogue.dataset(slug, request.user)
    return _rule_page(request, row, RuleForm(initial=asdict(standing.terms_in_force(row))))


def _rule_page(request: HttpRequest, row: Dataset, form: RuleForm) -> HttpResponse:
    user = request.user
    values = {
        "dataset": row,
        "terms": standing.terms_in_force(row),
        "rules": row.approval_rules.select_related("proposed_by", "activated_by", "ended_by"),
        "form": form,
        "escalated": queries.escalated(row).count(),
        "may_set": allows(user, Permission.POLICY_PROPOSE, on=row),
        "may_confirm": allows(user, Permission.POLICY_ACTIVATE, on=row),
    }
    return render(request, "owning/approval.html", values, status=422 if form.errors else 200)


@require_POST
@recent_sign_in
def set_rule(request: HttpRequest, slug: str) -> HttpResponse:
    """Set the rule: in force at once, or waiting for a second person where it is looser."""
    row = catalogue.dataset(slug, request.user)
    require(request.user, Permission.POLICY_PROPOSE, on=row)
    form = RuleForm(request.POST)
    if not form.is_valid():
        return _rule_page(request, row, form)
    done, made = pages.attempt(form, rules.set_rule, row, **form.cleaned_data, by=request.user)
    if not done:
        return _rule_page(request, row, form)
    waits = "Proposed. It is looser than the present rule, so another person has to confirm it."
    pages.say(request, waits if made.is_looser else "The rule is in force, for open requests too.")
    return redirect("dataset_approval", slug)


@require_POST
@recent_sign_in
def confirm_rule(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Put a looser rule in force, as the second person."""
    row = rules.rule(catalogue.dataset(slug, request.user), number)
    pages.act(request, "Confirmed. It counts for new requests.", rules.confirm_rule, row, by=request.user)
    return redirect("dataset_approval", slug)


@require_POST
@recent_sign_in
def withdraw_rule(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Drop a proposed rule."""
    row = rules.rule(catalogue.dataset(slug, request.user), number)
    pages.act(request, "Withdrawn; the present rule stays.", rules.withdraw_rule, row, by=request.user)
    return redirect("dataset_approval", slug)


@require_POST
@recent_sign_in
def assign(request: HttpRequest, key: str) -> HttpResponse:
    """Ask one of those who may decide to look first; an empty choice asks nobody in particular."""
    analysis = queries.detail(key, request.user)
    require(request.user, Permission.REQUEST_REVIEW, on=analysis)
    wanted = request.POST.get("person", "")
    found = standing.panel(analysis).get(wanted)
    if wanted and found is None:
        form = forms.Form({})
        form.full_clean()
        form.add_error(None, "Choose one of the people who may decide on this request.")
        pages.complain(request, form)
        return redirect("decision", key)
    to = found[0] if found else None
    done = f"Assigned to {to.name}." if to else "Assigned to nobody in particular."
    pages.act(request, done, panel.assign, analysis, to, by=request.user)
    return redirect("decision", key)


@require_http_methods(["GET", "POST"])
@recent_sign_in
def recuse(request: HttpRequest, key: str) -> HttpResponse:
    """Say what standing aside means, ask why, and do it."""
    analysis = queries.detail(key, request.user)
    require(request.user, Permission.REQUEST_REVIEW, on=analysis)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        reason = form.cleaned_data["reason"]
        done, _ = pages.attempt(form, panel.recuse, analysis, reason=reason, by=request.user)
        if done:
            pages.say(request, "You stand aside from this request.")
            return redirect("queue")
    values = {"analysis": analysis, "form": form, "has_voted": standing.has_voted(analysis, request.user)}
    return render(request, "queue/recuse.html", values, status=422 if form.errors else 200)


def shown(analysis: AnalysisRequest, user: Any) -> dict[str, Any]:
    """Return what the decision page says of the panel: the quorum, the votes one may see, and who is left."""
    people = standing.panel(analysis)
    voted = {vote.reviewer_id for vote in standing.votes_of(analysis)}
    votes = standing.visible_votes(analysis, user)
    sees_all = standing.sees_all(analysis, user)
    return {
        "standing": standing.standing(analysis),
        "votes": [vote for vote in votes if vote.round == analysis.round],
        "is_blinded": not sees_all,
        "panel": [person for person, _ in people.values()],
        "left": [person for key, (person, _) in people.items() if key not in voted],
        "aside": list(analysis.recusals.all()) if sees_all else [],
        "aside_count": len(analysis.recusals.all()),
        "has_voted": standing.has_voted(analysis, user),
        "is_aside": standing.is_aside(analysis, user),
        "may_assign": allows(user, Permission.DATASET_ASSIGN, on=analysis)
        and queries.is_open_to(analysis, user),
        "may_take": user.pk in people and analysis.status == "in_review",
    }


urlpatterns = [
    path("datasets/<slug:slug>/approval/", approval, name="dataset_approval"),
    path("datasets/<slug:slug>/approval/set/", set_rule, name="approval_set"),
    path("datasets/<slug:slug>/approval/<int:number>/confirm/", confirm_rule, name="approval_confirm"),
    path("datasets/<slug:slug>/approval/<int:number>/withdraw/", withdraw_rule, name="approval_withdraw"),
    path("requests/<str:key>/assign/", assign, name="request_assign"),
    path("requests/<str:key>/recuse/", recuse, name="request_recuse"),
]
