"""The inbox, notice settings, webhooks and the log of deliveries, on pages and over the API, by role."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import gridhouse
import httpx
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from domains.catalog import actions as catalog
from domains.delivery import actions, routing
from domains.delivery.models import Delivery, Webhook
from domains.notices import queries as notices
from domains.notices.outbox import tell
from domains.people.models import User
from domains.people.permissions import Permission, Role
from domains.projects import actions as projects
from tests import cast as story
from tests.portal.api.kit import Client as Api
from tests.portal.api.kit import call_as
from tests.portal.people_kit import ada, browser, join

pytestmark = pytest.mark.django_db
URL = "https://hooks.example.org/gridhouse"


@pytest.fixture
def sam() -> User:
    return join("sam", Role.SCIENTIST)


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def waiting_project(sam: User, rita: User) -> str:
    """Have Sam hand in a project that waits for Rita; return its title."""
    alice, area = join("alice", Role.OWNER), catalog.create_area(name="Care", slug="care", by=ada())
    catalog.seat(area, alice, role=Role.AREA_OWNER, by=ada())
    catalog.seat(area, rita, role=Role.AREA_REVIEWER, by=ada())
    population = catalog.create_population(area=area, name="Patients", unit_label="one patient", by=alice)
    given = story.Cast(alice, rita, sam, ada(), sam, sam, area, population)
    project = story.proposal(given, story.dataset(given))
    projects.submit(project, by=sam)
    return project.title


# --- Inbox ------------------------------------------------------------------------------------------------------------


def test_tasks_come_first_then_notices_by_words_kind_and_newness(sam: User) -> None:
    rita = join("rita", Role.REVIEWER)
    title = waiting_project(sam, rita)
    tell([rita], "result.released", "An answer is out.", "/requests/1/result/")
    client = browser(rita)
    page = text(client.get("/notices/"))
    assert page.index(f"Review a project: {title}") < page.index("An answer is out.")
    assert "1 thing waits for you." in page
    assert "An answer is out." not in text(client.get("/notices/?kind=tasks"))
    assert "An answer is out." in text(client.get("/notices/?kind=no-such&search=ANSWER"))
    assert "No such notices" in text(client.get("/notices/?search=zebra"))
    client.post("/notices/read/")
    assert "No such notices" in text(client.get("/notices/?show=unread"))


def test_a_notice_is_marked_read_and_kept_as_new_where_one_stands(sam: User) -> None:
    tell([sam], "request.approved", "Approved.", "/requests/1/")
    client, key = browser(sam), notices.unread(sam)[0].pk
    answer = client.post("/notices/read/", {"notice": key, "back": "kind=requests"})
    assert answer["Location"] == "/notices/?kind=requests"
    assert "Keep as new" in text(client.get("/notices/"))
    client.post("/notices/unread/", {"notice": key})
    assert notices.unread(sam).count() == 1
    assert browser(ada()).post("/notices/read/", {"notice": key}).status_code == 302
    assert notices.unread(sam).count() == 1  # nobody else's can be reached


def test_a_long_inbox_costs_as_many_queries_as_a_short_one(sam: User) -> None:
    client = browser(sam)
    tell([sam], "x", "One.", "/")
    short = _queries(client, "/notices/")
    for number in range(60):
        tell([sam], "x", f"Number {number}.", "/")
    assert _queries(client, "/notices/") == short
    assert "Page 1 of 3" in text(client.get("/notices/"))


def _queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as caught:
        assert client.get(path).status_code == 200
    return len(caught)


# --- Settings ---------------------------------------------------------------------------------------------------------


def _form(client: Client) -> dict[str, str]:
    """Return what the settings' form holds now."""
    form = client.get("/notices/settings/").context["form"]
    return {name: str(form[name].value()) for name in form.fields}


def test_one_chooses_what_is_mailed_and_when(sam: User) -> None:
    client = browser(sam)
    given = _form(client)
    assert (given["requests-mail"], given["data-mail"], given["security-mail"]) == (
        "at_once",
        "weekly",
        "at_once",
    )
    given |= {"requests-mail": "daily", "timezone": "Europe/Berlin", "hour": "8", "data-inbox": "off"}
    assert client.post("/notices/settings/", given)["Location"] == "/notices/settings/"
    assert {k: v for k, v in _form(client).items() if given[k] != v} == {}
    silenced = client.post("/notices/settings/", given | {"security-mail": "off"})
    assert (silenced.status_code, "Select a valid choice" in text(silenced)) == (422, True)


def test_settings_over_the_api_are_the_same_and_need_the_scope(sam: User) -> None:
    api = call_as(sam)
    now = api.get("notice-settings/").json()
    assert (now["timezone"], len(now["choices"])) == ("UTC", 16)
    choice = {"kind": "requests", "channel": "mail", "mode": "weekly"}
    body = {"timezone": "Asia/Tokyo", "hour": 6, "weekday": 2, "choices": [choice]}
    answer = api.put("notice-settings/", body).json()
    assert choice in answer["choices"]
    assert api.get("notice-settings/").json() == answer
    assert _form(browser(sam))["requests-mail"] == "weekly"
    body["choices"] = [{"kind": "tasks", "channel": "mail", "mode": "off"}]
    refused = api.put("notice-settings/", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "notice_mode")
    assert call_as(sam, Permission.CATALOGUE_READ).put("notice-settings/", body).status_code == 403


# --- Webhooks ---------------------------------------------------------------------------------------------------------


def add(client: Client, **words: Any) -> tuple[Webhook, str]:
    page = text(client.post("/webhooks/", {"url": URL, **words}))
    return Webhook.objects.order_by("-id")[0], re.search(r'id="new-secret">(whsec_[^<]+)<', page)[1]  # type: ignore[index]


def test_a_webhooks_secret_is_shown_once(sam: User) -> None:
    client = browser(sam)
    webhook, secret = add(client, about="My notebook")
    page = f"/webhooks/{webhook.pk}/"
    assert "My notebook" in text(client.get("/webhooks/"))
    assert secret not in text(client.get("/webhooks/")) + text(client.get(page))
    rotated = text(client.post(f"{page}rotate/"))
    assert "whsec_" in rotated
    assert secret not in rotated
    assert "signs beside the new one" in rotated


def test_a_webhook_is_paused_resumed_tested_and_removed(sam: User) -> None:
    client = browser(sam)
    webhook, _ = add(client)
    page = f"/webhooks/{webhook.pk}/"
    for verb, word in (
        ("pause", "Paused"),
        ("resume", "Active"),
        ("test", "webhook.tested"),
        ("remove", "Removed"),
    ):
        assert word in text(client.post(f"{page}{verb}/", follow=True)), verb
    assert "was removed" in text(client.post(f"{page}rotate/", follow=True))
    assert "There is no webhook yet" in text(client.get("/webhooks/"))


def test_a_refused_address_keeps_what_was_typed(sam: User) -> None:
    answer = browser(sam).post("/webhooks/", {"url": "http://10.0.0.1/x", "about": "Inside"})
    assert answer.status_code == 422
    assert "begins with https://" in text(answer)
    assert 'value="http://10.0.0.1/x"' in text(answer)
    assert 'value="Inside"' in text(answer)


def test_adding_and_changing_a_webhook_asks_for_a_recent_sign_in(sam: User) -> None:
    webhook, _ = add(browser(sam))
    late = browser(sam, hours_ago=2)
    for path in ("/webhooks/", f"/webhooks/{webhook.pk}/rotate/", f"/webhooks/{webhook.pk}/remove/"):
        assert "reauthenticate" in late.post(path, {"url": URL})["Location"]
    assert Webhook.objects.get().salt == webhook.salt


ROLES = {"alice": Role.OWNER, "rita": Role.REVIEWER, "theo": Role.AUDITOR, "charlie": Role.SCIENTIST}


def test_who_reaches_whose_webhooks_and_deliveries(sam: User) -> None:
    own, _ = actions.add(URL, by=sam)
    of_node, _ = actions.add(URL, is_of_node=True, by=ada())
    sent, of_all = actions.send_test(own, by=sam), actions.send_test(of_node, by=ada())
    Delivery.objects.update(status="given_up")
    people = {name: join(name, role) for name, role in ROLES.items()} | {"ada": ada()}
    for name, user in people.items():
        client, api, operates = browser(user), call_as(user), name == "ada"
        for webhook, may in ((own, False), (of_node, operates)):
            pages = [client.get(f"/webhooks/{webhook.pk}/")]
            verbs = ("rotate", "test", "pause", "remove")
            pages += [client.post(f"/webhooks/{webhook.pk}/{verb}/") for verb in verbs]
            assert {page.status_code for page in pages} <= ({200, 302} if may else {404}), name
            assert api.get(f"webhooks/{webhook.pk}/").status_code == (200 if may else 404), name
            assert api.get(f"webhooks/{webhook.pk}/deliveries/").status_code == (200 if may else 404), name
        status = 200 if operates else 403
        assert client.get("/deliveries/").status_code == api.get("deliveries/").status_code == status, name
        assert api.get(f"deliveries/{sent.pk}/").status_code == (200 if operates else 404), name
        again = client.post(f"/deliveries/{of_all.pk}/redeliver/")
        assert again.status_code == (302 if operates else 404), name
        mine = client.get("/webhooks/")  # one's own, which are none
        assert (mine.status_code, "is_of_node" in text(mine)) == (200, operates), name
    assert Webhook.objects.get(pk=own.pk).status == "active"
    assert Client().get("/webhooks/")["Location"].startswith("/account/login/")


def test_webhooks_over_the_api_show_no_secret(sam: User) -> None:
    webhook, _ = actions.add(URL, kinds=["results"], by=sam)
    api, place = call_as(sam), f"webhooks/{webhook.pk}/"
    row = api.get("webhooks/").json()["results"][0]
    assert (row["url"], row["kinds"], row["is_of_node"]) == (URL, ["results"], False)
    assert "salt" not in str(row)
    assert "whsec" not in str(row)
    assert api.post(f"{place}test/").json()["event"] == "webhook.tested"
    assert api.post(f"{place}pause/").json()["status"] == "paused"
    assert api.post(f"{place}pause/").status_code == 409
    assert api.post(f"{place}resume/").json()["status"] == "active"
    sent = api.get(f"{place}deliveries/").json()["results"][0]
    assert api.post(f"deliveries/{sent['id']}/redeliver/").status_code == 409  # it is still being tried
    Delivery.objects.update(status="delivered")
    assert api.post(f"deliveries/{sent['id']}/redeliver/").json()["repeats"] == sent["id"]
    assert api.http.delete(f"/api/v1/{place}").status_code == 204
    assert call_as(sam, Permission.CATALOGUE_READ).get(place).status_code == 404


def test_the_log_is_filtered_and_costs_the_same_however_long(sam: User, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    client = browser(ada())
    actions.add(URL, is_of_node=True, by=ada())
    short = None
    for number in (1, 20):
        for _ in range(number):
            tell([sam], "role.granted", "You are a reviewer.", "/account/")
        routing.route(timezone.now())
        long = _queries(client, "/deliveries/")
        short = short or long
        assert long == short
    page = text(client.get("/deliveries/?channel=mail&status=waiting"))
    assert "by e-mail" in page
    assert "hooks.example.org" not in page
    assert "You are a reviewer." not in page  # the log holds no text
    assert "No such deliveries" in text(client.get("/deliveries/?status=given_up"))
    again = client.post(
        f"/deliveries/{Delivery.objects.first().pk}/redeliver/", {"to": "deliveries"}, follow=True
    )  # type: ignore[union-attr]
    assert "still being tried" in text(again)


# --- API and client ---------------------------------------------------------------------------------------------------


@pytest.fixture
def connect() -> Any:
    """Return the client, signed in as somebody, before the portal without a socket."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)

    def connecting(user: User) -> gridhouse.Client:
        token = call_as(user).http._credentials["HTTP_AUTHORIZATION"].split()[1]
        return gridhouse.connect("http://localhost", token, transport=httpx.WSGITransport(app=WSGIHandler()))

    yield connecting
    for signal in signals:
        signal.connect(close_old_connections)


def test_the_inbox_from_python(sam: User, connect: Callable[[User], gridhouse.Client]) -> None:
    rita = join("rita", Role.REVIEWER)
    title = waiting_project(sam, rita)
    tell([rita], "result.released", "An answer is out.", "/requests/1/result/")
    with connect(rita) as node:
        inbox = node.inbox()
        assert repr(inbox) == "<Inbox on http://localhost>"
        (task,) = inbox.tasks()
        assert (task["kind"], task["title"], task["path"][:10]) == ("project.review", title, "/projects/")
        assert inbox.tasks("request.decide") == []
        (row,) = inbox.notices("answer", unread=True)
        assert (row["event"], row["kind"]) == ("result.released", "results")
        assert inbox.mark_read([row["id"]]) == 1
        assert list(inbox.notices(unread=True, kind="results")) == []
        assert inbox.mark_unread([row["id"]]) == 1
        assert inbox.mark_read() >= 1


def test_tasks_and_notices_are_ones_own(sam: User) -> None:
    rita = join("rita", Role.REVIEWER)
    waiting_project(sam, rita)
    api: Api = call_as(join("charlie", Role.SCIENTIST))
    assert api.get("tasks/").json() == []
    key = notices.unread(rita)[0].pk
    assert api.post("notices/read/", {"notices": [key]}).json() == {"read": 0}
    assert api.post("notices/unread/", {"notices": [key]}).json() == {"unread": 0}
    assert api.http.get("/api/v1/notices/", {"kind": "no-such"}).json()["results"] == []
