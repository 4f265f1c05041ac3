"""An application from draft to review: what is kept, what is frozen, who reviews its sections."""

import json

import pytest
from django.db import DatabaseError, connection, transaction

from domains.audit.models import AuditEvent
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.projects import actions, application, application_forms, questions, sections
from domains.projects.models import FormVersion, Project, ProjectVersion, SectionReview
from tests import cast

pytestmark = pytest.mark.django_db
ANSWERS = {"purpose_codes": ["health", "methods"], "legal_basis": "consent"}


@pytest.fixture
def given() -> cast.Cast:
    return cast.cast()


def draft(given: cast.Cast, **words) -> Project:
    return cast.proposal(given, cast.dataset(given), **words)


def in_review(given: cast.Cast, **words) -> Project:
    project = draft(given, **words)
    actions.submit(project, by=given.sam)
    return project


def stricter() -> str:
    """Return the bundled form with one more question that has to be answered, and one less."""
    whole = json.loads(application_forms.bundled())
    asked = whole["pages"][1]["sections"][0]["questions"]
    asked[0] = {"id": "training", "type": "text", "label": "Training", "required": True}
    return json.dumps(whole)


def test_answers_can_be_given_when_it_is_proposed(given):
    project = draft(given, answers=ANSWERS)
    assert project.purpose_codes == ["health", "methods"]
    assert project.answers == {"legal_basis": "consent"}
    assert project.form == FormVersion.objects.get()
    assert application.answers_of(project) == ANSWERS | {
        "lay_summary": "What care costs.",
        "purpose": "Fair payment.",
    }


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"purpose": "Other"}, "answer_invalid"),
        ({"nonsense": "x"}, "question_unknown"),
        ({"purpose_codes": ["war"]}, "answer_invalid"),
    ],
)
def test_answers_that_do_not_fit_make_no_project(given, answers, code):
    with pytest.raises(InvalidInput) as refused:
        draft(given, answers=answers)
    assert refused.value.code == code
    assert not Project.objects.exists()


def test_a_page_is_kept_and_leaves_the_others_as_they_were(given):
    project = draft(given, answers=ANSWERS)
    actions.answer(
        project, version=1, answers={"funding": "Council", "purpose": "Fairer payment."}, by=given.sam
    )
    actions.answer(project, version=2, answers={"legal_basis": "", "purpose_codes": []}, by=given.sam)
    project.refresh_from_db()
    assert (project.version, project.purpose, project.purpose_codes) == (3, "Fairer payment.", [])
    assert project.answers == {"funding": "Council"}
    event = AuditEvent.objects.filter(event="project.edited").order_by("index").last()
    assert json.loads(bytes(event.body))["details"]["answered"] == ["legal_basis", "purpose_codes"]


def test_a_form_that_somebody_overtook_keeps_nothing(given):
    project = draft(given)
    actions.answer(project, version=1, answers={"funding": "Council"}, by=given.sam)
    with pytest.raises(IllegalMove) as refused:
        actions.answer(project, version=1, answers={"funding": "Nobody"}, by=given.sam)
    assert refused.value.code == "stale"
    project.refresh_from_db()
    assert project.answers == {"funding": "Council"}


@pytest.mark.parametrize("who", ["charlie", "rita", "alice", "ada", "theo"])
def test_nobody_but_its_lead_answers(given, who):
    project = draft(given)
    with pytest.raises((NotAllowed, NotFound)):
        actions.answer(project, version=1, answers={"funding": "x"}, by=getattr(given, who))


def test_a_member_reads_and_does_not_answer(given):
    project = draft(given, members=[given.charlie])
    with pytest.raises(NotAllowed):
        actions.answer(project, version=1, answers={"funding": "x"}, by=given.charlie)


def test_what_has_been_handed_in_is_not_answered_any_more(given):
    project = in_review(given)
    with pytest.raises(IllegalMove):
        actions.answer(project, version=1, answers={"funding": "x"}, by=given.sam)


def test_what_the_form_does_not_ask_is_not_kept(given):
    project = draft(given)
    with pytest.raises(InvalidInput):
        actions.answer(project, version=1, answers={"x" * 500: "y"}, by=given.sam)


def test_the_summary_is_never_empty(given):
    project = draft(given)
    with pytest.raises(InvalidInput, match="summary for everyone"):
        actions.answer(project, version=1, answers={"lay_summary": " "}, by=given.sam)


def test_handing_in_freezes_what_stands(given):
    project = draft(given, answers=ANSWERS | {"ethics_needed": "no", "ethics_why_not": "No people."})
    seen = Project.objects.get(pk=project.pk)
    actions.answer(project, version=1, answers={"ethics_needed": ""}, by=given.sam)
    actions.submit(seen, by=given.sam)  # with what was read before the last change
    version = ProjectVersion.objects.get()
    assert (version.number, seen.version) == (2, 2)
    assert version.content["answers"]["purpose_codes"] == ["health", "methods"]
    assert "ethics_why_not" not in version.content["answers"]  # it is asked no more
    assert version.content["datasets"] == ["support2"]
    assert version.content["people"] == [given.sam.pk]
    assert version.content["form"]["sha256"] == FormVersion.objects.get().sha256
    assert version.sha256 == application.digest(version.content)
    event = AuditEvent.objects.get(event="project.submitted")
    assert json.loads(bytes(event.body))["details"]["sha256"] == version.sha256


def test_an_application_that_lacks_answers_stays_a_draft(given):
    project = draft(given, answers={"ethics_needed": "yes"})
    with pytest.raises(InvalidInput, match="Reference of the decision") as refused:
        actions.submit(project, by=given.sam)
    assert refused.value.code == "answers_missing"
    project.refresh_from_db()
    assert project.status == "draft"
    first = application.progress(project)[0]
    assert ([one.id for one in first.missing], first.answered) == (["ethics_reference"], 3)


def test_a_project_from_before_there_were_forms_is_handed_in_on_the_newest(given):
    project = draft(given)
    Project.objects.filter(pk=project.pk).update(form=None)
    project.refresh_from_db()
    assert application_forms.spec_of(project) == questions.parse(application_forms.bundled())
    actions.submit(project, by=given.sam)
    project.refresh_from_db()
    assert project.form == FormVersion.objects.get()


def test_what_is_handed_in_again_is_another_version_with_the_changes_marked(given):
    project = in_review(given, answers={"funding": "The council"})
    actions.review(project, version=1, vote="request_changes", reason="Who pays?", by=given.rita)
    actions.answer(project, version=1, answers={"funding": "The city council"}, by=given.sam)
    actions.submit(project, by=given.sam)
    newest, first = sections.versions_of(project)
    assert (newest.number, first.number) == (2, 1)
    lines = {line.id: line for part in sections.parts_of(newest, first) for line in part.lines}
    assert [(p.mark, p.text) for p in lines["funding"].pieces] == [
        ("", "The "),
        ("+", "city "),
        ("", "council"),
    ]
    assert not lines["purpose"].is_changed
    assert sections.version_of([newest, first], 1) == first
    with pytest.raises(NotFound):
        sections.version_of([newest, first], 3)


# --- the form's versions


def test_an_administrator_publishes_a_form_and_applications_keep_theirs_until_they_are_sent_back(given):
    project = in_review(given)
    made = application_forms.publish_form(stricter(), number=2, changes="Ask for training.", by=given.ada)
    assert application_forms.current() == made
    assert cast.proposal(given, cast.dataset(given, "stroke")).form == made
    actions.review(project, version=1, vote="request_changes", reason="More.", by=given.rita)
    project.refresh_from_db()
    assert project.form == made
    with pytest.raises(InvalidInput, match="Training"):
        actions.submit(project, by=given.sam)
    actions.answer(project, version=1, answers={"training": "GCP 2026"}, by=given.sam)
    actions.submit(project, by=given.sam)


@pytest.mark.parametrize("who", ["sam", "alice", "rita", "theo", "charlie"])
def test_nobody_else_publishes_a_form(given, who):
    with pytest.raises(NotAllowed):
        application_forms.publish_form(stricter(), number=2, changes="More.", by=getattr(given, who))


@pytest.mark.parametrize(
    ("words", "error", "code"),
    [
        ({"number": 1}, IllegalMove, "stale"),
        ({"number": 3}, IllegalMove, "stale"),
        ({"changes": ""}, InvalidInput, "text_invalid"),
        ({"form": "{}"}, InvalidInput, "form_invalid"),
        ({"form": "x" * 200_001}, InvalidInput, "form_invalid"),
    ],
)
def test_a_form_that_cannot_be_published(given, words, error, code):
    words = {"form": stricter(), "number": 2, "changes": "More."} | words
    with pytest.raises(error) as refused:
        application_forms.publish_form(words.pop("form"), by=given.ada, **words)
    assert refused.value.code == code


def test_the_form_in_use_is_not_published_again(given):
    with pytest.raises(IllegalMove) as refused:
        application_forms.publish_form(application_forms.bundled(), number=2, changes="None.", by=given.ada)
    assert refused.value.code == "form_unchanged"


# --- sections


def test_a_reviewer_says_what_of_each_section_they_think(given):
    project = in_review(given)
    actions_ = [("aims", "change", "Say more."), ("aims", "fine", ""), ("law", "change", "Which law?")]
    for section, verdict, note in actions_:
        sections.review_section(
            project, version=1, section=section, verdict=verdict, note=note, by=given.rita
        )
    standing = sections.standing(ProjectVersion.objects.get())
    assert {name: [(r.verdict, r.note) for r in rows] for name, rows in standing.items()} == {
        "aims": [("fine", "")],
        "law": [("change", "Which law?")],
    }
    project.refresh_from_db()
    assert project.status == "in_review"  # notes decide nothing
    assert AuditEvent.objects.filter(event="project.section_reviewed").count() == 3


@pytest.mark.parametrize("who", ["sam", "alice", "ada", "theo", "charlie"])
def test_nobody_else_reviews_a_section(given, who):
    project = in_review(given)
    with pytest.raises((NotAllowed, NotFound)):
        sections.review_section(project, version=1, section="aims", verdict="fine", by=getattr(given, who))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"verdict": "great"}, "verdict_invalid"),
        ({"verdict": "change"}, "text_invalid"),
        ({"section": "nowhere"}, "section_unknown"),
        ({"version": 2}, "stale"),
    ],
)
def test_a_review_of_a_section_that_does_not_fit(given, words, code):
    project = in_review(given)
    words = {"version": 1, "section": "aims", "verdict": "fine"} | words
    with pytest.raises((InvalidInput, IllegalMove)) as refused:
        sections.review_section(project, by=given.rita, **words)
    assert refused.value.code == code


def test_sections_are_reviewed_while_the_project_is(given):
    project = draft(given)
    with pytest.raises(IllegalMove, match="draft"):
        sections.review_section(project, version=1, section="aims", verdict="fine", by=given.rita)


# --- what the database itself refuses


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE projects_projectversion SET content = '{}'",
        "DELETE FROM projects_projectversion",
        "UPDATE projects_formversion SET text = '{}'",
        "DELETE FROM projects_sectionreview",
        "UPDATE projects_sectionreview SET note = 'x'",
    ],
)
def test_the_database_keeps_what_was_handed_in_and_said(given, sql):
    project = in_review(given)
    sections.review_section(project, version=1, section="aims", verdict="fine", by=given.rita)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def test_the_database_lets_nobody_review_sections_of_their_own_project(given):
    project = in_review(given, members=[given.charlie])
    version = ProjectVersion.objects.get(project=project)
    for user in (given.sam, given.charlie):
        with pytest.raises(DatabaseError), transaction.atomic():
            SectionReview.objects.create(version=version, section="aims", reviewer=user, verdict="fine")


def test_the_database_demands_a_note_and_numbers_that_follow(given):
    project = in_review(given)
    version = ProjectVersion.objects.get()
    with pytest.raises(DatabaseError), transaction.atomic():
        SectionReview.objects.create(version=version, section="aims", reviewer=given.rita, verdict="change")
    words = {"project": project, "form": version.form, "content": {}, "sha256": "", "submitted_by": given.sam}
    for number in (0, 1):
        with pytest.raises(DatabaseError), transaction.atomic():
            ProjectVersion.objects.create(number=number, **words)
    with pytest.raises(DatabaseError), transaction.atomic():
        FormVersion.objects.create(number=2, text="{}", sha256="")
