"""The inbox on a running node: work comes first, a webhook is told of a decision by a real worker, operators watch."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.journeys.conftest import METRICS_TOKEN, LiveNode, shoot
from tests.journeys.test_accessibility import RULES

pytestmark = [pytest.mark.browser, pytest.mark.prove]


class Receiver:
    """What Sam runs elsewhere: keeps each call, and takes it."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.calls.append((self.headers, self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *words: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def wait_for(self, event: str, secret: str, seconds: float = 20) -> dict[str, Any]:
        """Return the call that tells of `event`, its signature checked as the specification says."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for headers, body in list(self.calls):
                said = json.loads(body)
                if said["type"] == event:
                    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
                    key = base64.b64decode(secret.removeprefix("whsec_"))
                    mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
                    assert f"v1,{mac}" in headers["webhook-signature"].split(" ")
                    return dict(said)
            time.sleep(0.1)
        raise AssertionError(f"nobody told of {event}: {self.calls}")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def of(browser: Browser, live: LiveNode, name: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce").new_page()
    live.sign_in(page, name)
    return page


def accessible(page: Page, shot: str) -> None:
    shoot(page, f"inbox-{shot}")
    found = Axe().run(page, options=RULES).response["violations"]
    assert [rule["id"] for rule in found] == []


def test_from_a_webhook_to_a_decision_and_to_those_who_watch(
    live: LiveNode, browser: Browser, receiver: Receiver
) -> None:
    sam = of(browser, live, "sam")
    sam.goto(f"{live.url}/webhooks/")
    sam.get_by_label("Address").fill(receiver.url)
    sam.get_by_label("What it is for").fill("My notebook")
    accessible(sam, "webhooks")
    sam.get_by_role("button", name="Add webhook").click()
    secret = sam.locator("#new-secret").inner_text()
    accessible(sam, "secret")
    sam.get_by_role("link", name="My notebook").click()
    sam.get_by_role("button", name="Send a test").click()
    assert receiver.wait_for("webhook.tested", secret)["data"]["kind"] == "security"
    sam.reload()
    sam.get_by_text("Delivered").first.wait_for()
    accessible(sam, "webhook")

    query = live.clients["sam"].sql(
        live.grant, "SELECT sex, COUNT(*) AS n FROM support2 GROUP BY sex", epsilon="0.05", title="By sex"
    )
    query.submit()
    alice = of(browser, live, "alice")
    alice.goto(f"{live.url}/notices/")
    accessible(alice, "inbox")
    alice.get_by_role("link", name="Decide on a request: By sex").first.click()
    alice.get_by_role("heading", level=1).wait_for()
    alice.goto(f"{live.url}/dashboard/")
    accessible(alice, "dashboard-owner")
    next(item for item in live.clients["alice"].queue() if item.id == query.id).approve()
    told = receiver.wait_for("request.approved", secret)
    assert told["data"]["link"] == f"{live.url}/requests/{query.id}/"
    assert "By sex" not in json.dumps(told)

    sam.goto(f"{live.url}/notices/settings/")
    sam.get_by_label("Requests, by e-mail").select_option("daily")
    accessible(sam, "settings")
    sam.get_by_role("button", name="Save").click()
    sam.get_by_text("It holds for what happens from now on.").wait_for()
    sam.goto(f"{live.url}/dashboard/")
    accessible(sam, "dashboard-scientist")

    ada = of(browser, live, "ada")
    for path, shot in (
        ("/dashboard/", "dashboard-node"),
        ("/stuck/", "stuck"),
        ("/deliveries/", "deliveries"),
    ):
        ada.goto(live.url + path)
        accessible(ada, shot)
    ada.get_by_text("request.approved").first.wait_for()
    assert httpx.get(f"{live.url}/metrics").status_code == 404
    figures = httpx.get(f"{live.url}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}).text
    assert 'gridhouse_workers{queue="query"} 1.0' in figures
    assert 'view="notices"' in figures
