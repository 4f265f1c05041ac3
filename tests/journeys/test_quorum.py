"""Two people decide and a third stands aside, in browsers, on a running node whose worker then answers."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import LiveNode, shoot

pytestmark = [pytest.mark.browser, pytest.mark.prove]


def of(browser: Browser, live: LiveNode, name: str) -> Page:
    """Return a window in which `name` is signed in."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce").new_page()
    live.sign_in(page, name)
    return page


def seat(live: LiveNode, alice: Page) -> None:
    """Make Rita and Charlie reviewers of the dataset, whom Alice assigns."""
    ada = live.clients["ada"]
    people = {row["name"]: row["id"] for row in ada._session.get("people/")["results"]}
    ada._session.post(f"people/{people['Charlie Stranger']}/grant-role/", {"role": "reviewer"})
    for name in ("rita", "charlie"):
        alice.goto(f"{live.url}/datasets/support2/prepare/")
        alice.get_by_label("E-mail address").fill(live.people[name]["email"])
        alice.get_by_role("button", name="Add", exact=True).click()
        expect(alice.get_by_text("was added")).to_be_visible()


def set_rule(live: LiveNode, page: Page, people: int) -> None:
    page.goto(f"{live.url}/datasets/support2/approval/")
    page.get_by_label("People who must approve").fill(str(people))
    page.get_by_role("button", name="Set the rule").click()


def approve(live: LiveNode, page: Page, key: str, reason: str) -> None:
    page.goto(f"{live.url}/requests/{key}/decision/")
    page.locator("input[name=vote][value=approve]").check()
    page.locator("#id_reason").fill(reason)
    page.get_by_role("button", name="Go on to confirm").click()
    shoot(page, "quorum-confirm")
    page.get_by_role("button", name="Yes, approve it").click()


def test_two_approve_and_one_stands_aside(live: LiveNode, browser: Browser):
    alice, rita, charlie = (of(browser, live, name) for name in ("alice", "rita", "charlie"))
    seat(live, alice)
    set_rule(live, alice, 2)
    expect(alice.get_by_role("main")).to_contain_text("2 approvals by different people")
    shoot(alice, "quorum-rule")
    asked = live.clients["sam"].sql(
        live.grant, "SELECT COUNT(*) AS n FROM support2 WHERE age >= 61", epsilon="0.02", title="Over sixty"
    )
    key = str(asked.submit().id)

    rita.goto(f"{live.url}/requests/{key}/decision/")
    rita.get_by_role("link", name="Stand aside instead").click()
    rita.get_by_label("Reason").fill("I wrote the protocol.")
    shoot(rita, "quorum-recuse")
    rita.get_by_role("button", name="Stand aside").click()
    expect(rita.get_by_text("You stand aside from this request.")).to_be_visible()

    approve(live, alice, key, "Harmless columns.")
    expect(alice.get_by_text("Others have to vote too.")).to_be_visible()
    shoot(alice, "quorum-half")
    charlie.goto(f"{live.url}/queue/")
    expect(charlie.get_by_role("row", name="Over sixty")).to_contain_text("1 of 2")
    shoot(charlie, "quorum-queue")
    charlie.goto(f"{live.url}/requests/{key}/decision/")
    expect(charlie.get_by_role("main")).not_to_contain_text("Harmless columns.")
    shoot(charlie, "quorum-blinded")
    approve(live, charlie, key, "Fine.")
    expect(charlie.get_by_role("main")).to_contain_text("Harmless columns.")

    live.clients["sam"].request(key).wait(timeout=60)
    assert live.worker_pid != live.web_pid
    set_rule(live, alice, 1)  # looser, so Rita confirms it; other journeys go on with one approval
    expect(alice.get_by_text("another person has to confirm it")).to_be_visible()
    rita.goto(f"{live.url}/datasets/support2/approval/")
    rita.get_by_role("button", name="Confirm version 2").click()
    expect(rita.get_by_role("main")).to_contain_text("Now: one approval")
