"""A project's life, and the separation of duties that holds it together (S1)."""

import pytest
from django.db import DatabaseError, transaction

from domains.audit.models import AuditEvent
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.notices.models import Notice
from domains.people.models import Membership
from domains.people.permissions import Role
from domains.projects import actions, queries
from domains.projects.models import Project, ProjectMember, ProjectReview
from tests import cast

pytestmark = pytest.mark.django_db
WORDS = {"title": "Other", "lay_summary": "Other words.", "purpose": "The same."}


@pytest.fixture
def given() -> cast.Cast:
    return cast.cast()


def in_review(given: cast.Cast) -> Project:
    project = cast.proposal(given, cast.dataset(given))
    actions.submit(project, by=given.sam)
    return project


def make_reviewer(given: cast.Cast, user) -> None:
    Membership.objects.create(user=user, role=Role.REVIEWER, granted_by=given.ada)
    user.forget_roles()
    from domains.catalog import actions as catalog

    catalog.seat(given.area, user, role=Role.AREA_REVIEWER, by=given.ada)
    given.area.refresh_from_db()


def test_a_scientist_proposes_and_leads(given):
    project = cast.proposal(given, cast.dataset(given), members=[given.charlie])
    assert project.status == "draft"
    assert {(m.user.name, m.role) for m in project.members.all()} == {
        ("Sam", "project_lead"),
        ("Charlie", "project_member"),
    }
    assert [grant.status for grant in project.grants.all()] == ["requested"]
    assert Notice.objects.filter(recipient=given.charlie, event="project.proposed").exists()


@pytest.mark.parametrize("who", ["alice", "rita", "ada", "theo"])
def test_nobody_else_proposes(given, who):
    with pytest.raises(NotAllowed):
        cast.proposal(given, cast.dataset(given), by=getattr(given, who))


def test_members_are_active_scientists(given):
    dataset = cast.dataset(given)
    with pytest.raises(InvalidInput) as refused:
        cast.proposal(given, dataset, members=[given.rita])
    assert refused.value.code == "role_missing"
    given.charlie.is_active = False
    with pytest.raises(InvalidInput) as refused:
        cast.proposal(given, dataset, members=[given.charlie])
    assert refused.value.code == "person_inactive"
    assert not Project.objects.exists()


def test_it_asks_for_published_datasets_of_its_own_area(given):
    from domains.catalog import actions as catalog

    with pytest.raises(InvalidInput) as refused:
        cast.proposal(given)
    assert refused.value.code == "datasets_invalid"
    with pytest.raises(InvalidInput) as refused:
        cast.proposal(given, cast.draft_dataset(given))
    assert refused.value.code == "dataset_not_published"
    elsewhere = catalog.create_area(name="Covid", slug="covid", by=given.ada)
    with pytest.raises(InvalidInput) as refused:
        actions.propose(area=elsewhere, datasets=[cast.dataset(given, "stroke")], by=given.sam, **WORDS)
    assert refused.value.code == "dataset_of_other_area"


@pytest.mark.parametrize("blank", ["title", "lay_summary", "purpose"])
def test_it_says_what_and_why(given, blank):
    with pytest.raises(InvalidInput):
        cast.proposal(given, cast.dataset(given), **{blank: "  "})


def test_the_whole_road_leaves_a_trail(given):
    project = cast.approved(given, cast.dataset(given))
    assert project.status == "approved"
    assert (project.decided_by, project.valid_until is not None) == (given.rita, True)
    trail = AuditEvent.objects.filter(subject=project.pk).values_list("event", flat=True)
    assert list(trail) == ["project.proposed", "project.submitted", "project.reviewed", "project.approved"]
    assert Notice.objects.filter(recipient=given.rita, event="project.submitted").count() == 1
    assert Notice.objects.filter(recipient=given.sam, event="project.approved").count() == 1
    assert Notice.objects.filter(recipient=given.ada, event="project.approved").count() == 1


def test_a_stale_form_changes_nothing(given):
    project = cast.proposal(given, cast.dataset(given))
    actions.edit(project, version=1, by=given.sam, **WORDS)
    with pytest.raises(IllegalMove) as refused:
        actions.edit(Project.objects.get(pk=project.pk), version=1, by=given.sam, **WORDS | {"title": "Lost"})
    assert refused.value.code == "stale"
    project.refresh_from_db()
    assert (project.title, project.version) == ("Other", 2)


def test_an_edit_can_change_what_is_asked_for(given):
    first, second = cast.dataset(given), cast.dataset(given, "stroke")
    project = cast.proposal(given, first)
    actions.edit(project, version=1, datasets=[second], by=given.sam, **WORDS)
    assert dict(project.grants.values_list("dataset__slug", "status")) == {
        "support2": "withdrawn",
        "stroke": "requested",
    }
    actions.edit(project, version=2, datasets=[first, second], by=given.sam, **WORDS)
    assert sorted(project.grants.filter(status="requested").values_list("dataset__slug", flat=True)) == [
        "stroke",
        "support2",
    ]
    with pytest.raises(InvalidInput):
        actions.edit(project, version=3, datasets=[], by=given.sam, **WORDS)


def test_what_is_under_review_is_not_edited(given):
    project = in_review(given)
    with pytest.raises(IllegalMove):
        actions.edit(project, version=1, by=given.sam, **WORDS)


def test_a_vote_is_for_the_version_that_was_read(given):
    project = in_review(given)
    with pytest.raises(IllegalMove) as refused:
        actions.review(project, version=2, vote="approve", by=given.rita)
    assert refused.value.code == "stale"
    assert not ProjectReview.objects.exists()


@pytest.mark.parametrize("vote", ["deny", "request_changes"])
def test_a_no_says_why(given, vote):
    with pytest.raises(InvalidInput):
        actions.review(in_review(given), version=1, vote=vote, reason=" ", by=given.rita)


def test_an_unknown_vote_is_refused(given):
    with pytest.raises(InvalidInput) as refused:
        actions.review(in_review(given), version=1, vote="maybe", by=given.rita)
    assert refused.value.code == "vote_invalid"


def test_a_rejection_is_final_and_ends_the_grants(given):
    project = in_review(given)
    actions.review(project, version=1, vote="deny", reason="No purpose.", by=given.rita)
    assert project.status == "rejected"
    assert project.grants.get().status == "denied"
    with pytest.raises(IllegalMove):
        actions.submit(project, by=given.sam)


def test_changes_are_asked_for_answered_and_voted_on_again(given):
    project = in_review(given)
    actions.review(project, version=1, vote="request_changes", reason="Name the funder.", by=given.rita)
    assert project.status == "changes_requested"
    actions.edit(project, version=1, by=given.sam, **WORDS)
    actions.submit(project, by=given.sam)
    actions.review(project, version=2, vote="approve", by=given.rita)
    assert project.status == "approved"


def test_handing_in_again_unchanged_is_a_new_version_that_can_be_voted_on(given):
    project = in_review(given)
    actions.review(project, version=1, vote="request_changes", reason="Name the funder.", by=given.rita)
    actions.submit(project, by=given.sam)
    assert project.version == 2
    actions.review(project, version=2, vote="approve", by=given.rita)


def test_of_two_reviewers_at_once_the_second_sees_the_new_state(given):
    second = cast.person("Rosa")
    make_reviewer(given, second)
    project = in_review(given)
    other = Project.objects.get(pk=project.pk)
    actions.review(project, version=1, vote="approve", by=given.rita)
    with pytest.raises(IllegalMove):
        actions.review(other, version=1, vote="deny", reason="No.", by=second)
    assert list(ProjectReview.objects.values_list("vote", flat=True)) == ["approve"]


@pytest.mark.parametrize("who", ["alice", "sam", "ada", "theo"])
def test_only_reviewers_of_the_area_vote(given, who):
    with pytest.raises((NotAllowed, NotFound)):
        actions.review(in_review(given), version=1, vote="approve", by=getattr(given, who))


def test_a_stranger_does_not_learn_that_it_exists(given):
    project = in_review(given)
    for act in (
        lambda: actions.review(project, version=1, vote="approve", by=given.charlie),
        lambda: actions.submit(project, by=given.charlie),
        lambda: actions.withdraw(project, by=given.charlie),
        lambda: actions.close(project, report="x", by=given.charlie),
        lambda: actions.suspend(project, reason="x", by=given.charlie),
        lambda: actions.revoke_grant(project.grants.get(), reason="x", by=given.charlie),
    ):
        with pytest.raises(NotFound):
            act()


def test_the_creator_never_votes_even_as_a_reviewer(given):
    make_reviewer(given, given.sam)
    project = in_review(given)
    with pytest.raises(NotAllowed) as refused:
        actions.review(project, version=1, vote="approve", by=given.sam)
    assert refused.value.code == "separation_of_duties"
    assert project.pk not in {row.pk for row in queries.to_review(given.sam)}


def test_whoever_was_ever_a_member_never_votes(given):
    project = cast.proposal(given, cast.dataset(given), members=[given.charlie])
    actions.end_member(project, given.charlie, by=given.sam)
    make_reviewer(given, given.charlie)
    actions.submit(project, by=given.sam)
    with pytest.raises(NotAllowed) as refused:
        actions.review(project, version=1, vote="approve", by=given.charlie)
    assert refused.value.code == "separation_of_duties"
    assert not queries.may_review(project, given.charlie)
    assert not Notice.objects.filter(recipient=given.charlie, event="project.submitted").exists()


def test_whoever_voted_never_joins(given):
    project = in_review(given)
    actions.review(project, version=1, vote="request_changes", reason="Say more.", by=given.rita)
    Membership.objects.create(user=given.rita, role=Role.SCIENTIST, granted_by=given.ada)
    given.rita.forget_roles()
    with pytest.raises(InvalidInput) as refused:
        actions.add_member(project, given.rita, by=given.sam)
    assert refused.value.code == "separation_of_duties"


@pytest.mark.parametrize("who", ["sam", "charlie"])
def test_the_database_refuses_a_members_vote_even_without_the_guard(given, who):
    project = cast.proposal(given, cast.dataset(given), members=[given.charlie])
    if who == "charlie":
        actions.end_member(project, given.charlie, by=given.sam)
    with pytest.raises(DatabaseError, match="never votes"), transaction.atomic():
        ProjectReview.objects.create(project=project, version=1, reviewer=getattr(given, who), vote="approve")


def test_the_database_refuses_a_judge_as_member_even_without_the_guard(given):
    project = in_review(given)
    actions.review(project, version=1, vote="request_changes", reason="Say more.", by=given.rita)
    with pytest.raises(DatabaseError, match="never joins"), transaction.atomic():
        ProjectMember.objects.create(
            project=project, user=given.rita, role="project_member", added_by=given.sam
        )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE projects_projectreview SET vote = 'deny'",
        "DELETE FROM projects_projectreview",
        "DELETE FROM projects_projectmember",
    ],
)
def test_the_database_keeps_votes_and_memberships(given, statement):
    from django.db import connection

    cast.approved(given, cast.dataset(given))
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_project_is_withdrawn_before_a_decision_only(given):
    project = in_review(given)
    actions.withdraw(project, by=given.sam)
    assert (project.status, project.grants.get().status) == ("withdrawn", "withdrawn")
    assert Notice.objects.filter(recipient=given.rita, event="project.withdrawn").exists()
    approved = cast.approved(given, cast.dataset(given, "stroke"))
    with pytest.raises(IllegalMove):
        actions.withdraw(approved, by=given.sam)


def test_one_person_stops_a_project_and_another_lets_it_go_on(given):
    second = cast.person("Rosa")
    make_reviewer(given, second)
    project = cast.approved(given, cast.dataset(given))
    actions.suspend(project, reason="A complaint.", by=given.rita)
    with pytest.raises(NotAllowed) as refused:
        actions.reinstate(project, reason="Well.", by=given.rita)
    assert refused.value.code == "separation_of_duties"
    actions.reinstate(project, reason="It was unfounded.", by=second)
    assert (project.status, project.suspended_by) == ("approved", None)
    with pytest.raises(IllegalMove):
        actions.reinstate(project, reason="Again.", by=second)


def test_a_members_seat_as_reviewer_does_not_reinstate(given):
    make_reviewer(given, given.sam)
    project = cast.approved(given, cast.dataset(given))
    actions.suspend(project, reason="A complaint.", by=given.rita)
    with pytest.raises(NotAllowed):
        actions.reinstate(project, reason="Mine.", by=given.sam)


def test_closing_ends_the_grants_and_says_what_came_of_it(given):
    project = cast.approved(given, cast.dataset(given), cast.dataset(given, "stroke"))
    project.grants.filter(dataset__slug="support2").update(status="granted")
    actions.close(project, report="Two papers.", by=given.sam)
    assert dict(project.grants.values_list("dataset__slug", "status")) == {
        "support2": "closed",
        "stroke": "withdrawn",
    }
    with pytest.raises(NotAllowed):
        actions.close(project, report="Again.", by=given.rita)


def test_after_approval_a_reviewer_adds_people_and_the_lead_cannot(given):
    project = cast.approved(given, cast.dataset(given))
    with pytest.raises(NotAllowed):
        actions.add_member(project, given.charlie, by=given.sam)
    actions.add_member(project, given.charlie, by=given.rita)
    assert Role.PROJECT_MEMBER in Project.objects.get(pk=project.pk).roles_of(given.charlie)
    with pytest.raises(InvalidInput) as refused:
        actions.add_member(project, given.charlie, by=given.rita)
    assert refused.value.code == "already_member"


def test_nobody_is_added_while_reviewers_read(given):
    with pytest.raises(IllegalMove):
        actions.add_member(in_review(given), given.charlie, by=given.sam)


def test_adding_a_member_makes_an_open_form_stale(given):
    project = cast.proposal(given, cast.dataset(given))
    actions.add_member(project, given.charlie, by=given.sam)
    with pytest.raises(IllegalMove) as refused:
        actions.edit(project, version=1, by=given.sam, **WORDS)
    assert refused.value.code == "stale"


def test_a_member_leaves_and_the_lead_stays(given):
    project = cast.proposal(given, cast.dataset(given), members=[given.charlie])
    with pytest.raises(IllegalMove) as refused:
        actions.end_member(project, given.sam, by=given.sam)
    assert refused.value.code == "lead_stays"
    actions.end_member(project, given.charlie, by=given.charlie)
    with pytest.raises(NotFound):
        actions.end_member(project, given.charlie, by=given.sam)
    with pytest.raises(NotFound):
        queries.project(project.pk, given.charlie)


def test_a_member_cannot_put_out_another(given):
    project = cast.proposal(given, cast.dataset(given), members=[given.charlie])
    with pytest.raises(NotAllowed):
        actions.end_member(project, given.sam, by=given.charlie)


def test_the_datasets_owner_ends_a_grant(given):
    project = cast.approved(given, cast.dataset(given))
    grant = cast.granted(project, by=given.ada)
    for user in (given.sam, given.rita, given.ada):
        with pytest.raises(NotAllowed):
            actions.revoke_grant(grant, reason="No.", by=user)
    actions.suspend_grant(grant, reason="Wait.", by=given.alice)
    actions.reinstate_grant(grant, reason="Go on.", by=given.alice)
    assert (grant.status, grant.ended_reason) == ("granted", "")
    actions.revoke_grant(grant, reason="The contract ended.", by=given.alice)
    assert (grant.status, grant.ended_reason) == ("revoked", "The contract ended.")
    with pytest.raises(IllegalMove):
        actions.reinstate_grant(grant, reason="Go on.", by=given.alice)


def test_a_grant_without_a_budget_is_denied_and_never_reinstated(given):
    project = cast.approved(given, cast.dataset(given))
    grant = project.grants.get()
    with pytest.raises(InvalidInput):
        actions.reinstate_grant(grant, reason="Cheap.", by=given.alice)
    actions.revoke_grant(grant, reason="Not now.", by=given.alice)
    assert grant.status == "denied"


def test_one_datasets_owner_has_no_say_over_anothers_grant(given):
    from domains.catalog import actions as catalog

    bob = cast.person("Bob", Role.OWNER)
    catalog.seat(given.area, bob, role=Role.AREA_OWNER, by=given.ada)
    mine, theirs = cast.dataset(given), cast.draft_dataset(given, "stroke", by=bob)
    cast.published(theirs)
    project = cast.approved(given, mine, theirs)
    grant = project.grants.get(dataset=mine)
    assert queries.grant(grant.pk, bob) == grant  # may read: the project asks for Bob's data too
    with pytest.raises(NotFound):
        actions.revoke_grant(grant, reason="Mine!", by=bob)
