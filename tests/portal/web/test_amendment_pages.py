"""Amendments on their pages, through the API and the client."""

from __future__ import annotations

from datetime import timedelta

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from domains.projects import amending, amendments
from domains.projects.models import Amendment, Project
from domains.requests.models import AnalysisRequest
from tests.portal.api.kit import call_as
from tests.portal.web import kit


def page(client: Client, name: str, *args: object, status: int = 200, **params: object) -> str:
    response = client.get(reverse(name, args=args), params)
    assert response.status_code == status
    text = response.content.decode()
    assert status != 200 or kit.faults(text) == []
    return text


def details(given: kit.Story, **words) -> dict[str, object]:
    amendment = Amendment.objects.get()
    found = {"version": amendment.version, "reason": "More nights.", "title": amendment.title}
    return found | {"people": "", "datasets": [given.dataset.pk], "valid_until": "", **words}


def handed_in(given: kit.Story) -> Amendment:
    amendment = amendments.begin(given.project, by=given.cast.sam)
    words = {"title": "Other", "reason": "Why.", "datasets": [given.dataset], "people": []}
    amendments.change(amendment, version=1, **words, by=given.cast.sam)
    amendments.submit(amendment, by=given.cast.sam)
    return amendment


def test_an_amendment_is_written_compared_and_approved(given):
    sam, rita = kit.browser(given.cast.sam), kit.browser(given.cast.rita)
    key = given.project.pk
    assert "Begin an amendment" in page(sam, "project", key)
    assert "Begin an amendment" not in page(rita, "project", key)
    page(sam, "project_amendment", key, status=404)
    assert sam.post(reverse("project_amend", args=[key])).headers["Location"].endswith("/details/")
    page(sam, "project_amendment_details", key)
    lost = sam.post(
        reverse("project_amendment_details", args=[key]), details(given, people="nobody@x.example")
    )
    assert lost.status_code == 422
    assert "More nights." in lost.content.decode()
    kept = sam.post(
        reverse("project_amendment_details", args=[key]),
        details(given, people=given.cast.charlie.email, title="Costs at night"),
    )
    assert kept.status_code == 302
    assert "What changes" in page(sam, "project_amendment", key)
    page(sam, "project_amendment_page", key, "people")
    page(sam, "project_amendment_page", key, "nowhere", status=404)
    address = reverse("project_amendment_page", args=[key, "people"])
    assert sam.post(address, {"version": 1, "q_funding": "The city"}).status_code == 422  # overtaken
    assert sam.post(address, {"version": 2, "q_funding": "The city", "do": "next"}).status_code == 302
    assert sam.post(reverse("project_amendment_submit", args=[key])).status_code == 302
    assert sam.get(address).status_code == 302
    assert sam.get(reverse("project_amendment_details", args=[key])).status_code == 302

    text = page(rita, "project_amendment", key)
    assert all(word in text for word in ("at night", "Charlie", "The city", "Your decision"))
    assert "Review this section" in page(rita, "project_application", key)
    number = Amendment.objects.get().frozen.number
    vote = {"version": number, "vote": "approve", "reason": ""}
    address = reverse("project_amendment_review", args=[key])
    assert rita.get(address).status_code == 302
    assert rita.post(address, {"version": number}).status_code == 422
    assert "in force at once" in rita.post(address, vote).content.decode()
    assert rita.post(address, vote | {"do": "confirm"}).status_code == 302
    given.project.refresh_from_db()
    assert given.project.title == "Costs at night"
    assert given.project.answers["funding"] == "The city"
    assert f"Version {number} is in force." in page(rita, "project", key)
    assert "The last amendment" in page(sam, "project", key)
    assert "Charlie" in page(sam, "project_amendment", key)


def test_a_request_keeps_the_version_that_was_in_force(given):
    asked = kit.ask(given)
    asked.refresh_from_db()
    assert asked.project_version == 1
    amendment = handed_in(given)
    amending.review(amendment, version=amendment.frozen.number, vote="approve", by=given.cast.rita)
    later = kit.ask(given, "By sex again", epsilon="0.2")
    later.refresh_from_db()
    assert later.project_version == amendment.frozen.number
    assert AnalysisRequest.objects.get(pk=asked.pk).project_version == 1


def test_a_project_is_renewed_on_a_short_page(given):
    Project.objects.filter(pk=given.project.pk).update(valid_until=timezone.now() - timedelta(days=1))
    sam = kit.browser(given.cast.sam)
    assert "expired" in page(sam, "project", given.project.pk)
    address = reverse("project_renew", args=[given.project.pk])
    page(sam, "project_renew", given.project.pk)
    assert sam.post(address, {"reason": "Half.", "valid_until": "2020-01-01"}).status_code == 422
    end = timezone.now().date() + timedelta(days=90)
    assert sam.post(address, {"reason": "Half.", "valid_until": end.isoformat()}).status_code == 302
    assert Amendment.objects.get().status == "in_review"


def test_it_is_withdrawn_after_a_question(given):
    sam = kit.browser(given.cast.sam)
    handed_in(given)
    assert "goes on as it is" in page(sam, "project_amendment_withdraw", given.project.pk)
    assert sam.post(reverse("project_amendment_withdraw", args=[given.project.pk])).status_code == 302
    assert Amendment.objects.get().status == "withdrawn"


def test_who_may_write_read_and_decide(given):
    handed_in(given)
    key = given.project.pk
    expected = {  # write, read, decide
        "sam": (302, 200, 403),
        "rita": (403, 200, 422),
        "alice": (403, 200, 403),
        "ada": (403, 200, 403),
        "theo": (403, 200, 403),
        "charlie": (404, 404, 404),
    }
    for name, statuses in expected.items():
        client = kit.browser(getattr(given.cast, name))
        found = (
            client.get(reverse("project_amendment_details", args=[key])).status_code,
            client.get(reverse("project_amendment", args=[key])).status_code,
            client.post(reverse("project_amendment_review", args=[key]), {}).status_code,
        )
        assert found == statuses, name


def test_the_whole_amendment_over_the_api(given):
    sam, rita = call_as(given.cast.sam), call_as(given.cast.rita)
    address = f"projects/{given.project.pk}/amendment/"
    assert sam.get(address).status_code == 404
    assert sam.post(address).status_code == 201
    body = {"version": 1, "reason": "More.", "answers": {"funding": "The city"}}
    kept = sam.patch(address, body | {"people": [given.cast.charlie.email]})
    assert kept.json()["changes"] == [{"what": "People", "added": ["Charlie"], "removed": []}]
    assert kept.json()["changed_answers"] == ["funding"]
    assert sam.patch(address, body).json()["code"] == "stale"
    assert rita.patch(address, {"version": 3, "title": "Mine"}).status_code == 403
    made = sam.post(f"{address}submit/").json()
    vote = {"version": made["handed_in"], "vote": "request_changes", "reason": "Which city?"}
    assert sam.post(f"{address}review/", vote).status_code == 403
    assert rita.post(f"{address}review/", vote).json()["status"] == "changes_requested"
    assert sam.post(f"{address}withdraw/").json()["status"] == "withdrawn"
    end = (timezone.now().date() + timedelta(days=500)).isoformat()
    renewal = {"reason": "Half.", "valid_until": end}
    made = sam.post(f"projects/{given.project.pk}/renew/", renewal)
    assert made.status_code == 201
    again = {"version": made.json()["handed_in"], "vote": "approve"}
    assert rita.post(f"{address}review/", again).json()["status"] == "approved"
    assert call_as(given.cast.charlie).get(address).status_code == 404
