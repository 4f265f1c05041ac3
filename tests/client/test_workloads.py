"""Workloads on the whole road: asked by the client, decided on a page, measured by a real child, read as tables."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import reverse

from domains.ledger import queries as books
from domains.requests import decisions
from domains.requests.models import AnalysisRequest
from tests import make
from tests.portal.people_kit import sign_in
from tests.portal.web import kit
from tests.world import at

SETS = (("sex", "race"), ("dzgroup",), ("death", "sex"))
SQL = "SELECT COUNT(*) FROM support2 GROUP BY GROUPING SETS ((sex, race), (dzgroup), (death, sex))"


@pytest.fixture(scope="module")
def measured(built, django_db_blocker) -> str:
    """The key of a workload of Sam's that a real child process measured."""
    asked = json.dumps({"marginals": SETS})
    with django_db_blocker.unblock(), at(built.home):
        return make.answered(on=built.access(), sql=asked, epsilon="0.5").pk


def browser(name: str) -> Client:
    client = Client()
    assert sign_in(client, make.person(name).email, make.PASSWORD).status_code == 302
    return client


def text(response) -> str:
    return " ".join(response.content.decode().split())


def test_it_is_one_charge_however_many_tables(node, measured):
    analysis = AnalysisRequest.objects.get(pk=measured)
    charge = books.charge(analysis.releases.get().charge_id)
    assert charge.loss.rho == analysis.revision.rho
    shares = [measure["rho"] for measure in analysis.revision.pricing["measures"]]
    assert len(shares) == len(SETS)
    assert sum(shares) == charge.loss.rho


def test_its_tables_come_apart_and_their_bytes_are_proven(connect, measured):
    sam = connect("sam")
    result = sam.request(measured).result()
    assert list(result.tables) == ["sex × race", "dzgroup", "death × sex"]
    by_sex = result.tables["death × sex"]
    assert set(by_sex[0]) == {"death", "sex", "count"}
    assert abs(sum(row["count"] for row in by_sex) - 300) < 200
    assert all(set(errors) == {"count"} for errors in result.plus_minus)
    assert result.verify(sam.log_key()["public_key"])["sha256"] == result.release["sha256"]
    assert result.to_csv().splitlines()[0] == "marginal,sex,race,dzgroup,death,count,count_plus_minus_95"


def test_the_same_workload_again_is_free_also_in_its_other_form(connect, node, measured):
    sam = connect("sam")
    dataset = sam.dataset("support2")
    again = dataset.marginals(*SETS, epsilon="0.5")
    assert again.estimate().is_repeat
    in_sql = dataset.sql(SQL, epsilon="0.5").submit()
    assert in_sql.result().is_repeat
    assert in_sql.result().payload() == sam.request(measured).result().payload()


def test_an_estimate_says_each_tables_error_and_what_would_be_counted(connect, node):
    query = (
        connect("sam")
        .dataset("support2")
        .marginals(*SETS, epsilon="0.5", where="age > 40", weights=[4, 1, 1])
    )
    found = query.estimate()
    assert [measure["name"] for measure in found.measures] == ["sex × race", "dzgroup", "death × sex"]
    errors = [float(measure["plus_minus_95"]) for measure in found.measures]
    assert errors[0] < errors[1] == errors[2]
    assert found.in_words[0] == "Counts rows in 3 tables, all paid for by one charge."
    assert "age" in found.columns
    assert not found.is_repeat


def test_a_refusal_reaches_the_composer_with_its_remedy(node):
    page = text(
        browser("sam").post(
            reverse("request_estimate", args=[node.grant]),
            {"sql": '{"marginals": [["sex"], ["sex"]]}', "epsilon": "0.1"},
        )
    )
    assert "Two marginals have the same columns." in page
    assert "GROUPING SETS" in page


def test_the_decision_page_says_what_comes_out(node, measured):
    waiting = make.request(make.Status.IN_REVIEW, on=node.access(), sql=SQL, epsilon="0.3")
    page = browser("alice").get(reverse("decision", args=[waiting.pk]))
    assert kit.faults(page.content.decode()) == []
    assert "Counts rows in 3 tables, all paid for by one charge." in text(page)
    assert "sex × race" in text(page)
    decisions.review(waiting, revision=1, vote="approve", by=make.person("alice"))
    assert AnalysisRequest.objects.get(pk=waiting.pk).job.spec["plan"]["kind"] == "workload"


def test_the_result_page_shows_a_table_for_each_marginal(node, measured):
    sam = browser("sam")
    answer = sam.get(reverse("result", args=[measured]))
    assert kit.faults(answer.content.decode()) == []
    page = answer.content.decode()
    assert page.count("<table") >= len(SETS)
    for name in ("sex × race", "dzgroup", "death × sex"):
        assert f">{name}<" in page
    assert "Each table has its own noise" in page
    assert browser("charlie").get(reverse("result", args=[measured])).status_code == 404


def test_it_runs_on_the_mock_too(connect, node):
    query = connect("sam").dataset("support2").marginals(("sex",), ("race",), epsilon="0.1").check()
    from domains.requests import actions

    analysis = AnalysisRequest.objects.get(pk=query.id)
    actions.run_on_mock(analysis, by=make.person("sam"))
    make.run_jobs()
    page = text(browser("sam").get(reverse("request_mock_status", args=[query.id])))
    assert "invented rows" in page
    assert ">race<" in page
