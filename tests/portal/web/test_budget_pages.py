"""Budgets in the browser: asking for more, the two people's answers, cuts, caps, one budget in full, the ledger."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from domains.ledger import protocol, topups
from domains.ledger.models import Account, Entry, LimitProposal, Scope, TopUp
from domains.requests import decisions
from tests.portal.web import kit
from tests.portal.web.kit import Story

PEOPLE = ("sam", "alice", "rita", "ada", "theo", "charlie")


def browser(given: Story, name: str) -> Client:
    return kit.browser(getattr(given.cast, name))


def account(scope: Scope = Scope.GRANT) -> Account:
    return Account.objects.get(scope=scope)


def spent(given: Story, title: str = "Patients by sex", epsilon: str = "0.1") -> Any:
    """Return a request of Sam's that was approved and whose loss is committed."""
    analysis = kit.ask(given, title, epsilon=epsilon)
    decisions.review(analysis, revision=1, vote="approve", reason="", by=given.cast.alice)
    assert protocol.commit(analysis.run.charge_key, lease=timedelta(minutes=1)) is not None
    return analysis


def asked(given: Story) -> TopUp:
    return topups.ask(given.grant, epsilon=Decimal(2), reason="More <questions>.", by=given.cast.sam)


def test_an_ask_is_proposed_and_confirmed_in_the_browser(given: Story) -> None:
    sam, ada, alice = (browser(given, name) for name in ("sam", "ada", "alice"))
    page = sam.get(reverse("project", args=[given.project.pk])).content.decode()
    address = reverse("grant_ask_more", args=[given.grant.pk])
    assert address in page
    kept = sam.post(address, {"epsilon": "9", "reason": "Much more."})
    assert kept.status_code == 422
    assert "Much more." in kept.content.decode()  # nothing typed is lost
    there = sam.post(address, {"epsilon": "2", "reason": "More questions."})
    made = TopUp.objects.get()
    assert there.url == reverse("topup", args=[made.pk])
    assert kit.faults(sam.get(there.url).content.decode()) == []
    assert "Propose the new limit" in ada.get(there.url).content.decode()
    assert ada.post(there.url, {"do": "propose", "epsilon": "1.5"}).status_code == 302
    assert "Confirm the larger budget" not in ada.get(there.url).content.decode()
    assert "Confirm the larger budget" in alice.get(there.url).content.decode()
    alice.post(there.url, {"do": "confirm"})
    made.refresh_from_db()
    assert made.status == "confirmed"
    assert account().limit_version == 1
    assert "Confirmed" in sam.get(reverse("topups")).content.decode()


def test_who_may_ask_answer_and_read(given: Story) -> None:
    made = asked(given)
    addresses = {
        reverse("grant_ask_more", args=[given.grant.pk]): (200, 403, 403, 403, 403, 404),
        reverse("grant_topup", args=[given.grant.pk]): (403, 403, 403, 200, 403, 404),
        reverse("topup", args=[made.pk]): (200, 200, 404, 200, 200, 404),
        reverse("account_cut", args=[account().pk]): (403, 403, 404, 200, 403, 404),
        reverse("account_raise", args=[account(Scope.DATASET).pk]): (403, 200, 404, 403, 403, 404),
        reverse("budget_account", args=[account().pk]): (200, 200, 404, 200, 200, 404),
        reverse("budget_account", args=[account(Scope.DATASET).pk]): (200, 200, 404, 200, 200, 404),
        reverse("topups"): (200,) * 6,
    }
    browsers = {name: browser(given, name) for name in PEOPLE}
    for path, codes in addresses.items():
        seen = tuple(browsers[name].get(path).status_code for name in PEOPLE)
        assert seen == codes, path


@pytest.mark.parametrize(
    ("name", "do"),
    [("theo", "propose"), ("sam", "confirm"), ("alice", "propose"), ("ada", "confirm"), ("ada", "nonsense")],
)
def test_a_post_that_is_not_ones_own_to_make_changes_nothing(given: Story, name: str, do: str) -> None:
    made = asked(given)
    answer = browser(given, name).post(reverse("topup", args=[made.pk]), {"do": do, "epsilon": "1.5"})
    assert answer.status_code in {403, 422}
    made.refresh_from_db()
    assert made.status == "asked"


def test_declining_needs_a_reason_and_taking_back_none(given: Story) -> None:
    made = asked(given)
    path = reverse("topup", args=[made.pk])
    assert browser(given, "ada").post(path, {"do": "decline"}).status_code == 422
    assert browser(given, "ada").post(path, {"do": "decline", "reason": "Later."}).status_code == 302
    assert "Later." in browser(given, "sam").get(path).content.decode()
    again = asked(given)
    browser(given, "sam").post(reverse("topup", args=[again.pk]), {"do": "withdraw"})
    again.refresh_from_db()
    assert again.status == "withdrawn"


def test_a_cut_says_what_it_ends_before_it_does(given: Story) -> None:
    analysis = kit.ask(given, epsilon="0.5")
    decisions.review(analysis, revision=1, vote="approve", reason="", by=given.cast.alice)
    ada, path = browser(given, "ada"), reverse("account_cut", args=[account().pk])
    shown = ada.post(path, {"epsilon": "0.2", "reason": "Less."}).content.decode()
    assert "1 request hold" in shown
    assert kit.faults(shown) == []
    assert account().limit_version == 0
    done = ada.post(path, {"epsilon": "0.2", "reason": "Less.", "do": "confirm"}, follow=True)
    assert "1 approved request is in review again" in done.content.decode()
    analysis.refresh_from_db()
    assert (analysis.status, analysis.status_code) == ("in_review", "budget_cut")
    refused = ada.post(path, {"epsilon": "3", "reason": "More.", "do": "confirm"})
    assert refused.status_code == 422


def test_a_higher_cap_takes_an_owner_and_a_reviewer(given: Story) -> None:
    alice, rita = browser(given, "alice"), browser(given, "rita")
    path = reverse("account_raise", args=[account(Scope.DATASET).pk])
    made = alice.post(path, {"epsilon": "4", "reason": "A larger study."})
    proposal = LimitProposal.objects.get()
    assert made.url == reverse("cap_proposal", args=[proposal.pk])
    assert "Take it back" in alice.get(made.url).content.decode()
    assert kit.faults(rita.get(made.url).content.decode()) == []
    alice.post(made.url, {"do": "confirm"})
    assert account(Scope.DATASET).limit_version == 0
    for name, code in (("sam", 404), ("charlie", 404), ("theo", 200), ("ada", 200)):
        assert browser(given, name).get(made.url).status_code == code, name
    assert "Confirm a higher cap" in rita.get(reverse("home")).content.decode()
    rita.post(made.url, {"do": "confirm"})
    assert account(Scope.DATASET).limit_version == 1


def test_a_persons_own_limit_is_raised_by_one_and_a_grants_by_a_top_up(given: Story) -> None:
    spent(given)
    ada = browser(given, "ada")
    path = reverse("account_raise", args=[account(Scope.PERSON).pk])
    assert ada.post(path, {"epsilon": "5", "reason": "Share."}).status_code == 302
    assert account(Scope.PERSON).limit_version == 1
    away = ada.get(reverse("account_raise", args=[account().pk]))
    assert away.url == reverse("grant_topup", args=[given.grant.pk])


def test_one_budget_in_full_says_everything_in_words_too(given: Story) -> None:
    spent(given)
    kit.ask(given, "Waiting")
    html = (
        browser(given, "alice")
        .get(reverse("budget_account", args=[account(Scope.DATASET).pk]))
        .content.decode()
    )
    assert kit.faults(html) == []
    for words in (
        "Similar questions left",
        "at δ = 1 × 10",
        "right at most",
        "By project",
        "By person",
        "Sam",
    ):
        assert words in html
    assert "At the pace of the last 30 days" in html
    assert "is left;" in html


def test_what_others_did_is_not_shown_to_whoever_may_only_know_the_balance(given: Story) -> None:
    spent(given)
    cap = account(Scope.DATASET)
    html = browser(given, "sam").get(reverse("budget_account", args=[cap.pk])).content.decode()
    assert "By person" not in html
    assert "Who spent it, and when, is shown to" in html
    assert (
        reverse("budget_account", args=[cap.pk])
        not in browser(given, "sam").get(reverse("budget_entries")).content.decode()
    )
    assert (
        reverse("budget_account", args=[cap.pk])
        in browser(given, "alice").get(reverse("budget_entries")).content.decode()
    )


def test_budgets_are_filtered_by_kind_dataset_project_and_person(given: Story) -> None:
    spent(given)
    theo, path = browser(given, "theo"), reverse("budgets")

    def headings(query: str) -> set[str]:
        html = theo.get(f"{path}?{query}").content.decode()
        return {word for word in ("Populations", "Datasets", "Projects", "People") if f">{word}</h2>" in html}

    assert headings("") == {"Populations", "Datasets", "Projects", "People"}
    assert headings("scope=dataset") == {"Datasets"}
    assert headings("dataset=support2") == {"Datasets", "Projects", "People"}
    assert headings(f"project={given.project.pk}") == {"Projects"}
    assert headings(f"person={given.cast.sam.pk}") == {"People"}
    assert "Nothing matches" in theo.get(f"{path}?dataset=none").content.decode()


def test_the_ledger_is_filtered_and_each_line_leads_to_its_request_and_its_events(given: Story) -> None:
    analysis = spent(given)
    theo, path = browser(given, "theo"), reverse("budget_entries")

    def lines(query: str) -> int:
        return int(theo.get(f"{path}?{query}").context["page"].paginator.count)

    assert lines("") == 8
    assert (
        lines("kind=RESERVE")
        == lines("kind=COMMIT")
        == lines(f"project={given.project.pk}&scope=&kind=COMMIT")
        == 4
    )
    assert (
        lines("kind=BURNT") == lines("kind=VOID") == lines("dataset=none") == lines("until=2001-01-01") == 0
    )
    assert lines("scope=grant") == lines(f"account={account().pk}") == 2
    assert lines(f"person={given.cast.sam.pk}&since=2001-01-01&dataset=support2") == 8
    assert lines("since=nonsense&kind=nonsense") == 8
    line = reverse("budget_entry", args=[Entry.objects.earliest("seq").seq])
    html = theo.get(line).content.decode()
    assert kit.faults(html) == []
    assert reverse("request", args=[analysis.pk]) in html
    assert "charge.reserved" in html
    assert browser(given, "charlie").get(line).status_code == 404
    assert theo.get(reverse("budget_entry", args=[10**30])).status_code == 404


def test_the_csv_is_streamed_filtered_and_never_runs_as_a_formula(given: Story) -> None:
    given.project.title = "=cmd|' /C calc'!A1"
    type(given.project).objects.filter(pk=given.project.pk).update(title=given.project.title)
    spent(given)
    answer = browser(given, "theo").get(reverse("budget_entries_csv") + "?kind=COMMIT")
    assert answer.streaming
    text = b"".join(answer.streaming_content).decode()
    assert text.count("\r\n") == 5
    assert "'=cmd" in text
    assert ",=cmd" not in text
    assert (
        b"".join(browser(given, "charlie").get(reverse("budget_entries_csv")).streaming_content).count(b"\n")
        == 1
    )


def test_one_budget_costs_the_same_queries_however_much_was_spent(given: Story) -> None:
    client, path = browser(given, "theo"), None
    counts = []
    for number in range(3):
        spent(given, f"Question {number}", epsilon=f"0.0{number + 1}")
        path = reverse("budget_account", args=[account(Scope.DATASET).pk])
        client.get(path)
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        counts.append(len(queries))
    assert counts[1] == counts[2]
    assert counts[2] < 30


def test_the_books_are_checked_by_administrators_and_looked_at_by_auditors(given: Story) -> None:
    spent(given)
    path = reverse("books")
    ada, theo = browser(given, "ada"), browser(given, "theo")
    assert "None was recorded yet" in theo.get(path).content.decode()
    assert "Nothing differs" in theo.get(f"{path}?now=1").content.decode()
    assert theo.post(path, {"do": "check"}).status_code == 403
    assert ada.post(path, {"do": "check"}).status_code == 302
    html = theo.get(path).content.decode()
    assert "Nothing differs" in html
    assert kit.faults(html) == []
    assert ada.post(path, {"do": "propose", "reason": "Nothing is wrong."}).status_code == 422
    assert ada.post(path, {"do": "confirm", "index": "1"}).status_code == 404
    assert ada.post(path, {"do": "nonsense"}).status_code == 200
    for name in ("sam", "alice", "rita", "charlie"):
        assert browser(given, name).get(path).status_code == 403


def test_the_calculator_goes_from_an_epsilon_to_an_error_and_back(given: Story) -> None:
    sam, path = browser(given, "sam"), reverse("calculator")
    asked = {
        "statistic": "sum",
        "lower": "0",
        "upper": "100",
        "group": "1000",
        "rows_each": "1",
        "accounting": "zcdp",
    }
    assert kit.faults(sam.get(path).content.decode()) == []
    there = sam.get(path, {**asked, "epsilon": "0.5"})
    error = there.context["found"].plus_minus_95
    back = sam.get(path, {**asked, "error": str(error)}).context["found"]
    assert back.epsilon <= Decimal("0.5")
    assert back.plus_minus_95 <= error
    for wrong in (
        {},
        {"epsilon": "1", "error": "5"},
        {"epsilon": "x"},
        {"error": "0.0001"},
        {"epsilon": "1", "lower": "200"},
    ):
        answer = sam.get(path, {**asked, **wrong})
        assert answer.status_code == 422, wrong
        assert answer.context["found"] is None
