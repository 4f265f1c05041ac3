"""The pictures of `docs/tour.md`: each page that it shows is reached, whole, by the person who is said to see it.

`make pictures` leaves them in `docs/pictures`, anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.journeys.conftest import LiveNode

pytestmark = [pytest.mark.browser, pytest.mark.prove]

ROOT = Path(__file__).resolve().parents[2]
FOLDER = os.environ.get("PICTURES")
QUESTION = "SELECT dzgroup, sex, COUNT(*) AS patients, AVG(age) AS mean_age FROM support2 GROUP BY 1, 2"
# Picture: who looks, where, and the height that is shown of it.
TOUR = {
    "home": ("alice", "/", 760),
    "catalogue": ("sam", "/catalogue/", 640),
    "dataset": ("sam", "/datasets/support2/", 900),
    "application": ("sam", "/projects/{project}/", 900),
    "composer": ("sam", "/requests/new/{grant}/?way=form", 1000),
    "decision": ("alice", "/requests/{waiting}/decision/", 1300),
    "result": ("sam", "/requests/{answered}/result/", 1200),
    "budgets": ("ada", "/budgets/", 800),
    "rules": ("alice", "/datasets/support2/rules/new/", 900),
    "audit": ("theo", "/audit/", 900),
    "dashboard": ("ada", "/dashboard/", 1000),
}


@pytest.fixture(scope="module")
def keys(live: LiveNode) -> dict[str, str]:
    """The keys that addresses name: one question of Sam's is answered, another waits."""
    sam, alice = live.clients["sam"], live.clients["alice"]
    answered = sam.sql(live.grant, QUESTION, epsilon="0.3", title="Age and sex by disease group").submit()
    next(item for item in alice.queue() if item.id == answered.id).approve()
    answered.wait(timeout=60)
    text = QUESTION.replace("AVG(age) AS mean_age", "AVG(meanbp) AS mean_bp")
    waiting = sam.sql(live.grant, text, epsilon="0.2", title="Blood pressure by disease group").submit()
    return {
        "answered": str(answered.id),
        "waiting": str(waiting.id),
        "grant": str(live.grant.id),
        "project": str(live.grant.project["id"]),
    }


@pytest.mark.parametrize("name", TOUR)
def test_a_page_of_the_tour_is_there(
    live: LiveNode, browser: Browser, keys: dict[str, str], name: str
) -> None:
    person, path, height = TOUR[name]
    window = browser.new_context(viewport={"width": 1200, "height": height}, reduced_motion="reduce")
    page = window.new_page()
    live.sign_in(page, person)
    response = page.goto(live.url + path.format(**keys))
    assert response is not None
    assert response.status == 200
    assert page.locator("h1").count() == 1
    if FOLDER:
        _take(page, Path(FOLDER) / f"{name}.jpg", str(live.home))
    window.close()


def _take(page: Page, picture: Path, home: str) -> None:
    """Take a picture on which no path of this machine stands."""
    words = "home => document.body.innerHTML = document.body.innerHTML.replaceAll(home, '/var/lib/gridhouse')"
    page.evaluate(words, home)
    picture.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=picture, type="jpeg", quality=62)


def test_the_tour_shows_each_picture_and_no_other() -> None:
    text = (ROOT / "docs/tour.md").read_text()
    pictures = {path.stem for path in (ROOT / "docs/pictures").glob("*.jpg")}
    assert pictures == set(TOUR)
    assert [name for name in TOUR if f"](pictures/{name}.jpg)" not in text] == []
