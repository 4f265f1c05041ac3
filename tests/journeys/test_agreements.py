"""Agreements on a running node: a new version stops Sam, he reads what changed and accepts, a worker answers him."""

from __future__ import annotations

import gridhouse
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.journeys.conftest import LiveNode, shoot
from tests.journeys.test_accessibility import RULES

pytestmark = [pytest.mark.browser, pytest.mark.prove]
QUESTION = "SELECT COUNT(*) AS n FROM support2"


def of(browser: Browser, live: LiveNode, name: str) -> Page:
    """Return a window in which `name` is signed in."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce").new_page()
    live.sign_in(page, name)
    return page


def accessible(page: Page, shot: str) -> None:
    shoot(page, shot)
    found = Axe().run(page, options=RULES).response["violations"]
    assert [rule["id"] for rule in found] == []


def accept(sam: Page, number: int) -> None:
    """Read and accept what the banner names."""
    sam.get_by_role("region", name="Stopped for now").get_by_role("link", name="Use of SUPPORT2").click()
    sam.get_by_label("I have read this text and accept it").check()
    accessible(sam, f"agreement-{number}")
    sam.get_by_role("button", name=f"Accept version {number}").click()
    sam.get_by_text("Accepted and recorded.").wait_for()


def publish(alice: Page) -> None:
    alice.get_by_role("link", name="Publish …").click()
    alice.get_by_text("1 person").wait_for()
    accessible(alice, "agreement-publish")
    alice.get_by_role("button", name="Publish").click()
    alice.get_by_text("Whom it concerns was told.").wait_for()


def test_a_new_version_stops_a_scientist_until_they_accept_it(live: LiveNode, browser: Browser):
    alice, sam = of(browser, live, "alice"), of(browser, live, "sam")
    alice.goto(f"{live.url}/agreements/new/")
    dataset = alice.locator("#id_scope option", has_text="Dataset: ").first.get_attribute("value")
    alice.get_by_label("It is for").select_option(dataset)
    alice.get_by_label("Title").fill("Use of SUPPORT2")
    alice.get_by_label("Text").fill("# Rules\n\n1. Publish no single patient.\n2. Cite the study.")
    alice.get_by_role("button", name="Keep the draft").click()
    alice.get_by_role("heading", name="How it will look").wait_for()
    accessible(alice, "agreement-draft")
    publish(alice)

    question = live.clients["sam"].sql(live.grant, QUESTION, epsilon="0.01", title="Accepted first")
    with pytest.raises(gridhouse.NotAllowed, match="/agreements/") as refused:
        question.submit()
    assert refused.value.code == "agreements_accepted"
    sam.goto(f"{live.url}/")
    accept(sam, 1)
    answered(live, "The first version")

    alice.get_by_role("link", name="Next version").click()
    alice.get_by_label("Text").fill(
        "# Rules\n\n1. Publish no single patient.\n2. Cite the study and its funder."
    )
    alice.get_by_label("What changed").fill("The funder is cited too.")
    alice.get_by_role("button", name="Keep the draft").click()
    publish(alice)
    sam.goto(f"{live.url}/requests/")
    sam.get_by_role("region", name="Stopped for now").wait_for()
    with pytest.raises(gridhouse.NotAllowed):
        live.clients["sam"].sql(live.grant, QUESTION, epsilon="0.01", title="Stopped").submit()
    accept(sam, 2)
    answered(live, "The second version")

    alice.get_by_role("link", name="Who accepted").click()
    alice.get_by_text("Sam").first.wait_for()
    accessible(alice, "agreement-people")
    alice.go_back()
    alice.get_by_role("link", name="Retire").click()
    alice.get_by_label("Reason").fill("The end of the journey.")
    alice.get_by_role("button", name="Retire it").click()
    alice.get_by_text("retired").first.wait_for()


def answered(live: LiveNode, title: str) -> None:
    """Ask as Sam, approve as Alice where policy does not, and wait for the worker's answer."""
    query = live.clients["sam"].sql(live.grant, QUESTION, epsilon="0.02", title=title).submit()
    for item in live.clients["alice"].queue():
        if item.title == title:
            item.approve()
    assert query.wait(timeout=60).result().rows
