"""Saying no and then yes, leaving it to a policy, and taking a right away in mid-run: browsers and a real worker."""

from __future__ import annotations

import re
import time

import gridhouse
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import LiveNode, shoot
from tests.journeys.test_quorum import of

pytestmark = [pytest.mark.browser, pytest.mark.prove]
DEADLINE = 60  # seconds


def ask(live: LiveNode, sql: str, *, epsilon: str, title: str) -> str:
    """Send a request of Sam's in and return its key."""
    query = live.clients["sam"].sql(live.grant, sql, epsilon=epsilon, title=title)
    return str(query.submit().id)


def vote(live: LiveNode, page: Page, key: str, what: str, reason: str, confirm: str) -> None:
    page.goto(f"{live.url}/requests/{key}/decision/")
    page.locator(f"input[name=vote][value={what}]").check()
    page.locator("#id_reason").fill(reason)
    page.get_by_role("button", name="Go on to confirm").click()
    page.get_by_role("button", name=confirm).click()


def status(live: LiveNode, key: str) -> str:
    return str(live.clients["sam"]._session.get(f"requests/{key}/")["status"])


def test_a_denied_question_is_asked_better_and_approved(live: LiveNode, browser: Browser):
    alice, sam = of(browser, live, "alice"), of(browser, live, "sam")
    key = ask(
        live, "SELECT race, sex, COUNT(*) AS n FROM support2 GROUP BY race, sex", epsilon="0.02", title="Fine"
    )
    vote(live, alice, key, "deny", "Too fine a split.", "Deny")
    sam.goto(f"{live.url}/requests/{key}/")
    expect(sam.get_by_role("main")).to_contain_text("Too fine a split.")
    shoot(sam, "decisions-denied")
    again = ask(
        live, "SELECT sex, COUNT(*) AS n FROM support2 GROUP BY sex", epsilon="0.021", title="Coarser"
    )
    vote(live, alice, again, "approve", "Better.", "Yes, approve it")
    live.clients["sam"].request(again).wait(timeout=DEADLINE)
    sam.goto(f"{live.url}/requests/{again}/result/")
    expect(sam.get_by_role("main")).to_contain_text("female")
    assert live.worker_pid != live.web_pid


def test_a_policy_approves_what_is_small_and_leaves_the_rest_to_people(live: LiveNode, browser: Browser):
    alice = live.clients["alice"]._session
    share = {"is": "automatic_loss", "test": "at_most", "epsilon": "0.5", "per": "grant", "within": "month"}
    small = {"is": "loss", "test": "at_most", "epsilon": "0.03"}
    rules = {"format": 1, "rules": [{"then": "allow", "when": [small, share]}]}
    made = alice.post("datasets/support2/policies/", {"document": rules})
    page = of(browser, live, "rita")
    page.goto(f"{live.url}/datasets/support2/rules/{made['number']}/")
    page.get_by_role("button", name="Try it on past requests").click()
    shoot(page, "decisions-dry-run")
    page.get_by_role("button", name=f"Activate version {made['number']}").click()
    expect(page.get_by_text("Activated.")).to_be_visible()
    try:
        count = "SELECT COUNT(*) AS n FROM support2 WHERE age >= "
        own = ask(live, count + "62", epsilon="0.02", title="Small")
        live.clients["sam"].request(own).wait(timeout=DEADLINE)
        large = ask(live, count + "63", epsilon="0.04", title="Larger")
        assert status(live, large) == "in_review"
        window = of(browser, live, "alice")
        window.goto(f"{live.url}/requests/{large}/decision/")
        expect(window.get_by_role("main")).to_contain_text("Automation did not approve it")
        shoot(window, "decisions-referred")
        live.clients["sam"]._session.post(f"requests/{large}/withdraw/")
    finally:
        alice.post(f"datasets/support2/policies/{made['number']}/end/")


def test_a_grant_suspended_in_mid_run_kills_the_run(live: LiveNode, browser: Browser):
    alice, sam = of(browser, live, "alice"), of(browser, live, "sam")
    key = ask(live, "SELECT COUNT(*) AS n FROM support2 WHERE age >= 64", epsilon="0.02", title="Stopped")
    vote(live, alice, key, "approve", "Fine.", "Yes, approve it")
    alice.goto(f"{live.url}/grants/{live.grant.id}/suspend/")
    alice.locator("#id_reason").fill("A complaint came in.")
    until = time.monotonic() + DEADLINE
    while live.clients["sam"].request(key).status().code == "queued" and time.monotonic() < until:
        time.sleep(0.05)
    alice.get_by_role("button").filter(has_text="Suspend").click()
    shoot(alice, "decisions-suspended")
    sam.goto(f"{live.url}/requests/{key}/")
    main = sam.get_by_role("main")
    # Killed at its deadline, or before it opened the data: whichever the click met.
    expect(main).to_contain_text(re.compile("Held for release|Revoked"), timeout=30_000)
    shoot(sam, "decisions-killed")
    with pytest.raises(gridhouse.GridhouseError):
        live.clients["sam"].request(key).result()
    live.clients["alice"]._session.post(f"grants/{live.grant.id}/reinstate/", {"reason": "Looked into."})
