"""The application on its pages, through the API and the client: written, handed in, reviewed, changed."""

from __future__ import annotations

import json

from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from domains.projects import actions, application_forms, sections
from domains.projects.models import FormVersion, Project, SectionReview
from tests import cast as world
from tests.portal.api.kit import call_as
from tests.portal.web import kit

from django.db import connection  # isort: skip


def page(client: Client, name: str, *args: object, status: int = 200, **params: object) -> str:
    response = client.get(reverse(name, args=args), params)
    assert response.status_code == status
    text = response.content.decode()
    assert status != 200 or kit.faults(text) == []
    return text


def draft(given: kit.Story, **words) -> Project:
    return world.proposal(given.cast, given.dataset, title="Beds", **words)


def handed_in(given: kit.Story, **words) -> Project:
    project = draft(given, **words)
    actions.submit(project, by=given.cast.sam)
    return project


def typed(project: Project, **answers: object) -> dict[str, object]:
    """Return the first page as it is posted."""
    words = {"lay_summary": project.lay_summary, "purpose": project.purpose} | answers
    return {f"q_{name}": value for name, value in words.items()} | {"version": project.version}


def test_a_lead_writes_page_by_page_and_sees_what_is_missing(given):
    sam, project = kit.browser(given.cast.sam), draft(given)
    first = ["project_application_page", project.pk, "project"]
    assert "Only if “Legal basis” is “Another one”." in page(sam, *first)
    form = typed(project, purpose_codes=["health"], ethics_needed="yes", legal_basis="consent")
    kept = sam.post(reverse(first[0], args=first[1:]), form | {"do": "next"})
    assert kept.headers["Location"] == reverse("project_application_page", args=[project.pk, "people"])
    project.refresh_from_db()
    assert (project.purpose_codes, project.answers["ethics_needed"]) == (["health"], "yes")
    text = page(sam, "project", project.pk)
    assert "Health, medical or biomedical research" in text
    assert f'href="/projects/{project.pk}/application/project/#id_q_ethics_reference"' in text
    refused = sam.post(reverse("project_submit", args=[project.pk]), follow=True)
    assert "Answer first: “Reference of the decision”." in refused.content.decode()
    stay = sam.post(
        reverse(first[0], args=first[1:]), typed(project, ethics_reference="REC 1") | {"do": "stay"}
    )
    assert stay.headers["Location"] == reverse(first[0], args=first[1:])
    last = sam.post(
        reverse("project_application_page", args=[project.pk, "data"]),
        {"version": 3, "q_ends_on": "2028-01-31"},
    )
    assert last.headers["Location"] == reverse("project_application", args=[project.pk])
    text = page(sam, "project_application", project.pk)
    assert "2028-01-31" in text
    assert "has not been handed in yet" in text
    page(sam, "project_application_page", project.pk, "nowhere", status=404)


def test_nothing_typed_is_lost_and_every_fault_is_linked(given):
    sam, project = kit.browser(given.cast.sam), draft(given)
    address = reverse("project_application_page", args=[project.pk, "project"])
    form = typed(project, lay_summary="A summary that took an hour.", ethics_expiry="tomorrow")
    refused = sam.post(address, form)
    text = refused.content.decode()
    assert refused.status_code == 422
    assert kit.faults(text) == []
    assert "A summary that took an hour." in text
    assert 'href="#id_q_ethics_expiry"' in text
    assert Project.objects.get(pk=project.pk).version == 1
    assert sam.post(address, {"version": "x"}).status_code == 422


def test_a_page_that_was_overtaken_shows_what_was_typed_and_is_kept_when_it_is_sent_again(given):
    sam, project = kit.browser(given.cast.sam), draft(given)
    actions.answer(project, version=1, answers={"funding": "Council"}, by=given.cast.sam)
    address = reverse("project_application_page", args=[project.pk, "people"])
    refused = sam.post(address, {"version": 1, "q_funding": "A charity"})
    text = refused.content.decode()
    assert refused.status_code == 422
    assert "A charity" in text
    assert 'name="version" value="2"' in text
    assert sam.post(address, {"version": 2, "q_funding": "A charity"}).status_code == 302
    assert Project.objects.get(pk=project.pk).answers == {"funding": "A charity"}


def test_who_may_write_read_and_review(given):
    given.cast.dana = world.person("Dana", *given.cast.sam.node_roles)
    project = draft(given, members=[given.cast.dana])
    write = reverse("project_application_page", args=[project.pk, "people"])
    read = reverse("project_application", args=[project.pk])
    judge = reverse("project_section_review", args=[project.pk, "aims"])
    body = {"version": 1, "aims-version": 1, "aims-verdict": "fine"}
    expected = {  # write, read, judge
        "sam": (200, 200, 403),
        "dana": (403, 200, 403),
        "rita": (403, 200, 422),  # not handed in yet: said on the page
        "alice": (403, 200, 403),
        "ada": (403, 200, 403),
        "theo": (403, 200, 403),
        "charlie": (404, 404, 404),
    }
    for name, statuses in expected.items():
        client = kit.browser(getattr(given.cast, name))
        found = (
            client.get(write).status_code,
            client.get(read).status_code,
            client.post(judge, body).status_code,
        )
        assert found == statuses, name
        assert client.post(write, {"version": 1, "q_funding": ""}).status_code in (302, 403, 404)
    assert not SectionReview.objects.exists()
    assert Client().get(read).status_code == 302


def test_a_reviewer_goes_through_sections_and_the_lead_sees_why_while_answering(given):
    project = handed_in(given, answers={"funding": "The council"})
    rita, sam = kit.browser(given.cast.rita), kit.browser(given.cast.sam)
    assert "Review this section" in page(rita, "project_application", project.pk)
    assert "Review this section" not in page(sam, "project_application", project.pk)
    address = reverse("project_section_review", args=[project.pk, "team"])
    refused = rita.post(address, {"team-version": 1, "team-verdict": "change", "team-note": ""})
    assert refused.status_code == 422
    assert kit.faults(refused.content.decode()) == []
    assert "Say what has to change." in refused.content.decode()
    note = {"team-version": 1, "team-verdict": "change", "team-note": "Which council?"}
    assert rita.post(address, note).status_code == 302
    actions.review(project, version=1, vote="request_changes", reason="See my note.", by=given.cast.rita)
    assert "Which council?" in page(sam, "project_application_page", project.pk, "people")
    answer = {"version": 1, "q_funding": "The city council"}
    assert (
        sam.post(reverse("project_application_page", args=[project.pk, "people"]), answer).status_code == 302
    )
    assert sam.post(reverse("project_submit", args=[project.pk])).status_code == 302
    text = page(rita, "project_application", project.pk)
    assert '<ins><span class="visually-hidden">added: </span>city <' in text
    assert "marked in 1 answer." in text
    assert "Which council?" not in text  # it was about the version before
    assert "Which council?" in page(rita, "project_application", project.pk, version=1)
    assert sam.get(reverse("project_application_page", args=[project.pk, "people"])).status_code == 302


def test_what_people_wrote_is_never_markup(given):
    project = handed_in(given, answers={"funding": "<script>alert(1)</script>"})
    text = page(kit.browser(given.cast.rita), "project_application", project.pk)
    assert "&lt;script&gt;" in text
    assert "<script>alert" not in text


def test_reading_costs_the_same_for_one_version_and_for_five(given):
    project, rita = handed_in(given), kit.browser(given.cast.rita)

    def cost() -> int:
        with CaptureQueriesContext(
            connection,
        ) as caught:
            page(rita, "project_application", project.pk)
        return len(caught)

    def judge() -> None:
        sections.review_section(
            project, version=project.version, section="aims", verdict="fine", by=given.cast.rita
        )

    judge()
    first = cost()
    for _ in range(4):
        actions.review(
            project, version=project.version, vote="request_changes", reason="M.", by=given.cast.rita
        )
        actions.submit(project, by=given.cast.sam)
        judge()
    assert project.versions.count() == 5
    assert cost() <= first


# --- the form


def stricter() -> str:
    whole = json.loads(application_forms.bundled())
    whole["pages"][1]["sections"][0]["questions"][1]["required"] = True
    return json.dumps(whole)


def test_an_administrator_previews_and_publishes_a_form_and_everybody_reads_it(given):
    ada, charlie = kit.browser(given.cast.ada), kit.browser(given.cast.charlie)
    assert "Summary for everyone" in page(charlie, "application_form")
    assert charlie.get(reverse("application_form_new")).status_code == 403
    page(ada, "application_form_new")
    address = reverse("application_form_new")
    body = {"number": 2, "form": stricter(), "changes": "Say who pays."}
    preview = ada.post(address, body | {"do": "preview"})
    assert kit.faults(preview.content.decode()) == []
    assert FormVersion.objects.count() == 1
    broken = ada.post(address, body | {"form": '{"title": "My form"}', "do": "preview"})
    assert broken.status_code == 422
    assert "form.pages must list" in broken.content.decode()
    assert "My form" in broken.content.decode()
    assert ada.post(address, body | {"number": 7}).status_code == 422
    assert ada.post(address, body).status_code == 302
    text = page(charlie, "application_form")
    assert "Say who pays." in text
    assert "comes with the software" in text
    page(charlie, "application_form", version=1)


def test_a_node_without_projects_shows_the_form_that_comes_with_it(db):
    given = world.cast()
    assert "comes with the software" in page(kit.browser(given.sam), "application_form")
    assert "has to be answered" in page(kit.browser(given.ada), "application_form_new")


# --- API and client


def test_the_whole_application_over_the_api(given):
    sam, rita = call_as(given.cast.sam), call_as(given.cast.rita)
    words = {"area": "intensive-care", "title": "Beds", "lay_summary": "S", "purpose": "P"}
    words |= {"datasets": ["support2"], "answers": {"purpose_codes": ["health"], "ethics_needed": "yes"}}
    made = sam.post("projects/", words).json()
    key = made["id"]
    assert made["purpose_codes"] == ["health"]
    shown = sam.get(f"projects/{key}/application/").json()
    assert shown["progress"][0]["missing"] == ["ethics_reference"]
    assert json.loads(shown["form"])["title"] == "Project application"
    body = {"version": shown["version"], "answers": {"ethics_reference": "REC 1", "legal_basis": None}}
    kept = sam.patch(f"projects/{key}/application/", body)
    assert (kept.status_code, kept.json()["answers"]["ethics_reference"]) == (200, "REC 1")
    assert sam.patch(f"projects/{key}/application/", body).json()["code"] == "stale"
    bad = sam.patch(f"projects/{key}/application/", {"version": 2, "answers": {"x": 1}})
    assert (bad.status_code, bad.json()["code"]) == (422, "question_unknown")
    assert rita.patch(f"projects/{key}/application/", body).status_code == 403
    assert call_as(given.cast.charlie).get(f"projects/{key}/application/").status_code == 404
    assert sam.post(f"projects/{key}/submit/").json()["status"] == "in_review"
    section = {"version": 2, "section": "law", "verdict": "change", "note": "Which law?"}
    assert sam.post(f"projects/{key}/sections/", section).status_code == 403
    assert rita.post(f"projects/{key}/sections/", section).status_code == 201
    (version,) = rita.get(f"projects/{key}/versions/").json()
    assert version["content"]["answers"]["ethics_reference"] == "REC 1"
    assert [(row["section"], row["note"]) for row in version["sections"]] == [("law", "Which law?")]


def test_the_form_over_the_api(given):
    ada, sam = call_as(given.cast.ada), call_as(given.cast.sam)
    (first,) = sam.get("application-forms/").json()["results"]
    assert (first["number"], first["published_by"]) == (1, None)
    body = {"number": 2, "form": json.loads(stricter()), "changes": "Say who pays."}
    assert sam.post("application-forms/", body).status_code == 403
    assert ada.post("application-forms/", body | {"form": {"title": "x"}}).json()["code"] == "form_invalid"
    assert ada.post("application-forms/", body).json()["number"] == 2
    assert ada.post("application-forms/", body).json()["code"] == "stale"
    huge = ada.post("application-forms/", body | {"form": ["x" * 200_001]})
    assert huge.status_code in (400, 422)
