"""A budget that is too small: Sam asks for more in the browser, two others grant it, and the question passes."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import LiveNode, shoot

pytestmark = [pytest.mark.browser, pytest.mark.prove]

TOO_SMALL = "does not cover this loss"


def test_a_question_that_was_refused_for_its_budget_passes_after_a_top_up(
    live: LiveNode, browser: Browser, page: Page
) -> None:
    live.sign_in(page, "sam")
    request = compose(live, page)
    page.get_by_role("button", name="Submit", exact=False).first.click()
    expect(page.get_by_role("main").or_(page.get_by_role("status")).first).to_be_visible()
    expect(page.locator("body")).to_contain_text(TOO_SMALL)
    topup = ask(live, page)
    answer(live, browser, "ada", topup, propose)
    answer(live, browser, "alice", topup, confirm)
    page.goto(topup)
    expect(page.get_by_role("main")).to_contain_text("Confirmed")
    shoot(page, "topup-confirmed")
    page.goto(request)
    page.get_by_role("button", name="Submit", exact=False).first.click()
    expect(page.get_by_role("main")).to_contain_text("In review")
    look(live, browser)


def compose(live: LiveNode, page: Page) -> str:
    """Write a question that costs more than the grant holds; return where it is."""
    page.goto(f"{live.url}/requests/new/{live.grant.id}/")
    page.get_by_label("Title").fill("An exact count")
    page.locator("#id_sql").fill("SELECT sex, COUNT(*) AS n FROM support2 GROUP BY sex")
    page.locator("#id_epsilon").fill("1.6")
    page.get_by_role("button", name="Save and check").click()
    page.wait_for_url(re.compile(r"/requests/[0-9A-Z]{26}/$"))
    return page.url


def ask(live: LiveNode, page: Page) -> str:
    """Ask for a larger budget from the project's page; return where the ask is."""
    page.goto(f"{live.url}/projects/{live.grant.project['id']}/")
    page.get_by_role("link", name="Ask for a larger budget").click()
    page.locator("#id_epsilon").fill("2.8")
    page.locator("#id_reason").fill("One exact count for the paper.")
    shoot(page, "topup-ask")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.wait_for_url(re.compile(r"/budgets/topups/[0-9A-Z]{26}/$"))
    expect(page.get_by_role("main")).to_contain_text("Asked for")
    return page.url


def answer(live: LiveNode, browser: Browser, name: str, topup: str, act) -> None:
    """Let somebody find the ask among what waits for them, and act on it."""
    window = browser.new_context(viewport={"width": 1280, "height": 900})
    page = window.new_page()
    live.sign_in(page, name)
    page.locator(f"a[href='{topup.removeprefix(live.url)}']").first.click()
    act(page)
    window.close()


def propose(page: Page) -> None:
    page.locator("#propose #id_epsilon").fill("2.8")
    shoot(page, "topup-propose")
    page.get_by_role("button", name="Propose").click()
    expect(page.get_by_role("main")).to_contain_text("A second person")
    expect(page.get_by_role("button", name="Confirm the larger budget")).to_have_count(0)


def confirm(page: Page) -> None:
    page.get_by_role("button", name="Confirm the larger budget").click()
    expect(page.get_by_role("main")).to_contain_text("Confirmed")


def look(live: LiveNode, browser: Browser) -> None:
    """Look at the budget's own page, the ledger and the calculator, as an auditor."""
    window = browser.new_context(viewport={"width": 1280, "height": 900})
    page = window.new_page()
    live.sign_in(page, "theo")
    page.goto(f"{live.url}/budgets/?scope=grant")
    page.get_by_role("link", name="Details").first.click()
    expect(page.get_by_role("main")).to_contain_text("Changes of the limit")
    expect(page.get_by_role("main")).to_contain_text("Ada Administrator and Alice Owner")
    shoot(page, "budget-account")
    for path, words in (
        ("budgets/", "Details"),
        ("budgets/entries/", "Lines of the ledger"),
        ("budgets/books/?now=1", "Nothing differs"),
        (
            "budgets/calculator/?statistic=sum&lower=0&upper=100&group=1000&rows_each=1&accounting=zcdp&epsilon=0.5",
            "±",
        ),
    ):
        page.goto(f"{live.url}/{path}")
        expect(page.get_by_role("main")).to_contain_text(words)
        shoot(page, f"look-{path.split('?')[0].strip('/').replace('/', '-')}")
    window.close()
