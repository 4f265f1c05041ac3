"""A question composed in the form: with the keyboard alone, and without JavaScript; and its states under axe."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import LiveNode, shoot
from tests.journeys.test_accessibility import RULES, SIZES, told
from tests.journeys.test_main_job import press_until_focused

pytestmark = [pytest.mark.browser, pytest.mark.prove]


def choose(page: Page, selector: str, words: str) -> None:
    """Reach a list with Tab and choose by typing, as keyboards and screen readers do."""
    press_until_focused(page, selector)
    page.keyboard.type(words, delay=10)


def press(page: Page, selector: str) -> None:
    """Reach a button with Tab and press it."""
    press_until_focused(page, selector)
    page.keyboard.press("Enter")


def test_a_question_is_composed_in_the_form_with_the_keyboard_alone(live: LiveNode, page: Page) -> None:
    live.sign_in(page, "sam")
    page.goto(f"{live.url}/requests/new/{live.grant.id}/")
    press_until_focused(page, "#id_title")
    page.keyboard.type("Age of the older, by sex")
    press(page, "button[value=to_form]")
    expect(page.locator("#id_f-0-fn")).to_be_visible()
    choose(page, "#id_f-0-fn", "count")
    press_until_focused(page, "#id_f-0-name")
    page.keyboard.type("n")
    press(page, "button[value=add-f]")
    expect(page.locator("#id_f-1-fn")).to_be_focused()
    page.keyboard.type("mean")
    choose(page, "#id_f-1-column", "age")
    choose(page, "#id_c-0-column", "age")
    choose(page, "#id_c-0-op", "is at least")
    press_until_focused(page, "#id_c-0-value_typed")
    page.keyboard.type("sixty")
    expect(page.locator("#estimate")).to_contain_text("Condition 1, value: Write a number")
    page.keyboard.press("Control+a")
    page.keyboard.type("65")
    choose(page, "#id_g-0-column", "sex")
    expect(page.locator("#written")).to_contain_text("SELECT sex, COUNT(*) AS n, AVG(age)")
    expect(page.locator("#written")).to_contain_text("WHERE age >= 65")
    expect(page.locator("#estimate")).to_contain_text("such question")
    press_until_focused(page, "#id_error")
    page.keyboard.type("60")
    press_until_focused(page, "#id_of")
    page.keyboard.type("n")
    expect(page.locator("#estimate .figure-number")).to_have_text("ε 0.1")
    press(page, "button[value=target]")
    expect(page.locator("#composer")).to_contain_text("is the least that keeps the error within ± 60.")
    expect(page.locator("#estimate .figure-number")).not_to_have_text("ε 0.1")
    shoot(page, "composer-form")
    press(page, "button[value=save]")
    page.wait_for_url(re.compile(r"/requests/[0-9A-Z]{26}/$"))
    expect(page.get_by_role("main")).to_contain_text("AVG(age)")


def test_without_javascript_the_form_grows_switches_and_saves(live: LiveNode, browser: Browser) -> None:
    window = browser.new_context(java_script_enabled=False)
    page = window.new_page()
    live.sign_in(page, "sam")
    page.goto(f"{live.url}/requests/new/{live.grant.id}/")
    page.get_by_label("Title").fill("By form, without scripts")
    page.get_by_role("button", name="in a form").click()
    page.locator("#id_f-0-fn").select_option("count")
    page.get_by_role("button", name="Add a condition").click()
    expect(page.locator("#id_c-1-column")).to_be_focused()
    page.locator("#id_c-1-column").select_option("sex")
    page.locator("#id_c-1-op").select_option("in")
    page.locator("#id_c-1-value_typed").fill("nobody")
    page.get_by_role("button", name="Estimate").click()
    expect(page.locator("#composer")).to_contain_text("Condition 2, value: Write one of")
    page.locator("#id_c-1-value_typed").fill("female, male")
    page.get_by_role("button", name="Add a condition").click()
    page.locator("#id_c-2-link").select_option("or")
    page.locator("#id_c-2-column").select_option("age")
    page.locator("#id_c-2-op").select_option(">=")
    page.locator("#id_c-2-value_typed").fill("65")
    page.locator("#id_h-0-figure").select_option(label="Figure 1")
    page.locator("#id_h-0-op").select_option(">=")
    page.locator("#id_h-0-value_typed").fill("10")
    page.get_by_role("button", name="Estimate", exact=True).click()
    shoot(page, "composer-form-or-limit")
    page.get_by_role("button", name="as SQL").click()
    written = re.compile(r"WHERE \(sex IN \('female', 'male'\) OR age >= 65\)\s+HAVING COUNT\(\*\) >= 10")
    expect(page.locator("#id_sql")).to_have_value(written)
    page.get_by_role("button", name="in a form").click()
    expect(page.locator("#id_c-0-value_typed")).to_have_value("female, male")
    page.get_by_role("button", name="Save and check").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("By form, without scripts")
    window.close()


@pytest.mark.parametrize("size", SIZES)
def test_the_form_keeps_the_rules_while_it_is_filled_in(live: LiveNode, browser: Browser, size: str) -> None:
    width, height = SIZES[size]
    window = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
    page = window.new_page()
    live.sign_in(page, "sam")
    page.goto(f"{live.url}/requests/new/{live.grant.id}/?way=form")
    page.locator("#id_title").fill("Wrong")
    page.locator("#id_f-0-fn").select_option("mean")
    page.locator("#id_c-0-column").select_option("sex")
    page.locator("#id_c-0-op").select_option("=")
    page.get_by_role("button", name="Save and check").click()
    expect(page.locator("#composer")).to_contain_text("Figure 1, of column: Choose the column")
    shoot(page, f"composer-form-wrong-{size}")
    assert told(Axe().run(page, options=RULES)) == ""
    page.locator("#id_f-0-column").select_option("age")
    page.locator("#id_c-0-column").select_option("")
    page.locator("#id_g-0-column").select_option("sex")
    page.get_by_role("button", name="Estimate", exact=True).click()
    expect(page.locator("#estimate")).to_contain_text("How each figure is made private")
    page.locator("#estimate details").first.evaluate("d => { d.open = true }")
    shoot(page, f"composer-form-right-{size}")
    assert told(Axe().run(page, options=RULES)) == ""
    assert not page.evaluate(
        "document.documentElement.scrollWidth > document.documentElement.clientWidth + 1"
    )
    window.close()


QUESTIONS = {
    "bins": "SELECT FLOOR(age / 5) * 5 AS age_from, COUNT(*) AS n, AVG(scoma) AS coma FROM support2 GROUP BY 1",
    "pairs": "SELECT dzgroup, sex, COUNT(*) AS patients FROM support2 GROUP BY 1, 2",
}


def answered(live: LiveNode, sql: str, title: str) -> str:
    """Ask, approve and wait; return the request's key."""
    query = live.clients["sam"].sql(live.grant, sql, epsilon="0.2", title=title).submit()
    for waiting in live.clients["alice"].queue():
        if waiting.id == query.id:
            waiting.approve()
    return str(query.wait(timeout=60).id)


@pytest.mark.parametrize("name", ["bins", "pairs"])
def test_answers_are_drawn_and_keep_the_rules_on_wide_and_narrow_screens(
    live: LiveNode, browser: Browser, name: str
) -> None:
    key = answered(live, QUESTIONS[name], f"Drawn: {name}")
    for size, (width, height) in SIZES.items():
        window = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
        page = window.new_page()
        live.sign_in(page, "sam")
        page.goto(f"{live.url}/requests/{key}/result/")
        expect(page.locator(".chart svg").first).to_be_visible()
        shoot(page, f"result-{name}-{size}")
        assert told(Axe().run(page, options=RULES)) == ""
        assert not page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth + 1"
        )
        page.emulate_media(media="print")
        shoot(page, f"result-{name}-{size}-print")
        window.close()
