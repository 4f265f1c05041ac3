"""Writing, trying and activating rules for automation in a browser without JavaScript."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.urls import reverse

from domains.catalog.models import AccessPolicy
from domains.catalog.policy import parse
from domains.catalog.templates import TEMPLATES
from portal.web.policy_forms import Editor, epsilon_text
from tests.portal.web import kit
from tests.portal.web.kit import Story

pytestmark = pytest.mark.django_db
DELTA = 5e-7


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def at(name: str, *args: Any) -> str:
    return reverse(name, args=["support2", *args])


def written(**more: str) -> dict[str, Any]:
    """The fields of one rule that approves small questions, as the page posts them."""
    return {
        "r-0-then": "allow", "r-0-title": "Small", "r-0-c-0-is": "loss", "r-0-c-0-test": "at_most",
        "r-0-c-0-rho": "0.1",
        "r-0-c-1-is": "automatic_loss", "r-0-c-1-test": "at_most", "r-0-c-1-rho": "1", "r-0-c-1-per": "grant",
        "r-0-c-1-within": "month",
    } | more  # fmt: skip


def test_rules_are_written_tried_activated_and_ended(given: Story) -> None:
    kit.ask(given, epsilon="0.05")
    alice, rita = kit.browser(given.cast.alice), kit.browser(given.cast.rita)
    page = text(alice.get(at("policy_new")))
    assert "Let people decide, always." in page  # it begins with what holds now
    tried = text(alice.post(at("policy_new"), written(do="try", days="30")))
    assert "1 of 1 request</strong> would have got another answer" in tried
    assert "Patients by sex" in tried
    assert not AccessPolicy.objects.exists(), "trying keeps nothing"
    answer = alice.post(at("policy_new"), written(do="propose"), follow=True)
    assert "it costs at most ε 0.1" in text(answer)
    assert "Activate version 1" not in text(answer)
    home = text(rita.get(reverse("home")))
    assert "Activate a policy" in home
    assert at("policy", 1) in home
    run = rita.post(at("policy_try", 1), {"days": "90"}, follow=True)
    assert "Activate version 1" in text(run)
    assert "<strong>changed</strong>" in text(run)
    key = run.redirect_chain[-1][0].rstrip("/").rsplit("/", 1)[1]
    assert "Activated." in text(rita.post(at("policy_activate", 1), {"dry_run": key}, follow=True))
    assert "in force" in text(rita.get(at("dataset_rules")))
    assert "having seen the dry run" in text(kit.browser(given.cast.sam).get(at("policy", 1)))
    assert "Ended. People decide" in text(alice.post(at("policy_end", 1), follow=True))


def test_nobody_activates_what_they_have_not_seen(given: Story) -> None:
    alice, rita = kit.browser(given.cast.alice), kit.browser(given.cast.rita)
    alice.post(at("policy_new"), written(do="propose"))
    assert "First try it on past requests" in text(rita.post(at("policy_activate", 1), follow=True))
    run = alice.post(at("policy_try", 1), follow=True)
    assert "Activate version 1" not in text(run)
    theirs = run.redirect_chain[-1][0]
    assert "Somebody else asked for this dry run" in text(rita.get(theirs))
    key = theirs.rstrip("/").rsplit("/", 1)[1]
    assert "First try it" in text(rita.post(at("policy_activate", 1), {"dry_run": key}, follow=True))
    assert AccessPolicy.objects.get().phase == "proposed"


def test_lines_are_added_moved_and_taken_away_and_nothing_typed_is_lost(given: Story) -> None:
    alice = kit.browser(given.cast.alice)
    post = lambda **more: text(alice.post(at("policy_new"), written(**more)))  # noqa: E731
    page = post(do="add", **{"r-0-title": "Kept"})
    assert 'value="Kept"' in page
    assert 'name="r-1-then"' in page
    second = {"r-1-then": "refuse", "r-1-title": "Second", "r-1-new": "columns"}
    page = post(do="with-1", **second)
    assert 'name="r-1-c-0-of"' in page
    page = post(do="up-1", **second)
    assert page.index('value="Second"') < page.index('value="Small"')
    page = post(do="drop-0", **second)
    assert 'value="Small"' not in page
    assert 'name="r-0-title" value="Second"' in page
    page = post(do="drop-0-0")
    assert 'name="r-0-c-0-is" value="automatic_loss"' in page
    assert 'name="r-0-c-1-is"' not in page
    for odd in ("drop-9", "up-0", "down-0", "with-x", "drop-0-9", "nonsense", "drop-0-0-0", ""):
        assert 'value="Small"' in post(do=odd)


def test_faults_stand_beside_their_rules(given: Story) -> None:
    alice = kit.browser(given.cast.alice)
    typed = written(do="propose", **{"r-0-c-0-rho": "much", "r-1-then": "allow", "r-1-title": ""})
    typed |= {
        "r-2-then": "refuse",
        "r-2-c-0-is": "columns",
        "r-2-c-0-test": "any",
        "r-2-c-0-of": "age, income",
    }
    answer = alice.post(at("policy_new"), typed)
    page = text(answer)
    assert answer.status_code == 422
    first, second, third = (page.index(f"Rule {n}</h2>") for n in (1, 2, 3))
    assert first < page.index("Loss: an ε between 0 and 100") < second
    assert second < page.index("Say how much one request may cost") < third
    assert third < page.index("has “income”")
    assert 'value="much"' in page
    assert not kit.faults(answer.content.decode())
    assert "between 1 and 30 rules" in text(alice.post(at("policy_new"), {"do": "show"}))
    whole = text(alice.post(at("policy_new"), written(do="show")))
    assert "These rules can be proposed" in whole


def test_an_earlier_version_is_gone_back_to_as_a_new_proposal(given: Story) -> None:
    alice = kit.browser(given.cast.alice)
    alice.post(at("policy_new"), written(do="propose"))
    alice.post(at("policy_end", 1))
    page = text(alice.get(at("policy_new") + "?from=1"))
    assert 'value="Small"' in page
    assert "Approve automatically where it costs at most ε 0.1" in page
    assert alice.get(at("policy_new") + "?from=9").status_code == 404


def test_the_next_version_is_compared_with_the_one_in_force(given: Story) -> None:
    alice, rita = kit.browser(given.cast.alice), kit.browser(given.cast.rita)
    alice.post(at("policy_new"), written(do="propose"))
    key = rita.post(at("policy_try", 1))["Location"].rstrip("/").rsplit("/", 1)[1]
    rita.post(at("policy_activate", 1), {"dry_run": key})
    alice.post(at("policy_new"), written(do="propose", **{"r-0-c-0-rho": "0.2"}))
    page = text(rita.get(at("policy", 2)))
    assert "<del>− Approve automatically where it costs at most ε 0.1" in page
    assert "<ins>+ Approve automatically where it costs at most ε 0.2" in page


def test_a_dry_run_is_listed_narrowed_and_exported_safely(
    given: Story, django_assert_max_num_queries: Any
) -> None:
    first = kit.ask(given, title="=cmd()", epsilon="0.05")
    alice = kit.browser(given.cast.alice)
    alice.post(at("policy_new"), written(do="propose"))
    path = alice.post(at("policy_try", 1))["Location"]

    def counted() -> int:
        with django_assert_max_num_queries(60) as seen:
            assert alice.get(path).status_code == 200
        return len(seen)

    one = counted()
    for number in range(3):
        kit.ask(given, title=f"Costly {number}", epsilon=f"0.2{number}")
    path = alice.post(at("policy_try", 1))["Location"]
    assert counted() == one
    assert "Costly 1" in text(alice.get(path))
    assert "Costly 1" not in text(alice.get(path + "?show=changed"))
    assert not kit.faults(alice.get(path).content.decode())
    rows = list(csv.DictReader(io.StringIO(alice.get(path + "lines.csv").content.decode())))
    assert len(rows) == 4
    assert rows[-1] | {"submitted_at": ""} == {
        "request": first.pk, "revision_sha256": first.current.sha256, "submitted_at": "", "answered_then": "refer",
        "became": "In review", "would_answer": "allow", "rules": "",
    }  # fmt: skip


def test_who_may_see_and_do_what(given: Story) -> None:
    alice = kit.browser(given.cast.alice)
    alice.post(at("policy_new"), written(do="propose"))
    path = alice.post(at("policy_try", 1))["Location"]
    for name, may_see in (("rita", True), ("sam", False), ("charlie", False), ("ada", False)):
        person = kit.browser(getattr(given.cast, name))
        assert person.get(at("policy_new")).status_code in {403, 404}
        assert person.post(at("policy_new"), written(do="propose")).status_code in {403, 404}
        assert (person.get(at("policy", 1)).status_code == 200) is may_see
        assert (person.get(path).status_code == 200) is may_see
        assert (person.get(path + "lines.csv").status_code == 200) is may_see
    assert AccessPolicy.objects.count() == 1


def test_a_long_dry_run_is_announced(given: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domains.requests.dry_runs.MOST_AT_ONCE", 0)
    kit.ask(given)
    alice = kit.browser(given.cast.alice)
    assert "Propose them; a worker then tries them" in text(alice.post(at("policy_new"), written(do="try")))
    alice.post(at("policy_new"), written(do="propose"))
    page = text(alice.post(at("policy_try", 1), follow=True))
    assert "A worker is trying it on the requests" in page


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_shown_in_words_and_read_back_as_it_is(given: Story, name: str) -> None:
    alice = kit.browser(given.cast.alice)
    page = alice.post(at("policy_new"), {"do": f"use-{name}"})
    made = TEMPLATES[name].make(given.cast.population.conversion_delta)
    assert parse(made).in_words(DELTA)[0] in text(page)
    assert not kit.faults(page.content.decode())
    editor = Editor.of(made, DELTA)
    assert parse(editor.document()) == parse(made)


@pytest.mark.parametrize("rho", [1, 123_456_789, 10**10 + 7, 3 * 10**12 + 11])
def test_an_epsilon_on_the_page_becomes_the_same_rho_again(rho: int) -> None:
    made = {"format": 1, "rules": [{"then": "refuse", "when": [{"is": "loss", "test": "over", "rho": rho}]}]}
    assert Editor.of(made, DELTA).document()["rules"][0]["when"] == made["rules"][0]["when"]
    assert len(epsilon_text(rho, DELTA)) < 20
