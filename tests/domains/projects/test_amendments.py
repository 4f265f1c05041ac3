"""Amendments: an approved project goes on as it was until another version of it is approved."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from domains.audit.models import AuditEvent
from domains.catalog import actions as catalog
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.people.permissions import Role
from domains.projects import actions, amending, amendments, queries, sections
from domains.projects.models import Amendment, Project, ProjectReview, ProjectVersion
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def given() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def project(given) -> Project:
    made = cast.approved(given, cast.dataset(given))
    return Project.objects.get(pk=made.pk)


def begun(project: Project, given: cast.Cast, **words) -> Amendment:
    """Return an amendment that says why, with whatever `words` change."""
    amendment = amendments.begin(project, by=given.sam)
    wanted = {
        "title": project.title,
        "reason": "We learnt something.",
        "datasets": [grant.dataset for grant in project.grants.all()],
        "people": [],
        **words,
    }
    amendments.change(amendment, version=amendment.version, **wanted, by=given.sam)
    return amendment


def handed_in(project: Project, given: cast.Cast, **words) -> Amendment:
    amendment = begun(project, given, **{"title": "Costs of care at night", **words})
    amendments.submit(amendment, by=given.sam)
    return amendment


def decided(amendment: Amendment, given: cast.Cast, vote: str = "approve", reason: str = "") -> Amendment:
    number = amendment.frozen.number
    amending.review(amendment, version=number, vote=vote, reason=reason, by=given.rita)
    amendment.project.refresh_from_db()
    return amendment


def events() -> list[str]:
    return list(AuditEvent.objects.order_by("index").values_list("event", flat=True))


def test_an_approval_says_which_version_is_in_force(project):
    assert project.in_force == ProjectVersion.objects.get()


def test_it_begins_with_what_is_in_force_and_changes_nothing(project, given):
    amendment = amendments.begin(project, by=given.sam)
    assert (amendment.title, amendment.base, amendment.datasets) == (
        project.title,
        project.in_force,
        ["support2"],
    )
    assert amendment.answers["purpose"] == "Fair payment."
    amendments.answer(amendment, version=1, answers={"purpose": "Other.", "funding": "Council"}, by=given.sam)
    project.refresh_from_db()
    assert project.purpose == "Fair payment."
    assert amendment.answers["funding"] == "Council"
    assert amendment.version == 2


def test_until_it_is_approved_the_old_version_stays_in_force(project, given):
    before = project.in_force
    amendment = handed_in(project, given)
    project.refresh_from_db()
    assert (project.status, project.in_force, project.title) == ("approved", before, "Costs of care")
    assert amendment.status == "in_review"
    assert amendment.frozen.number > before.number


def test_approved_it_puts_the_new_version_in_force(project, given):
    amendment = begun(project, given, title="Costs of care at night", valid_until=date(2028, 3, 1))
    amendments.answer(
        amendment,
        version=amendment.version,
        answers={"purpose": "Fairer payment.", "purpose_codes": ["health"], "funding": "Council"},
        by=given.sam,
    )
    amendments.submit(amendment, by=given.sam)
    decided(amendment, given)
    project.refresh_from_db()
    assert project.in_force == amendment.frozen
    assert (project.title, project.purpose) == ("Costs of care at night", "Fairer payment.")
    assert (project.purpose_codes, project.answers) == (["health"], {"funding": "Council"})
    assert project.valid_until == datetime(2028, 3, 2, tzinfo=UTC)  # to the end of that day
    assert amendment.decided_by == given.rita
    assert events()[-1] == "amendment.approved"


def test_it_can_change_people_and_datasets(project, given):
    night = cast.dataset(given, "night")
    amendment = handed_in(project, given, datasets=[night], people=[given.charlie])
    assert not project.members.filter(user=given.charlie).exists()
    decided(amendment, given)
    assert project.members.filter(user=given.charlie, ended_at=None, added_by=given.rita).exists()
    states = set(project.grants.values_list("dataset__slug", "status"))
    assert states == {("support2", "withdrawn"), ("night", "requested")}


def test_it_closes_a_grant_in_use_that_it_gives_up_and_takes_people_off(given):
    made = cast.proposal(given, cast.dataset(given), members=[given.charlie])
    actions.submit(made, by=given.sam)
    actions.review(made, version=1, vote="approve", by=given.rita)
    grant = cast.granted(made, by=given.ada)
    decided(handed_in(made, given, datasets=[cast.dataset(given, "night")]), given)
    grant.refresh_from_db()
    assert grant.status == "closed"
    assert not made.members.filter(user=given.charlie, ended_at=None).exists()


def test_who_came_or_left_meanwhile_stays_so(project, given):
    dana = cast.person("Dana", Role.SCIENTIST)
    amendment = handed_in(project, given, people=[given.charlie])
    actions.add_member(project, dana, by=given.rita)
    decided(amendment, given)
    assert project.members.filter(ended_at=None).count() == 3


@pytest.mark.parametrize(("vote", "status"), [("deny", "denied"), ("request_changes", "changes_requested")])
def test_anything_but_an_approval_changes_nothing(project, given, vote, status):
    before = project.in_force
    amendment = decided(handed_in(project, given), given, vote, "Why at night?")
    assert amendment.status == status
    assert (amendment.project.in_force, amendment.project.title) == (before, "Costs of care")


def test_sent_back_it_is_handed_in_again_as_another_version(project, given):
    amendment = decided(handed_in(project, given), given, "request_changes", "Why?")
    first = amendment.frozen
    amendments.answer(amendment, version=amendment.version, answers={"funding": "Council"}, by=given.sam)
    amendments.submit(amendment, by=given.sam)
    assert amendment.frozen.number == first.number + 1
    with pytest.raises(IllegalMove) as refused:
        amending.review(amendment, version=first.number, vote="approve", by=given.rita)
    assert refused.value.code == "stale"
    decided(amendment, given)
    assert amendment.project.answers == {"funding": "Council"}


def test_its_sections_are_reviewed_like_an_applications(project, given):
    number = handed_in(project, given).frozen.number
    made = sections.review_section(project, version=number, section="team", verdict="fine", by=given.rita)
    assert made.version.number == number
    with pytest.raises(IllegalMove):
        sections.review_section(project, version=1, section="team", verdict="fine", by=given.rita)


def test_there_is_one_at_a_time(project, given):
    amendment = amendments.begin(project, by=given.sam)
    with pytest.raises(InvalidInput) as refused:
        amendments.begin(project, by=given.sam)
    assert refused.value.code == "amendment_open"
    amendments.withdraw(amendment, by=given.sam)
    amendments.begin(project, by=given.sam)


def test_only_an_approved_project_is_amended(given):
    draft = cast.proposal(given, cast.dataset(given))
    with pytest.raises(IllegalMove):
        amendments.begin(draft, by=given.sam)


@pytest.mark.parametrize("who", ["charlie", "rita", "alice", "ada", "theo"])
def test_nobody_but_the_lead_writes_one(project, given, who):
    with pytest.raises((NotAllowed, NotFound)):
        amendments.begin(project, by=getattr(given, who))
    amendment = begun(project, given)
    by = getattr(given, who)
    for step in (
        lambda: amendments.answer(amendment, version=2, answers={}, by=by),
        lambda: amendments.submit(amendment, by=by),
        lambda: amendments.withdraw(amendment, by=by),
    ):
        with pytest.raises((NotAllowed, NotFound)):
            step()


@pytest.mark.parametrize("who", ["sam", "charlie", "alice", "ada", "theo"])
def test_nobody_but_a_reviewer_decides(project, given, who):
    amendment = handed_in(project, given)
    with pytest.raises((NotAllowed, NotFound)):
        amending.review(amendment, version=amendment.frozen.number, vote="approve", by=getattr(given, who))
    assert not amending.may_review(amendment, getattr(given, who))
    assert amending.may_review(amendment, given.rita)


def test_whom_it_would_put_on_the_project_does_not_decide(project, given):
    dana = cast.person("Dana", Role.SCIENTIST, Role.REVIEWER)
    catalog.seat(given.area, dana, role=Role.AREA_REVIEWER, by=given.ada)
    amendment = handed_in(project, given, people=[dana])
    assert not amending.may_review(amendment, dana)
    with pytest.raises(NotAllowed) as refused:
        amending.review(amendment, version=amendment.frozen.number, vote="approve", by=dana)
    assert refused.value.code == "separation_of_duties"


def test_who_voted_on_the_project_is_not_put_on_it(project, given):
    given.rita.memberships.create(role=Role.SCIENTIST)
    with pytest.raises(InvalidInput):
        begun(project, given, people=[given.rita])


def test_nothing_new_is_not_handed_in(project, given):
    amendment = begun(project, given)
    with pytest.raises(InvalidInput) as refused:
        amendments.submit(amendment, by=given.sam)
    assert refused.value.code == "amendment_empty"


def test_it_says_why(project, given):
    amendment = amendments.begin(project, by=given.sam)
    with pytest.raises(InvalidInput) as refused:
        amendments.submit(amendment, by=given.sam)
    assert refused.value.code == "reason_missing"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"datasets": []}, "datasets_invalid"),
        ({"valid_until": date(2020, 1, 1)}, "valid_until_invalid"),
        ({"valid_until": date(2090, 1, 1)}, "valid_until_invalid"),
    ],
)
def test_what_cannot_be_is_refused(project, given, words, code):
    with pytest.raises(InvalidInput) as refused:
        begun(project, given, **words)
    assert refused.value.code == code


def test_a_dataset_that_is_not_published_is_not_asked(project, given):
    with pytest.raises(InvalidInput):
        begun(project, given, datasets=[cast.draft_dataset(given, "unfinished")])


def test_a_page_that_was_overtaken_keeps_nothing(project, given):
    amendment = begun(project, given)
    with pytest.raises(IllegalMove) as refused:
        amendments.answer(amendment, version=1, answers={"funding": "x"}, by=given.sam)
    assert refused.value.code == "stale"


def test_what_is_handed_in_is_not_changed(project, given):
    amendment = handed_in(project, given)
    with pytest.raises(IllegalMove):
        amendments.answer(amendment, version=amendment.version, answers={"funding": "x"}, by=given.sam)


def test_a_suspended_project_s_amendment_waits(project, given):
    amendment = handed_in(project, given)
    actions.suspend(Project.objects.get(pk=project.pk), reason="Stop", by=given.rita)
    with pytest.raises(IllegalMove):
        amending.review(amendment, version=amendment.frozen.number, vote="approve", by=given.rita)


def test_closing_a_project_ends_its_amendment(project, given):
    amendment = handed_in(project, given)
    actions.close(Project.objects.get(pk=project.pk), report="Done.", by=given.sam)
    amendment.refresh_from_db()
    assert amendment.status == "withdrawn"


def test_one_votes_once_and_in_words_that_exist(project, given):
    amendment = handed_in(project, given)
    number = amendment.frozen.number
    with pytest.raises(InvalidInput):
        amending.review(amendment, version=number, vote="maybe", by=given.rita)
    ProjectReview.objects.create(project=project, version=number, reviewer=given.rita, vote="approve")
    with pytest.raises(IllegalMove) as refused:
        amending.review(amendment, version=number, vote="approve", by=given.rita)
    assert refused.value.code == "already_voted"


def test_a_renewal_asks_for_a_later_end_in_one_go(project, given):
    Project.objects.filter(pk=project.pk).update(valid_until=timezone.now() - timedelta(days=1))
    project.refresh_from_db()
    end = timezone.now().date() + timedelta(days=200)
    amendment = amendments.renew(project, reason="Half of it is done.", valid_until=end, by=given.sam)
    assert amendment.frozen.content["valid_until"] == end.isoformat()
    assert project.valid_until < timezone.now()
    decided(amendment, given)
    assert amendment.project.valid_until > timezone.now()


def test_a_renewal_is_later_than_the_present_end(project, given):
    soon = timezone.now().date() + timedelta(days=3)
    with pytest.raises(InvalidInput) as refused:
        amendments.renew(project, reason="Why not.", valid_until=soon, by=given.sam)
    assert refused.value.code == "valid_until_invalid"
    assert not Amendment.objects.exists()


def test_it_waits_in_the_right_lists(project, given):
    amendment = begun(project, given, title="Other")
    assert list(queries.own_amendments(given.sam)) == [amendment]
    assert not queries.own_amendments(given.charlie)
    amendments.submit(amendment, by=given.sam)
    assert list(queries.amendments_to_review(given.rita)) == [amendment]
    assert not queries.amendments_to_review(given.sam)
    assert not queries.own_amendments(given.sam)


def test_the_log_has_the_hash_of_what_was_handed_in(project, given):
    frozen = handed_in(project, given).frozen
    event = AuditEvent.objects.filter(event="amendment.submitted").get()
    assert json.loads(bytes(event.body))["details"]["sha256"] == frozen.sha256


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE projects_amendment SET status = 'approved'",
        "UPDATE projects_amendment SET frozen_id = NULL",
        "UPDATE projects_amendment SET decided_by_id = created_by_id",
    ],
)
def test_the_database_refuses_what_no_action_does(project, given, sql):
    handed_in(project, given)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
