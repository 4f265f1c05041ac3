"""What waits for a person, gathered from every room: the first thing on the home page and a number in the menu."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from django.urls import reverse

from domains.catalog import queries as catalog
from domains.people.models import User
from domains.projects import queries as projects
from domains.requests import queries as requests
from domains.requests.lifecycle import Status
from domains.synthetic import queries as synthetic

MOST_OF_A_KIND = 25


@dataclass(frozen=True)
class Turn:
    """One thing to do: what, about what, where, and since when."""

    what: str
    title: str
    about: str
    url: str
    since: datetime | None


def _of_requests(user: User) -> Iterator[Turn]:
    for row in requests.queue(user)[:MOST_OF_A_KIND]:
        about = f"{row.author.name}, {row.grant.dataset.title}"
        yield Turn(
            "Decide on a request", row.title, about, reverse("decision", args=[row.pk]), row.submitted_at
        )
    for row in requests.held_releases(user)[:MOST_OF_A_KIND]:
        about = row.grant.dataset.title
        yield Turn(
            "Release or keep back an answer",
            row.title,
            about,
            reverse("result", args=[row.pk]),
            row.decided_at,
        )
    words = {
        Status.CHANGES_REQUESTED: "Answer a reviewer’s note",
        Status.READY: "Submit or drop a checked request",
        Status.DRAFT: "Finish a draft",
    }
    for row in requests.your_turn(user)[:MOST_OF_A_KIND]:
        about = row.grant.dataset.title
        yield Turn(
            words[Status(row.status)], row.title, about, reverse("request", args=[row.pk]), row.created_at
        )


def _of_projects(user: User) -> Iterator[Turn]:
    for row in projects.to_review(user)[:MOST_OF_A_KIND]:
        about = f"{row.created_by.name}, {row.area.name}"
        yield Turn("Review a project", row.title, about, reverse("project", args=[row.pk]), row.created_at)
    for row in projects.your_turn(user)[:MOST_OF_A_KIND]:
        url = reverse("project", args=[row.pk])
        yield Turn("Finish and hand in a project", row.title, row.area.name, url, row.created_at)
    for grant in projects.grants_to_allocate(user)[:MOST_OF_A_KIND]:
        about = grant.dataset.title
        url = reverse("grant_allocate", args=[grant.pk])
        yield Turn("Allocate a budget", grant.project.title, about, url, grant.created_at)


def _of_catalogue(user: User) -> Iterator[Turn]:
    for version in catalog.mocks_waiting(user)[:MOST_OF_A_KIND]:
        url = reverse("dataset_rules", args=[version.dataset.slug])
        title = version.dataset.title
        yield Turn("Look at an uploaded mock", title, f"version {version.number}", url, version.published_at)
    for policy in catalog.policies_waiting(user)[:MOST_OF_A_KIND]:
        url = reverse("dataset_rules", args=[policy.dataset.slug])
        about = f"proposed by {policy.proposed_by.name}"
        yield Turn("Activate a policy", policy.dataset.title, about, url, policy.created_at)


def _of_synthetic(user: User) -> Iterator[Turn]:
    for mock in synthetic.waiting(user)[:MOST_OF_A_KIND]:
        url = reverse("synthetic_mock", args=[mock.dataset.slug, mock.pk])
        about = f"ε = {mock.epsilon}, proposed by {mock.proposed_by.name}"
        yield Turn("Confirm synthetic rows", mock.dataset.title, about, url, mock.created_at)


def turns(user: User) -> list[Turn]:
    """Return all that waits for `user`, decisions about others' work first; a constant number of queries."""
    return list(chain(_of_requests(user), _of_projects(user), _of_catalogue(user), _of_synthetic(user)))


def count(user: User) -> int:
    """Return how much waits for `user`, without fetching it."""
    waiting = (
        requests.queue(user),
        requests.held_releases(user),
        requests.your_turn(user),
        projects.to_review(user),
        projects.your_turn(user),
        projects.grants_to_allocate(user),
        catalog.mocks_waiting(user),
        catalog.policies_waiting(user),
        synthetic.waiting(user),
    )
    return sum(rows.order_by().count() for rows in waiting)
