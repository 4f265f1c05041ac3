"""A project goes from proposal through requested changes to approval, in two browsers on a running node."""

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


def propose(live: LiveNode, page: Page) -> str:
    page.goto(f"{live.url}/projects/new/")
    page.get_by_label("Research area").select_option(index=1)
    page.get_by_label("Title").fill("Length of stay")
    page.get_by_label("Summary for everyone").fill("How long people stay in hospital.")
    page.get_by_label("Purpose").fill("Planning of beds.")
    page.locator("input[name=datasets]").first.check()
    page.get_by_role("button", name="Save").click()
    return page.url.rstrip("/").rsplit("/", 1)[1]


def vote(page: Page, what: str, reason: str) -> None:
    page.locator(f"input[name=vote][value={what}]").check()
    page.locator("#id_reason").fill(reason)
    page.get_by_role("button", name="Go on to confirm").click()
    page.get_by_role("main").locator("form button[type=submit]").first.click()


def amend(live: LiveNode, sam: Page, rita: Page, key: str) -> None:
    """Change the approved project, which goes on as it was until the amendment is approved too."""
    sam.goto(f"{live.url}/projects/{key}/")
    sam.get_by_role("button", name="Begin an amendment").click()
    sam.get_by_label("Why should the project change?").fill("The nights matter too.")
    sam.get_by_label("Title").fill("Length of stay at night")
    shoot(sam, "amendment-details")
    sam.get_by_role("button", name="Keep").click()
    sam.goto(f"{live.url}/projects/{key}/amendment/pages/people/")
    sam.get_by_label("Who pays for it").fill("The county council")
    sam.get_by_role("button", name="Keep and go on").click()
    shoot(sam, "amendment-draft")
    sam.get_by_role("button", name="Hand in").click()
    expect(sam.get_by_text("What was approved stays in force")).to_be_visible()
    sam.goto(f"{live.url}/projects/{key}/")
    expect(sam.get_by_role("heading", name="Length of stay", exact=True)).to_be_visible()

    rita.goto(f"{live.url}/projects/{key}/amendment/")
    expect(rita.locator("#changes ins").filter(has_text="county")).to_be_visible()
    shoot(rita, "amendment-review")
    vote(rita, "approve", "")
    rita.goto(f"{live.url}/projects/{key}/")
    expect(rita.get_by_role("heading", name="Length of stay at night")).to_be_visible()


def test_changes_are_requested_answered_approved_and_amended(live: LiveNode, browser: Browser):
    sam, rita = of(browser, live, "sam"), of(browser, live, "rita")
    key = propose(live, sam)
    shoot(sam, "application-draft")
    sam.get_by_role("link", name="Safe projects").click()
    sam.get_by_label("Health, medical or biomedical research").check()
    sam.get_by_role("group", name="Did an ethics committee decide on it?").get_by_label("Yes").check()
    sam.get_by_role("button", name="Keep and go on").click()
    sam.get_by_label("Who pays for it").fill("The council")
    shoot(sam, "application-page")
    sam.get_by_role("button", name="Keep and go on").click()
    sam.goto(f"{live.url}/projects/{key}/")
    sam.get_by_role("button", name="Hand in").click()
    expect(sam.get_by_text("Answer first: “Reference of the decision”.")).to_be_visible()
    sam.get_by_role("link", name="Reference of the decision").click()
    sam.get_by_label("Reference of the decision").fill("REC 2026/17")
    sam.get_by_role("button", name="Keep and go on").click()
    sam.goto(f"{live.url}/projects/{key}/")
    sam.get_by_role("button", name="Hand in").click()
    expect(sam.get_by_text("Handed in.")).to_be_visible()

    rita.goto(f"{live.url}/projects/{key}/application/")
    card = rita.locator("#part-team")
    card.get_by_text("Review this section").click()
    card.get_by_label("Needs a change").check()
    card.get_by_label("Note").fill("Which council?")
    shoot(rita, "application-section")
    card.get_by_role("button", name="Keep").click()
    rita.goto(f"{live.url}/projects/{key}/")
    vote(rita, "request_changes", "See my note on funding.")
    expect(rita.get_by_text("Sent back to its lead.")).to_be_visible()

    sam.goto(f"{live.url}/projects/{key}/application/people/")
    expect(sam.get_by_text("Which council?")).to_be_visible()
    sam.get_by_label("Who pays for it").fill("The city council")
    shoot(sam, "application-note")
    sam.get_by_role("button", name="Keep and go on").click()
    sam.goto(f"{live.url}/projects/{key}/")
    sam.get_by_role("button", name="Hand in").click()

    rita.goto(f"{live.url}/projects/{key}/application/")
    expect(rita.locator("ins")).to_contain_text("city")
    shoot(rita, "application-changes")
    rita.goto(f"{live.url}/projects/{key}/")
    vote(rita, "approve", "")
    expect(rita.get_by_text("Approved.", exact=True)).to_be_visible()
    shoot(rita, "application-approved")
    amend(live, sam, rita, key)
