"""A node without rows, set up once for a module: people, a published dataset, a grant; each test rolls back.

It costs a fraction of `tests.world`, for no child process makes files. What runs here is planted: `Planted` stands in
for the child that computes, and answers with bytes that mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from domains import triggers
from domains.catalog import actions as catalog
from domains.jobs import actions as jobs
from domains.jobs import tasks
from domains.ledger import protocol
from domains.ledger import queries as books
from domains.notices.models import Notice
from domains.people.models import Membership, User
from domains.people.permissions import Role
from domains.projects.models import AccessGrant
from domains.requests import actions as requests
from domains.requests import decisions, execution, upkeep
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest
from tests import cast as people
from tests import world
from tests.portal.web import kit

PEOPLE = ("alice", "rita", "sam", "ada", "theo", "charlie", "bea", "max")
PAYLOAD = b'{"an answer": "of a planted child"}'


@dataclass(frozen=True)
class Stage:
    """Keys of what was made, and the home to copy."""

    home: Path
    grant: str

    def user(self, name: str) -> User:
        """Return somebody, fresh from the database."""
        return User.objects.get(email=f"{name}@hospital.example")

    def access(self) -> AccessGrant:
        """Return Sam's grant, fresh from the database."""
        return AccessGrant.objects.select_related("project__area", "dataset__population").get(pk=self.grant)


def _made(home: Path) -> Stage:
    """Alice and Bea own the dataset, Rita reviews its area and the dataset; Sam leads the project and Max is on it."""
    for folder in world.FOLDERS:
        Path(getattr(settings, folder)).mkdir(parents=True, mode=0o700)
    story = kit.story()
    bea, member = people.person("Bea", Role.OWNER), people.person("Max", Role.SCIENTIST)
    rita, alice = story.cast.rita, story.cast.alice
    catalog.assign(story.dataset, bea, role=Role.DATASET_OWNER, by=alice)
    catalog.assign(story.dataset, rita, role=Role.DATASET_REVIEWER, by=alice)
    from domains.projects import actions as projects

    projects.add_member(story.project, member, by=rita)
    return Stage(home, story.grant.pk)


@pytest.fixture(scope="module")
def staged(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """The stage as every test of the module finds it."""
    home = tmp_path_factory.mktemp("stage")
    with django_db_blocker.unblock():
        try:
            with world.at(home):
                found = _made(home)
            yield found
        finally:
            _emptied()


def _emptied() -> None:
    connection = connections["default"]
    triggers.lift(connection)
    try:
        call_command("flush", verbosity=0, interactive=False)
    finally:
        triggers.install(connection)


@pytest.fixture
def stage(staged: Stage, db: None, home: Path, settings: Any) -> Stage:
    """The stage for one test, on its own copy of the files; what it changes is rolled back."""
    world.copied(staged, home, settings)  # type: ignore[arg-type]  # it reads the home alone
    return staged


class Planted:
    """A child that answers at once; `meanwhile` happens while it computes, `prepared` while it prepares."""

    def __init__(
        self, meanwhile: Callable[[], object] | None = None, preparing: Callable[[], object] | None = None
    ) -> None:
        self.meanwhile, self.preparing = meanwhile, preparing

    def __call__(self, *args: object, **kwargs: object) -> Planted:
        return self

    def __enter__(self) -> Planted:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def prepared(self, timeout: float) -> dict[str, object]:
        if self.preparing:
            self.preparing()
        return {}

    def go(self, payload: object, *, timeout: float) -> bytes:
        if self.meanwhile:
            self.meanwhile()
        return PAYLOAD


def ask(
    stage: Stage, status: Status = Status.IN_REVIEW, *, epsilon: str = "0.1", undo_seconds: int = 0
) -> AnalysisRequest:
    """Return a request of Sam's in a state that a first vote of Alice's, or none, leads to."""
    sam, grant = stage.user("sam"), stage.access()
    analysis = requests.draft(grant, title="Patients by sex", sql=kit.QUESTION, epsilon=epsilon, by=sam)
    if status == Status.DRAFT:
        return analysis
    assert not requests.check(analysis, by=sam)
    if status == Status.READY:
        return analysis
    requests.submit(analysis, revision=1, by=sam)
    votes = {Status.APPROVED: "approve", Status.DENIED: "deny", Status.CHANGES_REQUESTED: "request_changes"}
    if status in votes:
        vote = {"vote": votes[status], "reason": "Because.", "undo_seconds": undo_seconds}
        decisions.review(analysis, revision=1, by=stage.user("alice"), **vote)
    return analysis


def run(
    analysis: AnalysisRequest, monkeypatch: pytest.MonkeyPatch, child: Planted | None = None
) -> AnalysisRequest:
    """Let a worker take the request's job up, with a planted child and without waiting for its deadline."""
    monkeypatch.setattr(execution, "Child", child or Planted())
    monkeypatch.setattr(execution, "_sleep_until", lambda moment: None)
    monkeypatch.setattr(execution.storage, "tickets", lambda version: {})
    claim = jobs.claim(analysis.job_id)
    assert claim is not None
    tasks.work(claim)
    return reload(analysis)


def die(analysis: AnalysisRequest) -> AnalysisRequest:
    """Let the lease of a job's worker end, and the sweeps find it."""
    job = reload(analysis).job
    later = job.lease_until + timedelta(seconds=1)
    for _ in range(2):  # idempotent
        jobs.expire(later)
        protocol.sweep(later)
        upkeep.sweep(later)
    return reload(analysis)


def reload(analysis: AnalysisRequest) -> AnalysisRequest:
    """Read a request anew."""
    related = ("grant__dataset", "grant__project", "author", "job", "revision")
    return AnalysisRequest.objects.select_related(*related).get(pk=analysis.pk)


def held(stage: Stage) -> tuple[int, int]:
    """Return what is reserved and spent of the grant, in ρ."""
    balance = next(b for b in books.balances(stage.access(), stage.user("sam")) if b.scope == "grant")
    return balance.reserved.rho, balance.spent.rho


def told(event: str) -> set[str]:
    """Return the first names, in small letters, of those whom an event was told."""
    emails = Notice.objects.filter(event=event).values_list("recipient__email", flat=True)
    return {email.partition("@")[0] for email in emails}


def forget() -> None:
    """Forget every notice so far, so that `told` speaks of what follows."""
    Notice.objects.all().delete()


def roles_of(user: User) -> set[str]:
    """Return a person's roles on the node, as the database has them."""
    return set(Membership.objects.filter(user=user, ended_at=None).values_list("role", flat=True))
