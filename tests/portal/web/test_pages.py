"""Each page, for each of the people who may see it: it renders, it is sound, and strangers learn nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from domains.requests import actions as requests
from tests import cast as world
from tests.portal.web import kit
from tests.portal.web.kit import Story

pytestmark = pytest.mark.django_db


def pages_of(given: Story) -> dict[str, list[str]]:
    """Return who looks at which pages, once there is a request in every kind of state."""
    waiting = kit.ask(given)
    ready = kit.ask(given, "Ready one", submit=False)
    draft = requests.draft(given.grant, title="Draft", sql="SELECT *", epsilon="x", by=given.cast.sam)
    requests.check(draft, by=given.cast.sam)
    later = world.approved(given.cast, given.dataset)
    own = world.proposal(given.cast, given.dataset, title="Own draft")
    follow = world.draft_dataset(given.cast, "follow-up")
    here = reverse("dataset", args=["support2"])
    everyone = [reverse("home"), reverse("catalogue"), here, reverse("projects"), reverse("budgets")]
    project, request = reverse("project", args=[given.project.pk]), reverse("request", args=[waiting.pk])
    owning = [
        reverse(name, args=[follow.slug])
        for name in ("dataset", "dataset_edit", "dataset_schema", "dataset_publish", "dataset_rules")
    ]
    caring = [
        reverse(name, args=["support2"]) for name in ("dataset_edit", "dataset_freeze", "dataset_withdraw")
    ]
    deciding = [reverse("queue"), reverse("decision", args=[waiting.pk]), request]
    auditing = [
        reverse("audit"),
        reverse("audit_event", args=[3]),
        reverse("requests"),
        reverse("budget_entries"),
    ]
    asking = [
        reverse("requests"),
        request,
        reverse("request", args=[ready.pk]),
        reverse("request", args=[draft.pk]),
        reverse("request_edit", args=[draft.pk]),
        reverse("request_new", args=[given.grant.pk]),
        reverse("request_withdraw", args=[waiting.pk]),
        reverse("project_new"),
        reverse("project_edit", args=[own.pk]),
        reverse("project_withdraw", args=[own.pk]),
        reverse("project_close", args=[given.project.pk]),
        reverse("project", args=[own.pk]),
        project,
    ]
    return {
        "sam": everyone + asking,
        "alice": [*everyone, *deciding, *owning, *caring, project, reverse("dataset_new")],
        "rita": [*everyone, project, reverse("project_suspend", args=[given.project.pk])],
        "ada": [*everyone, project, reverse("grant_allocate", args=[later.grants.get().pk])],
        "theo": [*everyone, *deciding[1:], project, *auditing],
        "charlie": everyone,
    }


@pytest.mark.parametrize("name", ["sam", "alice", "rita", "ada", "theo", "charlie"])
def test_every_page_renders_soundly_for_its_people(name: str, given: Story) -> None:
    client = kit.browser(getattr(given.cast, name))
    for path in pages_of(given)[name]:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert kit.faults(answer.content.decode()) == [], path
        assert "style-src 'self'" in answer["Content-Security-Policy"]


@pytest.mark.parametrize(
    "fault",
    [
        "<h1>a</h1><h3>skips</h3>",
        "<h1>a</h1><p id=x></p><p id=x></p>",
        "<h1>a</h1><label for=nobody>",
        "<h1>a</h1><p style='color:red'>",
        "<h1>a</h1><img src=x>",
        "<h1>a</h1><h1>b</h1>",
    ],
)
def test_the_reader_of_pages_sees_a_planted_fault(fault: str) -> None:
    assert kit.faults("<main><h1>a</h1></main>") == []
    assert kit.faults(f"<main>{fault}</main>") != []


def test_strangers_get_404_for_others_work_and_403_for_places_of_other_roles(given: Story) -> None:
    analysis = kit.ask(given)
    charlie, sam = kit.browser(given.cast.charlie), kit.browser(given.cast.sam)
    for name in ("request", "request_edit", "decision", "result", "receipt", "request_status"):
        assert charlie.get(reverse(name, args=[analysis.pk])).status_code == 404, name
    assert charlie.get(reverse("project", args=[given.project.pk])).status_code == 404
    assert charlie.get(reverse("request_new", args=[given.grant.pk])).status_code == 404
    assert charlie.post(reverse("request_submit", args=[analysis.pk])).status_code == 404
    assert sam.get(reverse("decision", args=[analysis.pk])).status_code == 403
    for name in ("audit", "audit_export", "audit_checkpoint"):
        assert sam.get(reverse(name)).status_code == 403
    assert sam.get(reverse("dataset_edit", args=["support2"])).status_code == 403


def test_nobody_sees_a_page_without_signing_in(given: Story, client: Client) -> None:
    kit.ask(given)
    for name in ("home", "catalogue", "projects", "requests", "queue", "budgets", "audit"):
        assert client.get(reverse(name)).status_code == 302, name


def test_the_menu_follows_the_permission_table(given: Story) -> None:
    def menu(name: str) -> str:
        html = kit.browser(getattr(given.cast, name)).get(reverse("budgets")).content.decode()
        return html[html.index("<nav") : html.index("</nav>")]

    assert "Audit" in menu("theo")
    assert "Audit" not in menu("sam")
    assert "Review queue" in menu("alice")
    assert "Review queue" not in menu("sam")
    assert "People" in menu("ada")
    assert "People" not in menu("alice")


def count(client: Client, path: str) -> int:
    """Return how many queries a page costs once everything that is cached is."""
    client.get(path)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == 200
    return len(queries)


LISTS: dict[str, Callable[[Story, int], object]] = {
    "requests:sam": lambda given, n: kit.ask(given, f"Question {n}", epsilon=f"0.0{n + 1}"),
    "queue:alice": lambda given, n: kit.ask(given, f"Question {n}", epsilon=f"0.0{n + 1}"),
    "home:sam": lambda given, n: kit.ask(given, f"Question {n}", epsilon=f"0.0{n + 1}", submit=False),
    "home:alice": lambda given, n: kit.ask(given, f"Question {n}", epsilon=f"0.0{n + 1}"),
    "projects:sam": lambda given, n: world.approved(given.cast, given.dataset),
    "home:ada": lambda given, n: world.approved(given.cast, given.dataset),
    "catalogue:sam": lambda given, n: world.dataset(given.cast, f"other-{n}"),
    "budgets:sam": lambda given, n: kit.allocated(
        world.approved(given.cast, given.dataset), by=given.cast.ada
    ),
    "budget_entries:theo": lambda given, n: kit.ask(given, f"Question {n}", epsilon=f"0.0{n + 1}"),
    "audit:theo": lambda given, n: kit.ask(given, f"Question {n}", epsilon=f"0.0{n + 1}"),
}


@pytest.mark.parametrize("place", LISTS)
def test_a_list_costs_the_same_queries_however_long_it_is(place: str, given: Story) -> None:
    name, who = place.split(":")
    client = kit.browser(getattr(given.cast, who))
    LISTS[place](given, 1)
    before = count(client, reverse(name))
    for n in range(2, 6):
        LISTS[place](given, n)
    assert count(client, reverse(name)) == before


def test_lists_search_filter_and_turn_pages(given: Story) -> None:
    for n in range(27):
        requests.draft(given.grant, title=f"Draft {n}", sql="", epsilon="", by=given.cast.sam)
    kit.ask(given, "The odd one")
    sam = kit.browser(given.cast.sam)
    first, second = (sam.get(f"{reverse('requests')}?page={n}").content.decode() for n in (1, 2))
    assert "1–25 of 28" in first
    assert "26–28 of 28" in second
    found = sam.get(f"{reverse('requests')}?search=odd&status=in_review").content.decode()
    assert "The odd one" in found
    assert "Draft 3" not in found
    assert "Nothing matches" in sam.get(f"{reverse('requests')}?search=nowhere").content.decode()
    assert (
        "support2" in sam.get(f"{reverse('catalogue')}?search=charges&area=intensive-care").content.decode()
    )
    assert "Nothing matches" in sam.get(f"{reverse('catalogue')}?search=nowhere").content.decode()


def test_empty_pages_teach(db: None) -> None:
    given = world.cast()
    sam, alice = kit.browser(given.sam), kit.browser(given.alice)
    assert "Propose a project" in sam.get(reverse("projects")).content.decode()
    assert "takes four steps" in sam.get(reverse("home")).content.decode()
    assert "No datasets yet" in sam.get(reverse("catalogue")).content.decode()
    assert "Add a dataset" in alice.get(reverse("home")).content.decode()
    assert "Nothing waits for you" in alice.get(reverse("queue")).content.decode()
