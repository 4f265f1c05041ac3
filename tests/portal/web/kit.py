"""What page tests share: the story without bytes, browsers, and a reader that holds a page to the basics of access."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from html.parser import HTMLParser

from django.db import transaction
from django.test import Client

from domains.catalog.models import Dataset
from domains.ledger import accounts
from domains.ledger import actions as ledger
from domains.people.models import User
from domains.projects.models import AccessGrant, Project
from domains.requests import actions as requests
from domains.requests.models import AnalysisRequest
from tests import cast as world
from tests.portal.people_kit import sign_in

QUESTION = "SELECT sex, COUNT(*) AS n, AVG(age) AS mean_age FROM support2 GROUP BY sex"


@dataclass
class Story:
    """A published dataset with a budget, an approved project, and a grant that Sam can use."""

    cast: world.Cast
    dataset: Dataset
    project: Project
    grant: AccessGrant


def story() -> Story:
    """Tell it as far as asking: everything but rows, which these pages never see."""
    given = world.cast()
    dataset = world.dataset(given)
    budget(dataset, by=given.alice)
    project = world.approved(given, dataset)
    return Story(given, dataset, project, allocated(project, by=given.ada))


def budget(dataset: Dataset, *, by: User) -> None:
    """Open the accounts that publishing opens."""
    with transaction.atomic():
        accounts.open_population(dataset.population, epsilon=Decimal(3), by=by)
        accounts.open_dataset(dataset, epsilon=Decimal(3), by=by)


def allocated(project: Project, *, by: User) -> AccessGrant:
    """Give a project's only grant a budget."""
    grant = project.grants.get()
    ledger.allocate(grant, epsilon=Decimal(1), by=by)
    return AccessGrant.objects.select_related("project__area", "dataset__population").get(pk=grant.pk)


def ask(
    given: Story, title: str = "Patients by sex", *, epsilon: str = "0.1", submit: bool = True
) -> AnalysisRequest:
    """Return a request of Sam's, checked and by default submitted."""
    analysis = requests.draft(given.grant, title=title, sql=QUESTION, epsilon=epsilon, by=given.cast.sam)
    assert not requests.check(analysis, by=given.cast.sam)
    if submit:
        requests.submit(analysis, revision=1, by=given.cast.sam)
    return analysis


def browser(user: User) -> Client:
    """Return a browser in which `user` has just signed in."""
    client = Client()
    assert sign_in(client, user.email, "a long passphrase").status_code == 302
    return client


class Reading(HTMLParser):
    """What a page's markup says, read once."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.references: list[str] = []
        self.inline: list[str] = []
        self.unnamed: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        for name in ("for", "aria-labelledby", "aria-describedby", "aria-controls"):
            self.references += str(found.get(name) or "").split()
        self.inline += [name for name in found if name == "style" or name.startswith("on")]
        if tag == "img" and "alt" not in found:
            self.unnamed.append("img without alt")


def faults(html: str) -> list[str]:
    """Return what is wrong with a page's structure; an empty list when it is sound."""
    page = Reading(html)
    found = []
    if page.headings.count(1) != 1:
        found.append(f"{page.headings.count(1)} main headings")
    if any(after - before > 1 for before, after in zip(page.headings, page.headings[1:], strict=False)):
        found.append(f"a heading level is skipped: {page.headings}")
    found += [f"id {name} twice" for name in set(page.ids) if page.ids.count(name) > 1]
    found += [f"nothing has the id {name}" for name in set(page.references) - set(page.ids)]
    found += [f"inline {name}" for name in page.inline]
    found += page.unnamed
    if page.tags.count("main") != 1:
        found.append("not one main landmark")
    return found
