"""What the decision page and its twin in the API show besides: the difference in words, and what is out already."""

from __future__ import annotations

import pytest
from django.urls import reverse

from domains.catalog import actions as catalog
from domains.people.permissions import Role
from domains.requests import actions, briefing, decisions, queries
from domains.requests.models import AnalysisRequest
from tests.portal.web import kit
from tests.portal.web.kit import Story

pytestmark = pytest.mark.django_db


def text(answer) -> str:
    return " ".join(answer.content.decode().split())


@pytest.fixture
def revised(given: Story) -> AnalysisRequest:
    """A request that was sent back, changed in one number, and submitted again."""
    analysis = kit.ask(given)
    decisions.review(analysis, revision=1, vote="request_changes", reason="Older ones.", by=given.cast.alice)
    changed = "SELECT sex, COUNT(*) AS patients FROM support2 GROUP BY sex"
    actions.edit(analysis, title=analysis.title, sql=changed, epsilon="0.2", by=given.cast.sam)
    assert not actions.check(analysis, by=given.cast.sam)
    actions.submit(analysis, revision=2, by=given.cast.sam)
    return queries.detail(analysis.pk, given.cast.alice)


def test_the_page_marks_the_words_that_changed(given: Story, revised: AnalysisRequest) -> None:
    page = kit.browser(given.cast.alice).get(reverse("decision", args=[revised.pk])).content.decode()
    assert "Compared with revision 1" in page
    assert "<ins" in page
    assert 'class="hl-keyword">SELECT' in page
    assert 'data-key="7"' in page
    assert 'style="' not in page
    assert not kit.faults(page)


def test_a_thread_shows_markdown_and_no_html(given: Story) -> None:
    analysis = kit.ask(given)
    actions.comment(analysis, "**Why** <img src=x onerror=alert(1)>", by=given.cast.sam)
    page = kit.browser(given.cast.alice).get(reverse("decision", args=[analysis.pk])).content.decode()
    assert "<strong>Why</strong> &lt;img src=x onerror=alert(1)&gt;" in page


def test_the_api_tells_what_the_page_shows(given: Story, revised: AnalysisRequest) -> None:
    path = f"/api/v1/requests/{revised.pk}/decision/"
    found = kit.browser(given.cast.alice).get(path).json()
    assert (found["compared_with"], found["may_decide"], found["undo_until"]) == (1, True, None)
    assert any(line["mark"] == "+" and line["words"] for line in found["changes"])
    assert "times in 100" in found["risk"]
    assert found["estimate"]["effects"]
    assert found["request"]["quorum"]["needed"] == 1
    assert found["request"]["specification"]["reviews"] == []
    statuses = {
        name: kit.browser(getattr(given.cast, name)).get(path).status_code
        for name in ("rita", "sam", "ada", "theo", "charlie")
    }
    assert statuses == {"rita": 404, "sam": 403, "ada": 404, "theo": 200, "charlie": 404}


def test_who_was_told_of_the_undo_window_reads_its_end(given: Story, settings) -> None:
    settings.UNDO_SECONDS = 30
    analysis = kit.ask(given)
    decisions.review(
        queries.detail(analysis.pk, given.cast.alice),
        revision=1,
        vote="approve",
        by=given.cast.alice,
        undo_seconds=30,
    )
    found = kit.browser(given.cast.alice).get(f"/api/v1/requests/{analysis.pk}/decision/").json()
    assert found.get("undo_until"), found
    assert not found["may_decide"]


def test_a_reviewer_of_the_dataset_reads_it_too(given: Story) -> None:
    catalog.assign(given.dataset, given.cast.rita, role=Role.DATASET_REVIEWER, by=given.cast.alice)
    analysis = kit.ask(given)
    assert briefing.may_read(analysis, given.cast.rita)
    assert briefing.risk(None) == ""
    assert briefing.earlier(AnalysisRequest(grant=given.grant)).rows == ()
