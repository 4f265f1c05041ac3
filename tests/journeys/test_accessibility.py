"""Every main page, as each role sees it, under axe's rules for WCAG 2.2 AA, on a wide and a narrow screen.

In `make test` the scientist's and the owner's on a narrow screen alone; the rest in `make prove`.
"""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.journeys.conftest import LiveNode, shoot

pytestmark = pytest.mark.browser

RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}
PAGES = {
    "sam": [
        "/",
        "/dashboard/",
        "/catalogue/",
        "/datasets/support2/",
        "/projects/",
        "/projects/new/",
        "/application-form/",
        "/requests/",
        "/agreements/",
        "/budgets/",
    ],
    "alice": [
        "/",
        "/dashboard/",
        "/queue/",
        "/catalogue/new/",
        "/datasets/support2/prepare/",
        "/datasets/support2/rules/",
        "/datasets/support2/approval/",
        "/datasets/support2/use/",
        "/datasets/support2/versions/",
        "/datasets/support2/released/",
        "/notices/",
        "/notices/settings/",
        "/webhooks/",
        "/connections/",
        "/connections/new/",
        "/agreements/new/",
    ],
    "rita": ["/", "/queue/", "/projects/"],
    "ada": [
        "/",
        "/people/",
        "/people/invite/",
        "/people/organisations/",
        "/account/sessions/",
        "/people/organisations/add/",
        "/account/",
        "/account/tokens/",
        "/dashboard/",
        "/deliveries/",
        "/stuck/",
        "/budgets/",
        "/budgets/entries/",
        "/budgets/topups/",
        "/budgets/calculator/",
        "/node/",
        "/node/pause/",
        "/application-form/new/",
        "/emergencies/",
    ],
    "theo": ["/", "/audit/", "/audit/events/1/", "/audit/verify/", "/budgets/entries/", "/budgets/books/"],
}
SIZES = {"wide": (1280, 900), "narrow": (360, 740)}
QUICK = {("sam", "narrow"), ("alice", "narrow")}


@pytest.fixture(scope="module")
def waiting(live: LiveNode) -> str:
    """A request in review, for the pages that are about one."""
    query = live.clients["sam"].sql(
        live.grant, "SELECT COUNT(*) AS n FROM support2", epsilon="0.02", title="Waiting"
    )
    return str(query.submit().id)


def told(results) -> str:
    """Return what axe found, with the elements, or an empty string."""
    lines = []
    for violation in results.response["violations"]:
        nodes = "; ".join(node["html"][:120] for node in violation["nodes"][:3])
        lines.append(f"{violation['id']} ({violation['impact']}): {violation['help']}: {nodes}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        pytest.param(name, size, marks=() if (name, size) in QUICK else pytest.mark.prove)
        for name in PAGES
        for size in SIZES
    ],
)
def test_every_page_keeps_the_rules_and_fits_the_screen(
    live: LiveNode, browser: Browser, waiting: str, name: str, size: str
):
    width, height = SIZES[size]
    window = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
    page = window.new_page()
    live.sign_in(page, name)
    own = {
        "sam": [
            f"/requests/{waiting}/",
            f"/requests/new/{live.grant.id}/",
            f"/requests/new/{live.grant.id}/?way=form",
            f"/projects/{live.grant.project['id']}/renew/",
        ],
        "alice": [f"/requests/{waiting}/decision/", f"/requests/{waiting}/recuse/"],
        "theo": [f"/projects/{live.grant.project['id']}/evidence/"],
    }
    problems = []
    for path in PAGES[name] + own.get(name, []):
        response = page.goto(live.url + path)
        assert response is not None
        assert response.status == 200, f"{path} answered {response.status}"
        shoot(page, f"{size}-{name}{re.sub('[/?=]', '-', path).rstrip('-')}")
        problems += [f"{path}: {line}" for line in told(Axe().run(page, options=RULES)).splitlines()]
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth + 1"):
            problems.append(f"{path}: the page is wider than the screen")
    window.close()
    assert not problems, "\n".join(problems)


def test_the_sign_in_page_keeps_the_rules(live: LiveNode, browser: Browser):
    window = browser.new_context()
    page = window.new_page()
    page.goto(f"{live.url}/account/login/")
    shoot(page, "sign-in")
    assert told(Axe().run(page, options=RULES)) == ""
    window.close()
