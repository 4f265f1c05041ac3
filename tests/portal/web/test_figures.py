"""Figures carry words: bars, charts, numbers and times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from django.template import Context, Template

from portal.templatetags import words
from portal.web import charts, shown
from portal.web.charts import budget_bar, number
from portal.web.dataset_forms import read_codes
from privacy.loss import Loss

NOTHING = Loss.zero()


@dataclass(frozen=True)
class Budget:
    limit: Loss
    spent: Loss
    reserved: Loss = NOTHING
    scope: str = "grant"
    label: str = "Costs"


def test_a_bar_says_in_words_what_it_draws() -> None:
    bar = budget_bar(Budget(Loss(1000, 0), Loss(500, 0), Loss(100, 0)), Loss(250, 0))
    assert bar.text == "50\u00a0% committed, 10\u00a0% reserved, this request 25\u00a0%, 15\u00a0% left."
    assert [(part.name, part.x, part.width) for part in bar.parts] == [
        ("spent", 0, 500),
        ("reserved", 500, 100),
        ("request", 600, 250),
    ]
    assert {part.pattern for part in bar.parts} == {"", "dots", "hatch"}, "never colour alone"


def test_a_bar_over_its_limit_says_so_and_stays_inside_its_frame() -> None:
    bar = budget_bar(Budget(Loss(1000, 0), Loss(900, 0)), Loss(500, 0))
    assert bar.text.endswith("more than the limit.")
    assert sum(part.width for part in bar.parts) == pytest.approx(charts.BAR_WIDTH)


def test_a_bar_shows_the_currency_that_is_nearest_its_limit() -> None:
    bar = budget_bar(Budget(Loss(1000, 100), Loss(10, 90)))
    assert bar.text.startswith("90\u00a0% committed")
    assert budget_bar(Budget(Loss(1000, 0), Loss.zero()), Loss(1, 5)).text.endswith("more than the limit.")


@pytest.mark.parametrize(("spent", "tone"), [(499, ""), (500, "info"), (800, "wait"), (950, "bad")])
def test_budgets_warn_at_50_80_and_95_percent(spent: int, tone: str) -> None:
    bar = budget_bar(Budget(Loss(1000, 0), Loss(spent, 0)))
    assert bar.alarm == tone
    assert bool(bar.alarm_text) == bool(tone)


def test_something_is_never_shown_as_nothing() -> None:
    assert "under 0.1\u00a0% committed" in budget_bar(Budget(Loss(10**9, 0), Loss(1, 0))).text
    assert "0\u00a0% committed" in budget_bar(Budget(Loss(10**9, 0), Loss.zero())).text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1234567.0, "1,234,567"),
        (-16, "−16"),
        (59.96, "59.96"),
        (0.9081, "0.908"),
        (123.46, "123.5"),
        (None, "–"),
    ],
)
def test_a_number_has_as_many_digits_as_are_worth_reading(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.31888, "0.319"), (3.0, "3"), (0, "0"), (None, "–"), (1e-7, "0.0000001")]
)
def test_an_epsilon_has_three_digits(value: float | None, text: str) -> None:
    assert words.epsilon(value) == text


def test_times_are_written_for_people_and_machines() -> None:
    assert (
        words.when(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
        == '<time datetime="2026-01-02T03:04:05+00:00">2 Jan 2026, 03:04</time>'
    )
    assert words.ago(None) == "–"
    assert words.delta(0.000001) == "1 × 10⁻⁶"


# --- Words of the components -------------------------------------------------------------------------------------


def test_a_chip_has_words_and_an_icon() -> None:
    html = Template('{% chip "held" "wait" %}').render(Context())
    assert "held" in html
    assert "<svg" in html
    assert 'aria-hidden="true"' in html


def test_components_escape_what_they_are_given() -> None:
    html = Template("{% card title=title %}{{ title }}{% endcard %}{% chip title %}").render(
        Context({"title": "<b>"})
    )
    assert "<b>" not in html
    assert html.count("&lt;b&gt;") == 3


def test_a_difference_marks_lines_with_signs() -> None:
    lines = [(line.mark, line.text) for line in shown.diff("SELECT a\nFROM t", "SELECT b\nFROM t")]
    assert lines == [("-", "SELECT a"), ("+", "SELECT b"), (" ", "FROM t")]


@pytest.mark.parametrize(
    ("typed", "codes"),
    [("1\n2", [1, 2]), ("01\n2", ["01", "2"]), ("no\nyes\n\n", ["no", "yes"]), ("", []), ("-1\n0", [-1, 0])],
)
def test_code_lists_are_numbers_only_where_every_line_is_one(typed: str, codes: list[str | int]) -> None:
    assert read_codes(typed) == codes
