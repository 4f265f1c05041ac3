"""Agreements: whoever uses data has accepted the exact text in force, and a new one stops them until they do."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from domains.agreements import actions, queries, reminders, standing
from domains.agreements.models import Acceptance, Agreement, AgreementVersion, Reminder
from domains.audit.models import AuditEvent
from domains.errors import DomainError, IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.notices import tasks
from domains.notices.models import Notice
from domains.projects import actions as projects
from domains.projects.rights import grant_usable, grants_usable, require_usable
from tests import cast

pytestmark = pytest.mark.django_db
TEXT = "# Terms\n\nBe kind to the data."
DAY = timedelta(days=1)


class Story:
    """Sam's usable grant, and agreements about it."""

    def __init__(self) -> None:
        self.cast = cast.cast()
        self.dataset = cast.dataset(self.cast)
        self.project = cast.approved(self.cast, self.dataset)
        self.grant = cast.granted(self.project, by=self.cast.ada)

    def usable(self, user=None, at=None):
        return grant_usable(self.grant, user or self.cast.sam, at or timezone.now())

    def terms(self, **words) -> Agreement:
        """Return the node's terms, published as version 1."""
        made = actions.create(title="Terms of use", body=TEXT, by=self.cast.ada, **words)
        actions.publish(made, edition=1, by=self.cast.ada)
        return fresh(made)

    def next(self, row: Agreement, body: str = "Be kinder.", **words) -> AgreementVersion:
        """Publish the next version."""
        words = {"valid_days": None, "changes": "Kinder."} | words
        when = words.pop("effective_from", None)
        actions.draft(row, body=body, edition=0, by=self.cast.ada, **words)
        return actions.publish(row, edition=1, effective_from=when, by=self.cast.ada)


def fresh(row: Agreement) -> Agreement:
    return Agreement.objects.get(pk=row.pk)


def accept(version: AgreementVersion, user) -> Acceptance:
    return actions.accept(version, sha256=version.sha256, through="page", by=user)


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_draft_demands_nothing_and_a_version_suspends_use_until_it_is_accepted(story, settings):
    settings.PUBLIC_URL = "https://node.example"
    sam = story.cast.sam
    draft = actions.create(title="Terms of use", body=TEXT, by=story.cast.ada)
    assert story.usable().ok
    version = actions.publish(draft, edition=1, by=story.cast.ada)
    assert version.sha256 == hashlib.sha256(version.text.encode()).hexdigest()
    refusal = story.usable().refusal
    assert (refusal.code, refusal.path) == ("agreements_accepted", f"/agreements/{draft.pk}/")
    with pytest.raises(NotAllowed, match=f"https://node.example/agreements/{draft.pk}/") as refused:
        require_usable(story.grant, sam)
    assert refused.value.code == "agreements_accepted"
    assert [task.title for task in tasks.tasks(sam, "agreement.accept")] == ["Terms of use"]
    made = accept(version, sam)
    assert (made.sha256, made.renewal, made.expires_at) == (version.sha256, 0, None)
    assert story.usable().ok
    assert tasks.tasks(sam, "agreement.accept") == []
    story.grant.refresh_from_db()
    assert story.grant.status == "granted"  # no decision was touched
    assert AuditEvent.objects.filter(event="agreement.accepted", actor=sam.pk).count() == 1


def test_a_new_version_stops_each_person_until_they_accept_it(story):
    row = story.terms()
    projects.add_member(story.project, story.cast.charlie, by=story.cast.rita)
    first = row.versions.get()
    for user in (story.cast.sam, story.cast.charlie):
        accept(first, user)
    second = story.next(row)
    assert not story.usable().ok
    with pytest.raises(IllegalMove) as refused:
        accept(first, story.cast.sam)
    assert refused.value.code == "agreement_superseded"
    accept(second, story.cast.sam)
    assert story.usable().ok
    assert story.usable(story.cast.charlie).refusal.code == "agreements_accepted"
    assert queries.accepted_before(row, story.cast.charlie, than=2).number == 1
    told = Notice.objects.filter(event="agreement.due", recipient=story.cast.charlie)
    assert told.count() == 1  # version 1 came before they joined


def test_a_version_to_come_leaves_the_one_in_force_and_can_be_accepted_early(story):
    row = story.terms()
    accept(row.versions.get(), story.cast.sam)
    later = timezone.now() + 10 * DAY
    second = story.next(row, effective_from=later)
    assert story.usable().ok
    assert not story.usable(at=later + DAY).ok
    accept(second, story.cast.sam)
    assert story.usable(at=later + DAY).ok


def test_an_acceptance_runs_out_and_is_renewed(story):
    row = story.terms(valid_days=90)
    version, sam = row.versions.get(), story.cast.sam
    first = accept(version, sam)
    assert accept(version, sam) == first  # a second click changes nothing
    type(story.grant).objects.filter(pk=story.grant.pk).update(valid_to=None)
    assert story.usable(at=first.expires_at - DAY).ok
    assert story.usable(at=first.expires_at).refusal.code == "agreements_accepted"
    version = short_lived(story)
    soon = accept(version, sam)
    renewed = accept(version, sam)  # within 30 days of its end
    assert (renewed.renewal, renewed.expires_at) == (1, soon.expires_at + 20 * DAY)


def short_lived(story: Story, days: int = 20) -> AgreementVersion:
    return story.terms(valid_days=days).versions.get()


def test_the_hash_of_what_was_shown_must_be_that_of_the_text(story):
    version = story.terms().versions.get()
    with pytest.raises(IllegalMove) as refused:
        actions.accept(version, sha256="0" * 64, through="api", by=story.cast.sam)
    assert refused.value.code == "stale"
    assert not Acceptance.objects.exists()


def test_an_agreement_binds_who_uses_what_it_is_for_and_nobody_else(story):
    alice, ada = story.cast.alice, story.cast.ada
    other = cast.dataset(story.cast, "other")
    for words in ({"dataset": other}, {"area": story.cast.area}, {"dataset": story.dataset}):
        made = actions.create(title=str(words), body=TEXT, by=alice, **words)
        actions.publish(made, edition=1, by=alice)
    binding = {row.pk for row in queries.waiting_for(story.cast.sam, timezone.now())}
    assert {row.kind for row in Agreement.objects.filter(pk__in=binding)} == {"area", "dataset"}
    assert len(binding) == 2
    assert not queries.waiting_for(ada, timezone.now()).exists()
    assert not queries.waiting_for(story.cast.charlie, timezone.now()).exists()
    elsewhere = Agreement.objects.get(dataset=other)
    assert list(queries.concerned(elsewhere)) == []
    for row in Agreement.objects.filter(pk__in=binding):
        assert list(queries.concerned(row)) == [story.cast.sam]
        accept(row.versions.get(), story.cast.sam)
    assert story.usable().ok  # the other dataset's binds nobody here


@pytest.mark.parametrize(("kind", "may"), [("node", {"ada"}), ("area", {"alice"}), ("dataset", {"alice"})])
@pytest.mark.parametrize("who", ["alice", "rita", "sam", "ada", "theo", "charlie"])
def test_who_writes_publishes_and_retires(story, kind, may, who):
    scope = {"area": {"area": story.cast.area}, "dataset": {"dataset": story.dataset}}.get(kind, {})
    owner, user = getattr(story.cast, next(iter(may))), getattr(story.cast, who)
    row = actions.create(title="T", body=TEXT, by=owner, **scope)
    words = {"body": "Other.", "changes": "", "valid_days": None}
    assert queries.may_manage(row, user) is (who in may)
    assert queries.managed(user).filter(pk=row.pk).exists() is (who in may)
    if who in may:
        actions.draft(row, edition=1, by=user, **words)
        actions.publish(row, edition=2, by=user)
        actions.retire(row, reason="Over.", by=user)
        return
    for action in (
        lambda: actions.create(title="T", body=TEXT, by=user, **scope),
        lambda: actions.draft(row, edition=1, by=user, **words),
        lambda: actions.publish(row, edition=1, by=user),
        lambda: actions.retire(row, reason="Over.", by=user),
    ):
        with pytest.raises((NotAllowed, NotFound)):
            action()
    with pytest.raises(NotFound):
        queries.agreement(row.pk, user)  # a draft is its managers' own


@pytest.mark.parametrize("who", ["alice", "rita", "ada", "theo"])
def test_only_scientists_accept(story, who):
    with pytest.raises(NotAllowed):
        accept(story.terms().versions.get(), getattr(story.cast, who))


def test_a_token_accepts_only_with_the_scope_for_it(story):
    version = story.terms().versions.get()
    story.cast.sam.token_scopes = frozenset({"catalogue.read"})
    with pytest.raises(NotAllowed) as refused:
        accept(version, story.cast.sam)
    assert refused.value.code == "token_scope"
    assert not queries.waiting_for(story.cast.sam, timezone.now()).exists()


def test_what_a_draft_must_be_before_it_is_published(story):
    ada, row = story.cast.ada, story.terms()
    words = {"valid_days": None, "by": ada}
    actions.draft(row, body=TEXT, changes="", edition=0, **words)
    codes = []
    for edition in (2, 1):
        with pytest.raises(DomainError) as refused:
            actions.publish(row, edition=edition, by=ada)
        codes.append(refused.value.code)
    actions.draft(row, body="New.", changes="", edition=1, **words)
    with pytest.raises(InvalidInput) as refused:
        actions.publish(row, edition=2, by=ada)
    codes.append(refused.value.code)
    with pytest.raises(IllegalMove) as refused:
        actions.draft(row, body="Newer.", changes="", edition=1, **words)  # another tab was first
    assert [*codes, refused.value.code] == ["stale", "agreement_unchanged", "changes_missing", "stale"]
    with pytest.raises(InvalidInput):
        actions.draft(row, body="N", changes="", edition=2, valid_days=0, by=ada)
    with pytest.raises(InvalidInput):
        actions.create(title="T", body=TEXT, area=story.cast.area, dataset=story.dataset, by=story.cast.alice)
    assert queries.draft(row).edition == 2
    with pytest.raises(NotFound):
        queries.version(row, 9)


def test_a_retired_agreement_binds_nobody_and_stays_on_record(story):
    row = story.terms()
    accept(row.versions.get(), story.cast.sam)
    version = story.next(row)
    assert not story.usable().ok
    actions.retire(row, reason="Replaced.", by=story.cast.ada)
    assert story.usable().ok
    for action in (
        lambda: accept(AgreementVersion.objects.get(pk=version.pk), story.cast.sam),
        lambda: actions.retire(row, reason="Again.", by=story.cast.ada),
        lambda: actions.draft(row, body="N", changes="", valid_days=None, edition=0, by=story.cast.ada),
    ):
        with pytest.raises(IllegalMove) as refused:
            action()
        assert refused.value.code == "agreement_retired"
    assert queries.acceptances_of(story.cast.sam).count() == 1
    with pytest.raises(NotFound):
        queries.draft(row)


def test_reminders_come_once_each_and_nothing_depends_on_them(story):
    row = story.terms(valid_days=90)
    made = accept(row.versions.get(), story.cast.sam)
    now = timezone.now()
    assert [reminders.sweep(now), reminders.sweep(now + 59 * DAY)] == [0, 0]
    for days in (29, 20, 6, 5, 1 / 2):
        at = made.expires_at - days * DAY
        told = [reminders.sweep(at), reminders.sweep(at)]
        assert told == [days in (29, 6, 1 / 2), 0]
    assert sorted(Reminder.objects.values_list("days", flat=True)) == [0, 1, 7, 30]
    assert Notice.objects.filter(event="agreement.due", text__contains="runs out").count() == 3
    projects.add_member(story.project, story.cast.charlie, by=story.cast.rita)
    assert [reminders.sweep(now), reminders.sweep(now)] == [1, 0]  # who joined later is told what waits
    assert Notice.objects.filter(recipient=story.cast.charlie, event="agreement.due").count() == 1
    projects.end_member(story.project, story.cast.charlie, by=story.cast.sam)
    assert reminders.sweep(made.expires_at + DAY) == 0


def test_who_accepted_is_for_its_managers_and_auditors(story):
    row = story.terms()
    projects.add_member(story.project, story.cast.charlie, by=story.cast.rita)
    accept(row.versions.get(), story.cast.sam)

    def seen(now=None):
        found = standing.people(row, story.cast.theo)
        lines = standing.standings(fresh(row), found, now or timezone.now())
        return {line.person.name: (line.code, line.is_concerned) for line in lines}

    assert seen() == {"Sam": ("accepted", True), "Charlie": ("missing", True)}
    story.next(row)
    projects.end_member(story.project, story.cast.charlie, by=story.cast.sam)
    assert seen() == {"Sam": ("outdated", True)}
    assert standing.people(row, story.cast.ada).count() == 1
    for who in ("alice", "rita", "sam"):
        with pytest.raises(NotAllowed):
            standing.people(row, getattr(story.cast, who))
        assert not standing.may_look(row, getattr(story.cast, who))
    short = short_lived(story)
    accept(short, story.cast.sam)
    found = standing.people(short.agreement, story.cast.ada)
    (line,) = standing.standings(short.agreement, found, timezone.now() + 30 * DAY)
    assert (line.code, line.label) == ("expired", "run out")


def test_the_checklist_costs_as_many_queries_whatever_is_due(story, django_assert_num_queries):
    for _ in range(5):
        story.terms()
    with django_assert_num_queries(4):
        assert not grants_usable([story.grant], story.cast.sam, timezone.now())[story.grant.pk].ok
    with django_assert_num_queries(1):
        assert len(queries.waiting_for(story.cast.sam, timezone.now())) == 5


RAW = {
    "a text": "UPDATE agreements_agreementversion SET text = 'other'",
    "a version deleted": "DELETE FROM agreements_agreementversion",
    "an acceptance": "UPDATE agreements_acceptance SET expires_at = NULL, sha256 = 'x'",
    "an acceptance deleted": "DELETE FROM agreements_acceptance",
    "a reminder deleted": "DELETE FROM agreements_reminder",
    "what it is for": "UPDATE agreements_agreement SET kind = 'area'",
    "other bytes": "INSERT INTO agreements_acceptance (id, created_at, person_id, version_id, renewal, sha256, through)"
    " SELECT 'x', created_at, published_by_id, id, 0, 'other', 'api' FROM agreements_agreementversion",
    "twice": "INSERT INTO agreements_acceptance (id, created_at, person_id, version_id, renewal, sha256, through)"
    " SELECT 'x', created_at, person_id, version_id, 0, sha256, 'api' FROM agreements_acceptance",
    "a renewal of nothing": "INSERT INTO agreements_acceptance"
    " (id, created_at, person_id, version_id, renewal, sha256, through)"
    " SELECT 'x', created_at, published_by_id, id, 3, sha256, 'api' FROM agreements_agreementversion",
    "a gap": "INSERT INTO agreements_agreementversion (id, created_at, agreement_id, number, text, sha256, changes,"
    " effective_from, published_by_id) SELECT 'x', created_at, agreement_id, 3, text, sha256, 'c',"
    " effective_from, published_by_id FROM agreements_agreementversion",
}


@pytest.mark.parametrize("what", RAW)
def test_the_database_keeps_texts_and_acceptances(story, what):
    accept(story.terms().versions.get(), story.cast.sam)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(RAW[what])
