"""Answers drawn: bars, bars in groups, steps in a band; what is missing, negative, long or too much."""

from __future__ import annotations

import math
import time

import pytest
from django.template import Context, Template
from hypothesis import given, strategies

from portal.web import answers, plots, steps
from portal.web.plots import Point, bar_chart
from portal.web.steps import Step, step_chart
from privacy.query.answer import Answer, AnswerColumn, Cell

KEY, COUNT = "key", "count"


def answer(columns: list[tuple[str, str]], rows: list[tuple[Cell, ...]]) -> Answer:
    """Return an answer whose figures are whole numbers within ± 5."""
    made = tuple(AnswerColumn(name, kind, None if kind == KEY else 1, None) for name, kind in columns)
    errors = tuple(
        tuple(
            None if column.kind == KEY or cell is None else "5"
            for column, cell in zip(made, row, strict=True)
        )
        for row in rows
    )
    return Answer(made, tuple(rows), errors, (), {})


def svg(chart: object) -> str:
    """Write a drawing as its page does."""
    template = Template('{% include "_components/chart.html" %}')
    return template.render(Context({"chart": chart}))


def test_a_chart_has_whiskers_and_words() -> None:
    chart = bar_chart("n", [Point("a", 100.0, 20.0), Point("b", -40.0, None)], key="n")
    assert chart is not None
    first, second = chart.marks
    assert (first.low < first.x + first.width < first.high, second.low == second.high) == (True, True)
    assert first.high - first.low == pytest.approx(
        (first.x + first.width - chart.zero) * 2 * 20 / 100, abs=0.1
    )
    assert second.x + second.width == pytest.approx(chart.zero)
    assert first.words == "a: 100 ± 20"
    assert "Largest: a, 100." in chart.text
    assert "Smallest: b, −40." in chart.text


def test_a_chart_draws_the_first_and_says_how_many_there_are() -> None:
    chart = bar_chart("n", [Point(str(n), float(n), 1.0) for n in range(100)], key="n")
    assert chart is not None
    assert len(chart.marks) == plots.MOST_BARS
    assert f"The first {plots.MOST_BARS} of 100 rows are drawn." in chart.text
    assert bar_chart("n", [], key="n") is None
    assert bar_chart("n", [Point("a", float("nan"), None)], key="n") is None


@given(strategies.lists(strategies.floats(-1e9, 1e9), min_size=1, max_size=8), strategies.floats(0, 1e9))
def test_every_mark_lies_inside_its_chart(values: list[float], error: float) -> None:
    chart = bar_chart("n", [Point(str(value), value, error) for value in values], key="n")
    assert chart is not None
    for mark in chart.marks:
        assert min(mark.low, mark.x) >= plots.LABEL_WIDTH - 0.5
        assert max(mark.high, mark.x) <= plots.LABEL_WIDTH + plots.PLOT_WIDTH + 0.5
        assert mark.low <= mark.high


def test_two_keys_are_bars_under_headings_each_with_its_own_words() -> None:
    found = answer(
        [("ward", KEY), ("sex", KEY), ("n", COUNT)],
        [("east", "f", 10), ("east", "m", -4), ("west", "f", 7), ("west", "m", None)],
    )
    (chart,) = answers.grid(found, key="a").charts
    assert isinstance(chart, plots.BarChart)
    assert [heading.label for heading in chart.headings] == ["east", "west"]
    assert [mark.label for mark in chart.marks] == ["f", "m", "f"], "what is not known has no bar"
    assert [mark.series for mark in chart.marks] == [0, 1, 0]
    assert chart.marks[1].words == "east · m: −4 ± 5"
    assert chart.headings[1].y > chart.marks[1].y
    assert "east" in svg(chart)


def test_long_and_hostile_labels_are_shortened_and_escaped() -> None:
    chart = bar_chart("<script>", [Point("<b>" + "x" * 200, 1.0, None)], key="n")
    assert chart is not None
    written = svg(chart)
    assert len(chart.marks[0].label) <= 26
    assert "x" * 200 in chart.marks[0].words, "the whole label is in the tooltip"
    assert "<b>" not in written
    assert "<script>" not in written


@pytest.mark.parametrize(
    "keys", [[0, 10, 20, 30, 40], ["0.5", "1.0", "1.5", "2.0", "2.5"], [f"2024-0{n}-01" for n in range(1, 6)]]
)
def test_numbers_and_dates_in_order_are_steps_in_a_band(keys: list[Cell]) -> None:
    found = answer([("at", KEY), ("n", COUNT)], [(key, 10 + n) for n, key in enumerate(reversed(keys))])
    (chart,) = answers.grid(found, key="a").charts
    assert isinstance(chart, steps.StepChart)
    assert chart.text.startswith(f"Steps over at from {keys[0]} to {keys[-1]}, within a band"), (
        "sorted along the key"
    )
    assert chart.line.count("H") == 5
    assert chart.band.endswith("Z")
    written = svg(chart)
    assert "<desc" in written
    assert "Band: the true value" in written


@pytest.mark.parametrize(
    "keys", [[1, 2, 3], ["a", "b", "c", "d", "e"], [True, False, None], ["inf", "1", "2", "3", "4"]]
)
def test_few_values_and_words_are_bars(keys: list[Cell]) -> None:
    (chart,) = answers.grid(answer([("k", KEY), ("n", COUNT)], [(key, 1) for key in keys]), key="a").charts
    assert isinstance(chart, plots.BarChart)


def test_a_cumulative_count_by_group_is_one_drawing_a_group() -> None:
    rows = [(sex, age, n) for sex in ("f", "m") for n, age in enumerate(range(20, 90, 10))]
    charts = answers.grid(answer([("sex", KEY), ("age", KEY), ("up to", "running")], rows), key="a").charts
    assert [chart.title for chart in charts] == ["up to, f", "up to, m"]
    assert len({chart.key for chart in charts}) == 2


def test_an_unknown_step_is_a_gap_and_is_said() -> None:
    drawn = [Step(float(n), str(n), None if n == 2 else 5.0, 1.0) for n in range(6)]
    chart = step_chart("n", drawn, key="n", axis="x")
    assert chart is not None
    assert chart.line.count("M") == 2
    assert "1 not known and left out." in chart.text
    assert step_chart("n", drawn[:1], key="n", axis="x") is None


@given(
    strategies.lists(
        strategies.tuples(strategies.integers(-1000, 1000), strategies.floats(-1e9, 1e9)),
        min_size=2,
        max_size=9,
    ),
    strategies.floats(0, 1e9),
)
def test_every_corner_of_the_band_lies_inside_the_drawing(
    points: list[tuple[int, float]], error: float
) -> None:
    made = [Step(float(x), str(x), y, error) for x, y in points]
    chart = step_chart("n", made, key="n", axis="x")
    assert chart is not None
    corners = [corner.split() for corner in chart.band.replace("M", "").replace("Z", "").split(" L")]
    for x, y in corners:
        assert chart.left - 0.5 <= float(x) <= chart.right + 0.5
        assert chart.top - 0.5 <= float(y) <= chart.bottom + 0.5
    assert all(math.isfinite(tick.at) for tick in (*chart.ticks, *chart.marks_x))


def test_a_hundred_thousand_rows_are_turned_page_by_page() -> None:
    found = answer([("k", KEY), ("n", COUNT)], [(f"key {n}", n) for n in range(100_000)])
    begun = time.perf_counter()
    grid = answers.grid(found, key="a", page="500")
    assert time.perf_counter() - begun < 1
    assert (len(grid.rows), grid.rows[-1][0].value) == (answers.PAGE_ROWS, "key 99999")
    assert "The first 40 of 100,000 rows are drawn." in grid.charts[0].text
    assert answers.grid(found, key="a", page="nonsense").page.number == 1


def test_an_error_of_rank_is_said_and_not_drawn_as_a_length() -> None:
    found = answer([("sex", KEY), ("median", "quantile")], [("f", 60), ("m", 62)])
    grid = answers.grid(found, key="a")
    assert grid.rows[0][1].error == "5 points of rank"
    chart = grid.charts[0]
    assert isinstance(chart, plots.BarChart)
    assert all(mark.low == mark.high for mark in chart.marks)
