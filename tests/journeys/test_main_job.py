"""The main job in a real browser: Sam composes and submits, Alice approves by keyboard, a worker answers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from gridhouse import verify
from playwright.sync_api import Page, expect

from tests.journeys.conftest import LiveNode, shoot

pytestmark = pytest.mark.browser

QUESTION = "SELECT dzclass, COUNT(*) AS patients, AVG(age) AS mean_age FROM support2 GROUP BY dzclass"


def left(live: LiveNode) -> float:
    """Return the ε that Sam's grant has used."""
    rows = {row["scope"]: row for row in live.clients["sam"].budget(live.grant)}
    return float(rows["grant"]["epsilon_used"])


def press_until_focused(page: Page, selector: str, *, most: int = 120) -> None:
    """Press Tab until the element has the focus: what is not reachable so is not usable without a mouse."""
    for _ in range(most):
        if page.evaluate("s => document.activeElement && document.activeElement.matches(s)", selector):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"{selector} cannot be reached with the keyboard")


def test_a_question_goes_from_the_composer_to_a_verified_receipt(
    live: LiveNode, browser, page: Page, tmp_path
):
    before = left(live)
    key = compose_and_submit(live, page)
    approve_by_keyboard(live, browser, key)
    result_appears(live, page, key)
    assert left(live) > before
    receipt_verifies_offline(page, tmp_path)
    assert live.worker_pid != live.web_pid


def compose_and_submit(live: LiveNode, page: Page) -> str:
    live.sign_in(page, "sam")
    shoot(page, "home-scientist")
    page.goto(f"{live.url}/requests/new/{live.grant.id}/")
    page.get_by_label("Title").fill("Patients by class of disease")
    page.locator("#id_sql").fill("SELECT age FROM support2")
    expect(page.locator("#estimate")).to_contain_text("cannot be asked")
    page.locator("#id_sql").fill(QUESTION)
    page.locator("#id_epsilon").fill("0.25")
    expect(page.locator("#estimate")).to_contain_text("0.25")
    shoot(page, "composer")
    page.get_by_role("button", name="Save and check").click()
    page.wait_for_url(re.compile(r"/requests/[0-9A-Z]{26}/$"))
    shoot(page, "request-ready")
    page.get_by_role("button", name="Submit", exact=False).first.click()
    expect(page.get_by_role("main")).to_contain_text("In review")
    shoot(page, "request-in-review")
    return page.url.rstrip("/").rsplit("/", 1)[1]


def approve_by_keyboard(live: LiveNode, browser, key: str) -> None:
    """Approve with the keyboard alone, from the sign-in form to the confirmation."""
    window = browser.new_context(viewport={"width": 1280, "height": 900})
    page = window.new_page()
    page.goto(f"{live.url}/account/login/?next=/requests/{key}/decision/")
    press_until_focused(page, "#id_login")
    page.keyboard.type(live.people["alice"]["email"])
    press_until_focused(page, "#id_password")
    page.keyboard.type(live.people["alice"]["password"])
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live.url}/requests/{key}/decision/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Patients by class of disease")
    shoot(page, "decision")
    press_until_focused(page, "input[name=vote]")
    page.keyboard.press("Space")
    assert page.locator("input[name=vote][value=approve]").is_checked()
    press_until_focused(page, "form[action$='/decision/'] button[type=submit]")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Approve this request?")
    shoot(page, "decision-confirm")
    press_until_focused(page, "main form button[type=submit]")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Undo the approval")).to_be_visible()
    shoot(page, "decision-undo")
    window.close()


def result_appears(live: LiveNode, page: Page, key: str) -> None:
    live.clients["sam"].request(key).wait(timeout=60)
    page.goto(f"{live.url}/requests/{key}/result/")
    rows = page.locator("table").first.locator("tbody tr")
    expect(rows).to_have_count(4)
    expect(page.get_by_role("main")).to_contain_text("±")
    expect(page.locator("svg").first).to_be_visible()
    shoot(page, "result")


def receipt_verifies_offline(page: Page, folder: Path) -> None:
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download receipt").click()
    receipt = folder / "receipt.json"
    waiting.value.save_as(receipt)
    done = subprocess.run(
        [sys.executable, "-I", verify.__file__, str(receipt)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    forged = json.loads(receipt.read_text())
    forged["index"] += 1
    receipt.write_text(json.dumps(forged))
    again = subprocess.run(
        [sys.executable, "-I", verify.__file__, str(receipt)], capture_output=True, check=False
    )
    assert again.returncode != 0


def test_without_javascript_a_question_is_estimated_saved_and_submitted(live: LiveNode, browser):
    window = browser.new_context(java_script_enabled=False)
    page = window.new_page()
    live.sign_in(page, "sam")
    page.goto(f"{live.url}/requests/new/{live.grant.id}/")
    page.get_by_label("Title").fill("Without scripts")
    page.locator("#id_sql").fill("SELECT COUNT(*) AS n FROM support2")
    page.locator("#id_epsilon").fill("0.05")
    page.get_by_role("button", name="Estimate").click()
    expect(page.locator("#estimate")).to_contain_text("0.05")
    page.get_by_role("button", name="Save and check").click()
    page.get_by_role("button", name="Submit", exact=False).first.click()
    expect(page.get_by_role("main")).to_contain_text("In review")
    window.close()
