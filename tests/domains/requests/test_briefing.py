"""What deciders weigh: answers that are out, ranked by what they have in common with the question."""

from __future__ import annotations

import pytest

from domains.requests import briefing, queries
from domains.requests.models import AnalysisRequest
from tests import make

pytestmark = pytest.mark.django_db
MEAN = "SELECT AVG(age) AS mean_age FROM support2"
TABLES = '{"marginals": [["sex"]]}'


def test_earlier_answers_are_ranked_by_what_they_have_in_common(cast, grant):
    same = make.answered(on=grant, sql=MEAN)
    asked = make.request(make.Status.IN_REVIEW, on=grant, sql=MEAN, epsilon="0.3")
    found = briefing.earlier(queries.detail(asked.pk, cast["alice"]))
    assert (found.count, found.overlapping) == (1, 1)
    (first,) = found.rows
    assert (first.analysis, first.is_same_question, first.columns) == (same, True, ("age",))
    assert first.in_words == "the same question, word for word, by the same project"
    other = make.request(make.Status.IN_REVIEW, on=grant, sql=TABLES)
    found = briefing.earlier(queries.detail(other.pk, cast["alice"]))
    assert (found.overlapping, found.rows[0].in_words) == (0, "by the same project")


def test_without_a_revision_there_is_nothing_to_compare(cast, grant):
    assert briefing.earlier(AnalysisRequest(grant=grant)).rows == ()
    assert briefing.risk(None) == ""


def test_what_is_in_common_is_said_in_words():
    words = [
        briefing.Overlap(AnalysisRequest(), columns, same, project).in_words
        for columns, same, project in (
            (("age", "sex"), False, True),
            ((), False, False),
            (("age",), True, False),
        )
    ]
    assert words == [
        "reads age, sex too, by the same project",
        "no column in common",
        "the same question, word for word",
    ]
