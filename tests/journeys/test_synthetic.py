"""Synthetic rows on a running node: Alice proposes and Rita confirms in a browser, a worker measures, Sam downloads."""

from __future__ import annotations

import gridhouse
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.journeys.conftest import LiveNode, shoot
from tests.journeys.test_accessibility import RULES

pytestmark = [pytest.mark.browser, pytest.mark.prove]
MARGINALS = '{"marginals": [["sex", "dzgroup"], ["death", "sex"]]}'


def of(browser: Browser, live: LiveNode, name: str) -> Page:
    """Return a window in which `name` is signed in."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce").new_page()
    live.sign_in(page, name)
    return page


def accessible(page: Page, shot: str) -> None:
    shoot(page, shot)
    found = Axe().run(page, options=RULES).response["violations"]
    assert [rule["id"] for rule in found] == []


def test_from_a_proposal_to_rows_that_everybody_may_have(live: LiveNode, browser: Browser):
    alice, rita = of(browser, live, "alice"), of(browser, live, "rita")
    alice.goto(f"{live.url}/datasets/support2/")
    alice.get_by_role("link", name="Propose synthetic rows").click()
    alice.get_by_label("Tables of counts").fill(MARGINALS)
    alice.get_by_label("ε to spend").fill("0.2")
    alice.get_by_role("button", name="Show the price").click()
    alice.get_by_role("heading", name="What it would cost").wait_for()
    accessible(alice, "synthetic-price")
    alice.get_by_role("button", name="Propose", exact=True).click()
    alice.get_by_text("nothing was charged yet").wait_for()
    place = alice.url

    rita.goto(f"{live.url}/")
    rita.get_by_role("link", name="SUPPORT2").first.wait_for()
    rita.goto(place)
    accessible(rita, "synthetic-confirm")
    rita.get_by_role("button", name="Yes, confirm it").click()
    rita.get_by_text("A worker measures its tables now.").wait_for()

    sam = live.clients["sam"].dataset("support2")
    with pytest.raises(gridhouse.NotFound):
        sam.synthetic_mock()
    key = place.rstrip("/").rsplit("/", 1)[1]
    mock = next(m for m in live.clients["alice"].dataset("support2").synthetic_mocks() if m.id == key)
    mock.wait(timeout=90)
    assert sam.synthetic_mock().id == key
    assert sam.mock_csv(grade="synthetic").startswith(b'"sex","dzgroup","death"\r\n')
    alice.goto(place)
    alice.get_by_role("heading", name="How near the rows come").wait_for()
    accessible(alice, "synthetic-published")
    alice.goto(f"{live.url}/datasets/support2/")
    accessible(alice, "synthetic-dataset")
    alice.goto(f"{live.url}/datasets/support2/synthetic/")
    accessible(alice, "synthetic-list")
