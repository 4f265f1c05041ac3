"""The composer: one question as SQL or in a form, without a line of JavaScript."""

from __future__ import annotations

import html
import re
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from domains.ledger.queries import Balance, chain_of, similar_left
from domains.requests.models import AnalysisRequest
from portal.web.sketch_forms import SketchForm
from privacy.loss import Loss
from privacy.query.reference import EXAMPLE
from privacy.query.sketch_read import read
from tests import pure
from tests.portal.web import kit
from tests.portal.web.kit import Story

pytestmark = pytest.mark.django_db

FILLED = {
    "way": "form",
    "title": "Older patients",
    "epsilon": "0.1",
    "f-count": "2",
    "f-0-fn": "count",
    "f-0-name": "n",
    "f-1-fn": "mean",
    "f-1-column": "age",
    "f-1-name": "mean_age",
    "c-count": "1",
    "c-0-column": "age",
    "c-0-op": ">=",
    "c-0-value_typed": "65",
    "g-count": "1",
    "g-0-column": "sex",
    "e-order": "f0",
    "e-direction": "down",
}
WRITTEN = """SELECT sex, COUNT(*) AS n, AVG(age) AS mean_age
FROM support2
WHERE age >= 65
GROUP BY sex
ORDER BY 2 DESC"""


def page(client: Client, given: Story, typed: dict[str, str]) -> str:
    """Press a button of the composer and return the page as text."""
    answer = client.post(reverse("request_new", args=[given.grant.pk]), typed)
    assert answer.status_code in (200, 422)
    assert kit.faults(answer.content.decode()) == []
    return html.unescape(answer.content.decode())


def test_a_form_is_saved_as_the_sql_that_it_writes(given: Story) -> None:
    sam = kit.browser(given.cast.sam)
    sam.post(reverse("request_new", args=[given.grant.pk]), {**FILLED, "do": "save"})
    analysis = AnalysisRequest.objects.get()
    assert analysis.draft_sql == WRITTEN
    assert analysis.status == "ready"


def test_switching_ways_keeps_the_question(given: Story) -> None:
    sam = kit.browser(given.cast.sam)
    as_sql = page(sam, given, {**FILLED, "do": "to_sql"})
    assert 'name="way" value="sql"' in as_sql
    assert WRITTEN in as_sql
    back = page(
        sam, given, {"way": "sql", "sql": WRITTEN, "epsilon": "0.1", "title": "Kept", "do": "to_form"}
    )
    assert 'name="way" value="form"' in back
    assert WRITTEN in back.replace("<code>", "")
    assert 'value="Kept"' in back
    assert re.search(r'<option value="mean" selected>', back)
    assert re.search(r'name="c-0-value_typed" value="65"', back)


def test_sql_that_the_form_cannot_show_stays_and_says_so(given: Story) -> None:
    sam = kit.browser(given.cast.sam)
    sql = "SELECT sex, COUNT(*) AS n FROM support2 GROUP BY sex HAVING COUNT(*) > 20 OR sex = 'male'"
    shown = page(sam, given, {"way": "sql", "sql": sql, "epsilon": "0.1", "do": "to_form"})
    assert "The form cannot show this query. The form shows the lines whose figures" in shown
    assert sql in shown
    shown = page(sam, given, {"way": "sql", "sql": "SELECT age", "epsilon": "0.1", "do": "to_form"})
    assert "The form cannot show what cannot be asked." in shown


def test_a_line_more_is_a_round_trip_and_loses_nothing(given: Story) -> None:
    sam = kit.browser(given.cast.sam)
    more = page(sam, given, {**FILLED, "do": "add-c"})
    assert 'name="c-count" value="2"' in more
    assert 'name="c-1-column"' in more
    assert WRITTEN in more
    assert len(re.findall("autofocus", more)) == 1
    unfinished = page(sam, given, {**FILLED, "f-1-column": "", "do": "add-g"})
    assert "Choose the column" not in unfinished, "a line was asked for, not a verdict"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"f-1-column": ""}, "Figure 2, of column: Choose the column for the mean."),
        ({"f-1-column": "sex"}, "Figure 2, of column: “sex” holds no numbers"),
        ({"c-0-value_typed": "old"}, "Condition 1, value: Write a number"),
        ({"g-0-step": "10"}, "Group 1, in steps of: Only numbers and dates"),
        ({"f-0-fn": "", "f-1-fn": ""}, "Figure 1, figure: Choose at least one figure."),
        ({"f-0-fn": "everything"}, "Figure 1, figure: Select a valid choice."),
        ({"e-order": "f1", "f-1-fn": ""}, "Sort by: Sort by a group or a figure"),
        ({"h-0-figure": "0", "h-0-op": ">"}, "Limit 1, number: Write a number, such as 10."),
        ({"h-0-figure": "0", "h-0-value_typed": "3"}, "Limit 1, comparison: Choose a comparison"),
        ({"h-0-figure": "1", "f-1-fn": ""}, "Limit 1, figure: Choose a figure that is filled in."),
        ({"c-0-of": "1", "f-1-fn": ""}, "Condition 1, holds for: Choose a figure that is filled in."),
        (
            {"c-count": "2", "c-1-column": "age", "c-1-op": "known", "c-1-link": "or", "c-1-of": "0"},
            "Condition 2, joined by: “or” needs a condition above it",
        ),
        ({"e-limit": "0"}, "Show at most (lines): Ensure this value is greater"),
    ],
)
def test_an_error_names_its_field_and_is_tied_to_it(
    given: Story, change: dict[str, str], complaint: str
) -> None:
    sam = kit.browser(given.cast.sam)
    answer = sam.post(reverse("request_new", args=[given.grant.pk]), {**FILLED, **change, "do": "save"})
    shown = html.unescape(answer.content.decode())
    assert answer.status_code == 422
    assert complaint in shown
    assert 'aria-invalid="true"' in shown
    assert kit.faults(answer.content.decode()) == []
    assert not AnalysisRequest.objects.exists()


@pytest.mark.parametrize(
    "nonsense",
    [
        {"f-count": "10000000"},
        {"f-count": "-1"},
        {"f-count": "²"},
        {"c-count": "one"},
        {"e-order": "f9999"},
        {"way": "neither"},
        {"do": "add-x"},
        {"do": "burn"},
        {"f-0-name": "x" * 5000},
        {"c-0-value_typed": "\x00"},
    ],
)
def test_hostile_fields_are_no_error_of_the_node(given: Story, nonsense: dict[str, str]) -> None:
    sam = kit.browser(given.cast.sam)
    for name in ("request_new", "request_estimate"):
        path = reverse(name, args=[given.grant.pk])
        assert sam.post(path, {**FILLED, "do": "estimate", **nonsense}).status_code in (200, 422)


def test_no_form_grows_without_end(given: Story) -> None:
    table = given.dataset.current.table()
    form = SketchForm(table, {f"{kind}-count": "999" for kind in "fcgh"})
    assert form.counts == {"j": 1, "f": 20, "c": 10, "g": 8, "h": 5}


def test_or_filters_and_limits_go_to_sql_and_back(given: Story) -> None:
    sam = kit.browser(given.cast.sam)
    typed = FILLED | {
        "c-count": "3",
        "c-1-link": "or",
        "c-1-column": "sex",
        "c-1-op": "=",
        "c-1-value_typed": "female",
        "c-2-column": "age",
        "c-2-op": "<",
        "c-2-value_typed": "30",
        "c-2-of": "1",
        "h-count": "1",
        "h-0-figure": "0",
        "h-0-op": ">=",
        "h-0-value_typed": "10",
    }
    sam.post(reverse("request_new", args=[given.grant.pk]), {**typed, "do": "save"})
    analysis = AnalysisRequest.objects.get()
    assert "WHERE (age >= 65 OR sex = 'female')\nGROUP BY sex\nHAVING COUNT(*) >= 10" in analysis.draft_sql
    assert "AVG(age) FILTER (WHERE age < 30) AS mean_age" in analysis.draft_sql
    assert analysis.status == "ready"
    back = page(sam, given, {"way": "sql", "sql": analysis.draft_sql, "epsilon": "0.1", "do": "to_form"})
    for chosen in ('name="c-2-of"', 'name="h-0-value_typed" value="10"', '<option value="or" selected'):
        assert chosen in back
    assert 'name="c-0-link"' not in back, "there is no condition above the first"


def test_the_form_joins_the_datasets_tables_and_names_what_does_not_fit() -> None:
    typed = {"f-0-fn": "mean", "f-0-column": "patients.born", "g-0-column": "wards.type", "j-count": "2"}
    form = SketchForm(EXAMPLE, typed)
    assert form.sql == ""
    assert "Figure 1, of column: Join the table “patients” first." in form.faults
    joined = typed | {"j-0-table": "patients", "j-1-table": "wards", "j-1-on": "ward", "j-1-keep": "left"}
    form = SketchForm(EXAMPLE, joined)
    assert form.faults == []
    assert "LEFT JOIN wards ON visits.ward = wards.id" in form.sql
    assert SketchForm(EXAMPLE, shown=read(form.sql, EXAMPLE)).sql == form.sql


def test_the_least_epsilon_for_an_error_is_found_and_filled_in(given: Story) -> None:
    sam = kit.browser(given.cast.sam)
    found = page(sam, given, {**FILLED, "error": "20", "of": "n", "do": "target"})
    epsilon = re.search(r"ε ([0-9.]+) is the least that keeps the error within ± 20\.", found)
    assert epsilon is not None
    assert f'name="epsilon" value="{epsilon[1]}"' in found
    assert Decimal("0.01") < Decimal(epsilon[1]) < 1
    without = page(sam, given, {**FILLED, "error": "2", "of": "mean_age", "do": "target"})
    assert "how many rows a group has" in without
    with_rows = page(sam, given, {**FILLED, "error": "2", "of": "mean_age", "rows": "500", "do": "target"})
    assert "is the least that keeps the error within ± 2." in with_rows
    assert "The error is a number above 0" in page(sam, given, {**FILLED, "error": "much", "do": "target"})
    assert "needs an ε of" in page(sam, given, {**FILLED, "error": "1", "of": "n", "do": "target"})
    assert "No allowed loss reaches that error" in page(
        sam, given, {**FILLED, "error": "0.1", "do": "target"}
    )
    assert "Write the error that you can live with" in page(sam, given, {**FILLED, "do": "target"})


def test_the_estimate_says_each_error_where_its_number_comes_from_and_how_it_is_made(given: Story) -> None:
    sam = kit.browser(given.cast.sam)
    path = reverse("request_estimate", args=[given.grant.pk])
    typed = html.unescape(sam.post(path, {**FILLED, "rows": "500"}).content.decode())
    assert "if a group has 500 rows: your own number" in typed
    assert "Noise from a discrete Gaussian" in typed
    assert "such questions fit the budget" in " ".join(typed.split())
    assert 'id="written" hx-swap-oob="true"' in typed, "the written SQL follows what is chosen"
    given.dataset.current.declared_rows = 9000
    given.dataset.current.save()
    declared = html.unescape(sam.post(path, FILLED).content.decode())
    assert re.search(
        r"if a group has [0-9,]+ rows: the declared size of the dataset, shared evenly", declared
    )


def test_the_composer_costs_the_same_queries_however_long_the_form_is(given: Story) -> None:
    sam = kit.browser(given.cast.sam)
    path = reverse("request_new", args=[given.grant.pk])

    def queries(count: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as caught:
            sam.post(path, {**FILLED, "f-count": count, "c-count": count, "do": "estimate"})
        return len(caught)

    queries("2")
    assert queries("2") == queries("9")


def test_budgets_say_how_many_similar_questions_fit_under_everything_above(given: Story) -> None:
    sam = kit.browser(given.cast.sam)

    def room(epsilon: str) -> dict[str, int]:
        shown = html.unescape(sam.get(reverse("budgets"), {"epsilon": epsilon}).content.decode())
        found = re.findall(
            r"<title[^>]*>([^<]*)</title>.*?Room for ([0-9,]+) more question", shown, re.DOTALL
        )
        return {label: int(count.replace(",", "")) for label, count in found}

    here = room("0.1")
    assert len(here) == 3, "population, dataset and grant"
    assert here["Costs of care × Support2"] == min(here.values()), "the grant's ε 1 is the tightest"
    assert all(room("0.05")[label] > count for label, count in here.items())
    wrong = sam.get(reverse("budgets"), {"epsilon": "much"})
    assert wrong.status_code == 200
    assert "Enter a number." in wrong.content.decode()


def test_what_a_question_is_paid_in_is_asked_exactly_where_the_grant_has_a_pure_cap(given: Story) -> None:
    sam, path = kit.browser(given.cast.sam), reverse("request_new", args=[given.grant.pk])
    estimating = reverse("request_estimate", args=[given.grant.pk])
    field = 'name="accounting"'
    assert field not in sam.get(path).content.decode()
    pure.raise_caps(given.grant, "2", owner=given.cast.alice, reviewer=given.cast.rita)
    assert field not in sam.get(path).content.decode(), "the dataset's cap alone pays for nobody"
    pure.give(given.grant, "0.5", administrator=given.cast.ada)
    shown = sam.get(path).content.decode()
    assert field in shown
    assert "Paid in" in shown
    assert kit.faults(shown) == []
    for accounting, noise in (("pure", "Laplace"), ("zcdp", "Gaussian")):
        found = sam.post(estimating, {**FILLED, "accounting": accounting}).content.decode()
        assert f"Noise from a discrete {noise}" in found
    pure.give(given.grant, "0", administrator=given.cast.ada)
    assert field not in sam.get(path).content.decode()


def test_a_budget_has_a_second_bar_exactly_where_its_pure_cap_is_above_0(given: Story) -> None:
    sam, path = kit.browser(given.cast.sam), reverse("budgets")

    def bars() -> list[str]:
        shown = html.unescape(sam.get(path).content.decode())
        assert kit.faults(shown) == []
        return re.findall(r"<title[^>]*-t[^>]*>([^<]*)</title>", shown)

    one = bars()
    assert len(one) == 3, "population, dataset and grant"
    assert not any("pure" in label for label in one)
    pure.raise_caps(given.grant, "2", owner=given.cast.alice, reviewer=given.cast.rita)
    grant = "Costs of care × Support2"
    above = [label for label in one if label != grant]
    kinds = ("ρ and δ", "pure ε")
    assert bars() == [f"{label}: {kind}" for label in above for kind in kinds] + [grant]
    pure.give(given.grant, "0.5", administrator=given.cast.ada)
    assert bars() == [f"{label}: {kind}" for label in one for kind in kinds]


def test_budgets_count_similar_questions_in_pure_epsilon_too(given: Story) -> None:
    sam, path = kit.browser(given.cast.sam), reverse("budgets")

    def room() -> list[tuple[str, str]]:
        shown = html.unescape(sam.get(path, {"epsilon": "0.1"}).content.decode())
        return re.findall(r"Room for ([0-9,]+) more .*?paid in ρ, and for ([0-9,]+) paid as pure ε", shown)

    assert room() == []
    pure.raise_caps(given.grant, "2", owner=given.cast.alice, reviewer=given.cast.rita)
    pure.give(given.grant, "0.5", administrator=given.cast.ada)
    assert [in_pure for _, in_pure in room()] == ["20", "20", "5"], "population, dataset and grant"
    assert all(int(in_rho) > 20 for in_rho, _ in room())


def test_the_least_epsilon_is_found_in_what_it_is_to_be_paid_in(given: Story) -> None:
    sam = kit.browser(given.cast.sam)
    pure.raise_caps(given.grant, "2", owner=given.cast.alice, reviewer=given.cast.rita)
    pure.give(given.grant, "0.5", administrator=given.cast.ada)
    wanted = {**FILLED, "error": "20", "of": "n", "do": "target"}
    found = page(sam, given, {**wanted, "accounting": "pure"})
    assert re.search(r"ε [0-9.]+, paid as pure ε, is the least that keeps the error within ± 20\.", found)
    assert '<option value="pure" selected>' in found
    in_rho = page(sam, given, {**wanted, "accounting": "zcdp"})
    assert '<option value="zcdp" selected>' in in_rho
    assert "paid as pure ε, is the least" not in in_rho


def test_a_grant_never_promises_more_than_what_is_above_it_holds() -> None:
    above = Balance("dataset", "d", Loss(10, 10), Loss.zero(), Loss(7, 0), 1e-6, "1", 0, "p", "d")
    grant = Balance("grant", "g", Loss(90, 10), Loss.zero(), Loss.zero(), 1e-6, "2", 0, "p", "d")
    other = Balance("dataset", "e", Loss(1, 10), Loss.zero(), Loss.zero(), 1e-6, "3", 0, "p", "e")
    assert chain_of(grant, [above, grant, other]) == [above, grant]
    assert similar_left(chain_of(grant, [above, grant, other]), Loss(1, 0)) == 3
