"""Asking and deciding in a browser without JavaScript, from the composer to the undo window."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from domains.jobs.models import Job
from domains.ledger import queries as books
from domains.projects import actions as projects
from domains.projects.models import AccessGrant, Project
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest, Review
from tests import cast as world
from tests.portal.people_kit import browser as browser_since
from tests.portal.web import kit
from tests.portal.web.kit import QUESTION, Story

pytestmark = pytest.mark.django_db


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def fresh(analysis: AnalysisRequest) -> AnalysisRequest:
    return AnalysisRequest.objects.select_related("job", "revision").get(pk=analysis.pk)


# --- Asking ------------------------------------------------------------------------------------------------------


def test_from_the_composer_to_the_queue(given: Story) -> None:
    sam = kit.browser(given.cast.sam)
    compose = reverse("request_new", args=[given.grant.pk])
    typed = {"title": "Patients by sex", "sql": QUESTION, "epsilon": "0.1", "rows": "500"}
    page = text(sam.post(compose, typed | {"do": "estimate"}))
    assert "such questions fit the budget" in page
    assert "your own number" in page, "a mean's error is shown for the number that was typed"
    assert "± 0." in page or "± 1" in page
    assert not AnalysisRequest.objects.exists(), "estimating stores nothing"
    answer = sam.post(compose, typed | {"do": "save"}, follow=True)
    analysis = AnalysisRequest.objects.get()
    assert "Ready to submit" in text(answer)
    sam.post(reverse("request_submit", args=[analysis.pk]), {"revision": "1"})
    assert fresh(analysis).status == Status.IN_REVIEW
    assert "Patients by sex" in text(kit.browser(given.cast.alice).get(reverse("queue")))


def test_a_query_that_cannot_be_asked_is_explained_and_nothing_typed_is_lost(given: Story) -> None:
    sam = kit.browser(given.cast.sam)
    compose = reverse("request_new", args=[given.grant.pk])
    typed = {"title": "All rows", "sql": "SELECT * FROM support2", "epsilon": "0.1"}
    fragment = text(sam.post(reverse("request_estimate", args=[given.grant.pk]), typed))
    assert "This cannot be asked as it is" in fragment
    assert "Instead:" in fragment
    assert "<html" not in fragment
    page = text(sam.post(compose, typed | {"do": "save"}, follow=True))
    assert "The check did not pass" in page
    assert "SELECT * FROM support2" in page
    for epsilon in ("0", "-1", "NaN", "much"):
        answer = text(
            sam.post(reverse("request_estimate", args=[given.grant.pk]), typed | {"epsilon": epsilon})
        )
        assert "ε must be" in answer, epsilon


def test_what_a_scientist_types_is_shown_as_text(given: Story) -> None:
    sam = kit.browser(given.cast.sam)
    typed = {
        "title": "<script>alert(1)</script>",
        "sql": "SELECT '<b>' FROM support2",
        "epsilon": "0.1",
        "do": "save",
    }
    page = sam.post(reverse("request_new", args=[given.grant.pk]), typed, follow=True).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_the_thread_and_a_withdrawal(given: Story) -> None:
    analysis = kit.ask(given)
    sam = kit.browser(given.cast.sam)
    sam.post(reverse("request_comment", args=[analysis.pk]), {"text": "For the introduction."})
    page = reverse("request", args=[analysis.pk])
    assert "For the introduction." in text(sam.get(page))
    assert sam.post(reverse("request_comment", args=[analysis.pk]), {"text": ""}).status_code == 422
    assert "taken back for good" in text(sam.get(reverse("request_withdraw", args=[analysis.pk])))
    sam.post(reverse("request_withdraw", args=[analysis.pk]))
    assert fresh(analysis).status == Status.WITHDRAWN


def test_a_comment_leads_back_to_our_own_pages_only(given: Story) -> None:
    analysis = kit.ask(given)
    comment = reverse("request_comment", args=[analysis.pk])
    alice = kit.browser(given.cast.alice)
    here = reverse("decision", args=[analysis.pk])
    assert alice.post(comment, {"text": "Why?", "next": here}).url == here
    for away in ("https://elsewhere.example/", "//elsewhere.example/"):
        assert alice.post(comment, {"text": "Why?", "next": away}).url == reverse(
            "request", args=[analysis.pk]
        )


# --- Deciding ----------------------------------------------------------------------------------------------------


def vote(
    client: Client, analysis: AnalysisRequest, vote: str, reason: str = "", *, do: str = "", revision: int = 1
) -> Any:
    """Post the decision form, or with `do` its confirmation."""
    data = {"vote": vote, "reason": reason, "revision": str(revision), "do": do}
    return client.post(reverse("decision", args=[analysis.pk]), data, follow=True)


def test_the_decision_page_keeps_its_order(given: Story) -> None:
    page = text(kit.browser(given.cast.alice).get(reverse("decision", args=[kit.ask(given).pk])))
    places = [
        page.index(words)
        for words in (
            "1. What is decided",
            "2. Budget effect",
            "3. What comes out",
            "4. The query",
            "5. Policy checks",
            "6. Thread and earlier answers",
            "7. Your decision",
        )
    ]
    assert places == sorted(places)
    assert "Similar queries left" in page
    assert "times in 100" in page, "a risk sentence for everyone"
    assert "this request" in page, "each bar says its shares in words"


def test_approving_is_restated_then_done_then_can_be_undone(given: Story) -> None:
    analysis, alice = kit.ask(given), kit.browser(given.cast.alice)
    before = books.dataset_balance(given.dataset)
    page = text(vote(alice, analysis, "approve"))
    assert "Yes, approve it" in page
    for restated in (given.dataset.title, "ε 0.1", given.cast.sam.name, "undo"):
        assert restated in page
    assert fresh(analysis).status == Status.IN_REVIEW, "the first post decides nothing"
    page = text(vote(alice, analysis, "approve", do="confirm"))
    assert "Undo the approval" in page
    assert "is part of these figures" in page, "what it reserved is not added a second time"
    assert "With this request" not in page
    assert fresh(analysis).job.not_before > fresh(analysis).decided_at
    assert books.dataset_balance(given.dataset).reserved.rho > before.reserved.rho
    alice.post(reverse("request_undo", args=[analysis.pk]))
    assert fresh(analysis).status == Status.IN_REVIEW
    assert books.dataset_balance(given.dataset) == before


@pytest.mark.parametrize(
    ("choice", "status"), [("deny", Status.DENIED), ("request_changes", Status.CHANGES_REQUESTED)]
)
def test_saying_no_needs_a_reason_that_the_author_reads(given: Story, choice: str, status: Status) -> None:
    analysis, alice = kit.ask(given), kit.browser(given.cast.alice)
    answer = vote(alice, analysis, choice)
    assert answer.status_code == 422
    assert "Say why" in text(answer)
    assert "Too broad." in text(vote(alice, analysis, choice, "Too broad."))
    vote(alice, analysis, choice, "Too broad.", do="confirm")
    assert fresh(analysis).status == status
    assert "Too broad." in text(kit.browser(given.cast.sam).get(reverse("request", args=[analysis.pk])))


def test_a_form_opened_at_an_older_revision_decides_nothing(given: Story) -> None:
    analysis, alice = kit.ask(given), kit.browser(given.cast.alice)
    page = text(vote(alice, analysis, "approve", do="confirm", revision=0))
    assert "changed since you opened it" in page
    assert fresh(analysis).status == Status.IN_REVIEW
    assert not Job.objects.exists()


def test_a_second_click_is_told_kindly(given: Story) -> None:
    analysis, alice = kit.ask(given), kit.browser(given.cast.alice)
    vote(alice, analysis, "approve", do="confirm")
    answer = vote(alice, analysis, "approve", do="confirm")
    assert answer.status_code == 200
    assert "nothing to decide" in text(answer)
    assert Review.objects.count() == 1


def test_deciding_asks_for_a_recent_sign_in_and_looking_does_not(given: Story) -> None:
    analysis = kit.ask(given)
    world_password(given.cast.alice)
    old = browser_since(given.cast.alice, hours_ago=1)
    path = reverse("decision", args=[analysis.pk])
    assert old.get(path).status_code == 200
    answer = old.post(path, {"vote": "approve", "revision": "1", "do": "confirm"})
    assert answer.status_code == 302
    assert reverse("account_reauthenticate") in answer.url
    assert fresh(analysis).status == Status.IN_REVIEW


def world_password(user: Any) -> None:
    """Give somebody the password with which `people_kit` signs in."""
    from tests.portal.people_kit import PASSWORD

    user.set_password(PASSWORD)
    user.save()


def test_the_undo_window_ends(given: Story, settings: Any) -> None:
    settings.UNDO_SECONDS = 0
    analysis, alice = kit.ask(given), kit.browser(given.cast.alice)
    page = text(vote(alice, analysis, "approve", do="confirm"))
    assert "Undo the approval" not in page
    assert "undo window is over" in text(alice.post(reverse("request_undo", args=[analysis.pk]), follow=True))
    assert fresh(analysis).status == Status.APPROVED


def test_an_approval_is_revoked_with_a_reason_before_it_runs(given: Story) -> None:
    analysis, alice = kit.ask(given), kit.browser(given.cast.alice)
    vote(alice, analysis, "approve", do="confirm")
    revoke = reverse("request_revoke", args=[analysis.pk])
    assert alice.get(revoke).status_code == 200
    alice.post(revoke, {"reason": "A mistake."})
    assert fresh(analysis).status == Status.REVOKED


# --- Projects and allocations ------------------------------------------------------------------------------------


def test_a_project_from_proposal_to_budget(given: Story) -> None:
    sam, rita, ada = (kit.browser(person) for person in (given.cast.sam, given.cast.rita, given.cast.ada))
    words = {"title": "Nutrition", "lay_summary": "What patients eat.", "purpose": "Cohort analysis."}
    choices = {
        "area": given.cast.area.pk,
        "datasets": [given.dataset.pk],
        "members": given.cast.charlie.email,
    }
    sam.post(reverse("project_new"), words | choices)
    project = Project.objects.get(title="Nutrition")
    edit = reverse("project_edit", args=[project.pk])
    changed = words | {"title": "Nutrition and recovery", "datasets": [given.dataset.pk]}
    sam.post(edit, changed | {"version": str(project.version)})
    stale = sam.post(edit, changed | {"version": str(project.version), "title": "Lost update"})
    assert stale.status_code == 422
    assert "changed since you opened it" in text(stale)
    sam.post(reverse("project_submit", args=[project.pk]))
    project.refresh_from_db()
    review = reverse("project_review", args=[project.pk])
    assert rita.post(review, {"vote": "deny", "version": project.version}).status_code == 422
    ballot = {"vote": "approve", "version": str(project.version), "reason": "Sound."}
    assert "Charlie" in text(rita.post(review, ballot)), "the people are restated"
    rita.post(review, ballot | {"do": "confirm"})
    project.refresh_from_db()
    assert project.status == "approved"
    allocate = reverse("grant_allocate", args=[project.grants.get().pk])
    assert "none → ε 0.5" in text(ada.post(allocate, {"epsilon": "0.5", "valid_days": "90"}))
    ada.post(allocate, {"epsilon": "0.5", "valid_days": "90", "person_epsilon": "", "do": "confirm"})
    assert AccessGrant.objects.get(project=project).status == "granted"
    above = text(ada.post(allocate, {"epsilon": "50", "valid_days": "90", "do": "confirm"}))
    assert "note-bad" in above


def test_a_project_names_only_people_with_an_account(given: Story) -> None:
    words = {"title": "Nutrition", "lay_summary": "What patients eat.", "purpose": "Cohort analysis."}
    choices = {
        "area": given.cast.area.pk,
        "datasets": [given.dataset.pk],
        "members": "nobody@hospital.example",
    }
    answer = kit.browser(given.cast.sam).post(reverse("project_new"), words | choices)
    assert answer.status_code == 422
    assert "Nobody here has the address nobody@hospital.example" in text(answer)


def test_members_join_and_leave_by_the_lead_while_it_is_a_draft(given: Story) -> None:
    project, sam = world.proposal(given.cast, given.dataset), kit.browser(given.cast.sam)
    page = reverse("project", args=[project.pk])
    sam.post(reverse("project_add_member", args=[project.pk]), {"people": given.cast.charlie.email})
    assert "Charlie" in text(sam.get(page))
    sam.post(reverse("project_end_member", args=[project.pk, given.cast.charlie.pk]))
    assert "Take off" not in text(sam.get(page))


def test_why_a_grant_cannot_be_used_is_a_checklist(given: Story) -> None:
    projects.suspend(given.project, reason="An inquiry.", by=given.cast.rita)
    page = text(kit.browser(given.cast.sam).get(reverse("project", args=[given.project.pk])))
    assert "Why can’t I ask yet?" in page
    assert "> no<" in page or "no</span>" in page


def test_an_owner_ends_a_grant_with_a_reason(given: Story) -> None:
    alice = kit.browser(given.cast.alice)
    stop = reverse("grant_revoke", args=[given.grant.pk])
    assert alice.post(stop, {"reason": ""}).status_code == 422
    alice.post(stop, {"reason": "The study is over."})
    assert AccessGrant.objects.get(pk=given.grant.pk).status == "revoked"


def test_the_confirmation_carries_a_token_that_the_node_accepts_and_needs(given: Story) -> None:
    analysis = kit.ask(given)
    alice = Client(enforce_csrf_checks=True)
    alice.cookies = kit.browser(given.cast.alice).cookies
    here = reverse("decision", args=[analysis.pk])
    ballot = {"vote": "approve", "revision": "1", "reason": ""}
    assert alice.post(here, ballot | {"do": "confirm"}).status_code == 403
    page = alice.post(here, ballot | {"csrfmiddlewaretoken": token_in(alice.get(here))})
    alice.post(here, ballot | {"do": "confirm", "csrfmiddlewaretoken": token_in(page)})
    assert fresh(analysis).status == Status.APPROVED


def token_in(answer: Any) -> str:
    """Return the token of the last form of a page."""
    return re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', answer.content.decode())[-1]
