"""Every address × method × person, against the committed table `matrix.csv`; an address missing from it fails.

The table is what a person reviews: `WRITE_MATRIX=1` writes it anew from what the node answers now. Whatever the
table says, the rules below it hold: nobody unknown gets in, a stranger learns nothing of what is not theirs, a
person who may only read changes nothing, and nothing answers with a failure of the server.

`make test` asks for the four people whom the rules are about, and lets no page be drawn; `make prove` asks for all
seven, drawn to the last letter.
"""

from __future__ import annotations

import csv
import functools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction
from django.template.backends.django import Template
from django.test import Client
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator

from domains.agreements import actions as agreements
from domains.agreements.models import Agreement
from domains.catalog import rules as catalog
from domains.catalog.models import Dataset, DryRun
from domains.delivery import actions as delivery
from domains.delivery import queries as deliveries
from domains.delivery.models import Webhook
from domains.emergency import actions as emergency
from domains.emergency import queries as emergencies
from domains.emergency.models import EmergencyAccess
from domains.ledger import limits, topups
from domains.ledger import queries as books
from domains.notices import tasks
from domains.notices.models import Notice
from domains.people import organisations
from domains.people.models import ApiToken, Organisation, User
from domains.requests import dry_runs
from domains.synthetic import actions as synthetic
from domains.synthetic.models import SyntheticMock
from tests import make
from tests.portal.routes import Route, routes
from tests.world import World, built, node

__all__ = ["built", "node"]

TABLE = Path(__file__).with_name("matrix.csv")
PEOPLE = ("nobody", "charlie", "sam", "alice", "rita", "ada", "theo")
QUICK = ("nobody", "charlie", "sam", "theo")  # unknown, a stranger, a member, a reader
METHODS = ("GET", "POST", "PATCH", "DELETE")
# Who has never signed in may see these and nothing else.
OPEN = {
    "livez",
    "readyz",
    "metrics",
    "account/login/",
    "account/logout/",
    "account/inactive/",
    "invitations/<str:secret>/",
    "register/",
    "register/feed.json",
    "register/projects/<str:key>/",
}
OPEN_API = {
    "api/v1/audit/checkpoint/",
    "api/v1/audit/proofs/inclusion/",
    "api/v1/audit/proofs/consistency/",
    "api/v1/audit/key/",
    "api/v1/audit/verifier/",
    "api/v1/register/",
    "api/v1/register/<str:pk>/",
    "api/v1/schema/",
    "api/v1/docs/",
}
# What Charlie, who is on no project, may reach of an object by its address: what every member of the node may.
SHARED = (
    "agreements/",
    "datasets/",
    "areas/",
    "populations/",
    "catalogue",
    "audit/",
    "account",
    "people/<str:pk>/",
)
# Where even somebody who only reads changes something: their own account, their own notices, their own sign-in.
# An auditor's asking for a check of the log changes nothing that is checked.
OWN = (
    "account",
    "notices",
    "webhooks/",
    "api/v1/tokens",
    "api/v1/notice",
    "api/v1/webhooks/",
    "invitations",
    "audit/verify",
    "api/v1/audit/checks",
)

# One body that fits most forms, so that what decides is the right and not a missing field.
EVERYTHING = {
    "vote": "approve",
    "reason": "Because.",
    "report": "Done.",
    "text": "A line.",
    "days": 7,
    "revision": 1,
    "version": 1,
    "epsilon": "0.1",
    "sql": make.QUESTION,
    "title": "A title",
    "name": "A name",
    "user": "charlie@hospital.example",
    "member": "charlie@hospital.example",
    "person": "charlie@hospital.example",
    "people": "charlie@hospital.example",
    "role": "dataset_reviewer",
    "sha256": "0" * 64,
    "attested": True,
}

Row = dict[str, str]


@contextmanager
def undone() -> Iterator[None]:
    """Roll back what one call did; the actions inside still believe to be outermost, as under TestCase."""
    block = transaction.atomic()
    block._from_testcase = True  # type: ignore[attr-defined]  # what TestCase itself sets
    with block:
        yield
        transaction.set_rollback(True)


def values(world: World) -> dict[str, str]:
    """Return what fills each parameter: Sam's objects, of which each is as far as it can come."""
    grant = world.access()
    analysis = make.request(make.Status.IN_REVIEW, on=grant)
    version = grant.dataset.versions.get()
    sam = world.user("sam")
    test = make.connection_test()
    return {
        "connections/name": test.connection.name,
        "connections/key": test.pk,
        "requests/key": analysis.pk,
        "requests/pk": analysis.pk,
        "requests/id": analysis.pk,
        "queue/pk": analysis.pk,
        "projects/key": grant.project_id,
        "register/key": grant.project_id,
        "register/pk": grant.project_id,
        "projects/pk": grant.project_id,
        "projects/name": "project",
        "section": "aims",
        "person": sam.pk,
        "member": sam.pk,
        "user": sam.pk,
        "grants/key": grant.pk,
        "grants/pk": grant.pk,
        "budgets/key": grant.pk,
        "grant": grant.pk,
        "slug": grant.dataset.slug,
        "datasets/key": version.uploads.first().pk,
        "uploads/key": version.uploads.first().pk,
        "uploads/pk": version.uploads.first().pk,
        "datasets/name": "groups",
        "what": "retire",
        "mock": _proposed(grant.dataset).pk,
        "dry": _dry_run(grant.dataset).pk,
        "topup": topups.ask(grant, epsilon=Decimal(2), reason="More questions.", by=sam).pk,
        "account": books.balances(grant, sam)[2].account or "",
        "cap": limits.propose_raise(
            str(books.balances(grant, sam)[1].account),
            epsilon=Decimal(4),
            reason="More.",
            by=world.user("alice"),
        ),
        "seq": "1",
        "kind": "csv",
        "audit/kind": "csv",
        "datasets/pk": grant.dataset.slug,
        "organisations/slug": _organisation(world).slug,
        "areas/pk": grant.dataset.area_id,
        "areas/slug": grant.dataset.area.slug,
        "areas/key": grant.dataset.area_id,
        "populations/pk": grant.dataset.population_id,
        "number": "1",
        "index": "1",
        "people/pk": sam.pk,
        "sessions/pk": "1",
        "account/pk": ApiToken.objects.filter(user=sam).first().pk,
        "tokens/pk": ApiToken.objects.filter(user=sam).first().pk,
        "notices/pk": Notice.objects.filter(recipient=sam).first().pk,
        "webhooks/pk": _webhook(sam).pk,
        "deliveries/pk": deliveries.deliveries_of(_webhook(sam)).get().pk,
        "agreements/key": (agreement := _agreement(grant.dataset).pk),
        "agreements/pk": agreement,
        "emergencies/key": (access := _emergency().pk),
        "emergencies/pk": access,
        "secret": "no-such-secret",
        "rest": "nowhere",
        "format": "json",
        "form": "croissant",
        "pk": sam.pk,
        "key": analysis.pk,
    }


def _proposed(dataset: Dataset) -> SyntheticMock:
    """Return a synthetic mock that Alice proposed, so that Rita may decide and others may not know of it."""
    row = Dataset.objects.get(pk=dataset.pk)
    return synthetic.propose(row, sql='{"marginals": [["sex"]]}', epsilon="0.1", by=make.person("alice"))


def _dry_run(dataset: Dataset) -> DryRun:
    """Return a dry run of Rita's, of a policy that Alice proposed."""
    row = Dataset.objects.get(pk=dataset.pk)
    document = {"format": 1, "rules": [{"then": "refer", "title": "People decide", "when": []}]}
    policy = catalog.propose_policy(row, document=document, by=make.person("alice"))
    made = dry_runs.try_policy(policy, by=make.person("rita"))
    assert isinstance(made, DryRun)
    return made


def _agreement(dataset: Dataset) -> Agreement:
    """Return an agreement of Alice's with a draft; its version is not in force yet, so it stops nobody."""
    row = Dataset.objects.get(pk=dataset.pk)
    found = Agreement.objects.filter(dataset=row).first()
    if found is None:
        alice = make.person("alice")
        found = agreements.create(title="Rules", body="Be kind.", dataset=row, by=alice)
        later = timezone.now() + timedelta(days=365)
        agreements.publish(found, edition=1, effective_from=later, by=alice)
        agreements.draft(found, body="Be kinder.", changes="Kinder.", valid_days=None, edition=0, by=alice)
    return found


def _emergency() -> EmergencyAccess:
    """Return an open emergency access of Ada's."""
    ada = make.person("ada")
    return emergencies.own_open(ada) or emergency.open_access(reason="A test.", hours=1, by=ada)


def _organisation(world: World) -> Organisation:
    """Return an organisation that Ada added."""
    found = Organisation.objects.filter(slug="institute").first()
    return found or organisations.create_organisation("Institute", by=world.user("ada"))


def _webhook(user: User) -> Webhook:
    """Return a webhook of somebody's, with a delivery in its log."""
    found = Webhook.objects.filter(owner=user).first()
    if found is None:
        found, _ = delivery.add("https://hooks.example.org/", by=user)
        delivery.send_test(found, by=user)
    return found


def sessions(world: World) -> dict[str, str]:
    """Return the cookies of a fresh sign-in for each person."""
    found = {"nobody": ""}
    for name in PEOPLE[1:]:
        client = Client()
        form = {"login": world.user(name).email, "password": make.PASSWORD}
        assert client.post("/account/login/", form).status_code == 302
        found[name] = client.cookies.output(header="", sep=";")
    return found


def ask(route: Route, method: str, name: str, address: str, world: World, cookies: str) -> str:
    """Return the status of one call, rolled back; API calls come with a token, pages with a session's cookies."""
    headers = {"authorization": f"Bearer {world.tokens[name]}"} if route.is_api and name != "nobody" else {}
    cache.clear()  # no call is refused for the number of those before it
    client = Client()
    if not route.is_api:
        client.cookies.load(cookies)
    with undone():
        if method == "GET":
            response = client.get(
                address, EVERYTHING if route.pattern.endswith("effect/") else {}, headers=headers
            )
        elif route.is_api:
            response = client.generic(
                method, address, json.dumps(EVERYTHING), "application/json", headers=headers
            )
        else:
            response = client.post(address, EVERYTHING, headers=headers)
        if response.streaming:
            b"".join(response.streaming_content)  # to its end, which closes what it reads from
        return str(response.status_code)


@pytest.fixture
def made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work out once what a quarter of the time went to and decides no status.

    Every page's menu counts what waits for its reader, the same in all calls as each is rolled back; and the API's
    document is one for everybody.
    """
    monkeypatch.setattr(tasks, "counts", functools.cache(tasks.counts))
    generate, documents = SchemaGenerator.get_schema, {}

    def document(self: Any, request: Any = None, public: bool = False) -> Any:
        if public not in documents:
            documents[public] = generate(self, request, public)
        return documents[public]

    monkeypatch.setattr(SchemaGenerator, "get_schema", document)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decide about each page and draw none: a quarter of the time, and the same statuses."""
    monkeypatch.setattr(Template, "render", lambda *a, **k: "")


def answers(node: World, people: tuple[str, ...]) -> list[Row]:
    """Return what every address answers each of these people."""
    filled, found = values(node), sessions(node)
    rows = []
    for route in routes():
        address = route.address(filled)
        for method in METHODS if route.is_api else METHODS[:2]:
            first = ask(route, method, "sam", address, node, found["sam"])
            if first == "405":  # the view does not take this method, whoever asks
                continue
            row = {"route": route.pattern, "method": method, "sam": first}
            others = [name for name in people if name != "sam"]
            rows.append(row | {name: ask(route, method, name, address, node, found[name]) for name in others})
    return rows


@pytest.mark.usefixtures("made_once", "undrawn")
def test_every_address_answers_strangers_members_and_readers_as_the_table_says(node: World):
    _as_the_table_says(answers(node, QUICK), QUICK)


@pytest.mark.prove
@pytest.mark.usefixtures("made_once")
def test_every_address_answers_everybody_as_the_table_says(node: World):
    observed = answers(node, PEOPLE)
    if os.environ.get("WRITE_MATRIX") == "1":
        with TABLE.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["route", "method", *PEOPLE], lineterminator="\n")
            writer.writeheader()
            writer.writerows(observed)
    _as_the_table_says(observed, PEOPLE)


def _as_the_table_says(observed: list[Row], people: tuple[str, ...]) -> None:
    names = ("route", "method", *people)
    with TABLE.open(newline="") as file:
        expected = [{name: row[name] for name in names} for row in csv.DictReader(file)]
    known = {(row["route"], row["method"]) for row in expected}
    seen = {(row["route"], row["method"]) for row in observed}
    assert seen - known == set(), (
        "an address is missing from the table: look at it, then write the table anew"
    )
    assert known - seen == set(), "the table names an address that is gone"
    assert [row for row in observed if row not in expected] == []
    wrong = [
        f"{row['method']} {row['route']}: {name} got {row[name]}"
        for row in observed
        for name in people
        if not RULE[name](row)
    ]
    assert not wrong, "\n".join(wrong)


def _fails(row: Row, name: str) -> bool:
    return row[name].startswith("5") and row["route"] != "readyz"  # no worker runs here, and it says so


def _nobody(row: Row) -> bool:
    is_open = row["route"] in OPEN | OPEN_API or row["route"] == "api/v1/<anything:rest>"
    return not _fails(row, "nobody") and (is_open or row["nobody"] in {"302", "401", "403", "404", "405"})


def _charlie(row: Row) -> bool:
    """A stranger gets 404 for each object that is not everybody's."""
    route = row["route"].removeprefix("api/v1/")
    is_object = "<" in route and not route.startswith(SHARED) and route != "<anything:rest>"
    return not _fails(row, "charlie") and (not is_object or row["charlie"] in {"404", "403", "405"})


def _theo(row: Row) -> bool:
    """Whoever may only read gets no change through, except of what is their own."""
    route = row["route"]
    is_change = row["method"] != "GET" and not route.startswith(OWN) and route not in OPEN
    done = "2" if route.startswith("api/") else "302"  # a page that did what it was asked sends on
    return not _fails(row, "theo") and (not is_change or not row["theo"].startswith(done))


def _works(name: str) -> Callable[[Row], bool]:
    return lambda row: not _fails(row, name)


RULE: dict[str, Callable[[Row], bool]] = {name: _works(name) for name in PEOPLE} | {
    "nobody": _nobody,
    "charlie": _charlie,
    "theo": _theo,
}
