"""Workloads on the whole road: asked by the client, decided on a page, measured by a real child, read as tables."""

from __future__ import annotations

import json

import gridhouse
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from domains.audit.events import Event
from domains.audit.models import AuditEvent
from domains.catalog import actions as catalog
from domains.errors import DomainError, NotAllowed, NotFound
from domains.jobs.children import ChildFailed
from domains.jobs.models import Job, JobKind
from domains.ledger import queries as books
from domains.requests import decisions, fitting
from domains.requests import modelled as modelled_actions
from domains.requests.estimates import estimate
from domains.requests.lifecycle import ReleaseStatus
from domains.requests.models import AnalysisRequest, Release
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


# --- The fitted model -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def modelled(measured, built, django_db_blocker) -> str:
    """The same workload, its model fitted by a real child."""
    with django_db_blocker.unblock(), at(built.home):
        assert make.run_jobs("workloads") == 1
    return measured


COVERED = "SELECT sex, COUNT(*) AS n FROM support2 WHERE race <> 'white' GROUP BY sex"


def test_the_fit_opens_no_data_and_is_charged_nothing(node, measured):
    release = Release.objects.get(analysis=measured, is_repeat=False)
    job = Job.objects.get(kind=JobKind.FIT, subject=release.pk)
    assert (job.queue, job.charge_id, job.data_opened_at) == ("workloads", None, None)
    assert set(job.spec) == {"plan", "table", "scales"}


def test_before_the_fit_there_is_no_model_to_ask(connect, node, measured):
    model = connect("sam").request(measured).model()
    assert model.status == "queued"
    with pytest.raises(gridhouse.NotFound):
        model.ask(COVERED)


def test_a_covered_question_is_free_labelled_and_says_how_far_off_it_may_be(connect, node, modelled):
    sam = connect("sam")
    before, charges = books.balances(node.access(), make.person("sam")), books_charges()
    model = sam.request(modelled).model()
    assert model.status == "finished"
    assert set(model.columns) == {"sex", "race", "dzgroup", "death"}
    assert all(0 <= distance < 0.5 for distance in model.qualities.values())
    found = model.ask(COVERED)
    assert found.notes[0] == f"From the fitted model of request {modelled}, no new charge."
    assert all(errors["n"] > 0 for errors in found.plus_minus)
    apart = model.ask("SELECT dzgroup, sex, COUNT(*) AS n FROM support2 GROUP BY dzgroup, sex")
    assert set(map(str, apart.plus_minus)) == {"{}"}
    assert "not measured together" in apart.notes[1]
    assert books.balances(node.access(), make.person("sam")) == before
    assert books_charges() == charges
    assert AuditEvent.objects.filter(event=Event.MODEL_ASKED).count() == 2


def test_the_models_tables_add_up_where_the_released_ones_do_not(connect, node, modelled):
    model = connect("sam").request(modelled).model()
    ask = "SELECT {0}, COUNT(*) AS n FROM support2 GROUP BY {0}"
    totals = [
        sum(row["n"] for row in model.ask(ask.format(name)).rows) for name in ("sex", "dzgroup", "death")
    ]
    assert max(totals) - min(totals) < 1.0


def test_an_estimate_names_the_model_and_leaves_the_choice(connect, node, modelled):
    dataset = connect("sam").dataset("support2")
    covered = dataset.sql(COVERED, epsilon="0.1").estimate()
    assert covered.covered_by == [modelled]
    assert not covered.is_repeat
    assert covered.fits
    assert dataset.sql("SELECT AVG(age) FROM support2", epsilon="0.1").estimate().covered_by == []
    page = text(
        browser("sam").post(
            reverse("request_estimate", args=[node.grant]), {"sql": COVERED, "epsilon": "0.1"}
        )
    )
    assert "answers this without a new charge" in page


def test_what_the_model_does_not_know_is_refused_with_the_alternative(connect, node, modelled):
    with pytest.raises(gridhouse.QueryRejected) as refused:
        connect("sam").request(modelled).model().ask("SELECT AVG(age) FROM support2")
    assert refused.value.code == "not_covered"
    assert "fresh answer" in refused.value.alternative


def test_the_model_is_asked_on_its_page_too(node, modelled):
    sam = browser("sam")
    page = sam.get(reverse("model", args=[modelled]))
    assert kit.faults(page.content.decode()) == []
    answered = sam.post(reverse("model", args=[modelled]), {"sql": COVERED})
    assert kit.faults(answered.content.decode()) == []
    assert f"From the fitted model of request {modelled}, no new charge." in text(answered)
    assert "Nothing was spent." in text(answered)
    wrong = sam.post(reverse("model", args=[modelled]), {"sql": "SELECT AVG(age) FROM support2"})
    assert wrong.status_code == 422
    assert reverse("model", args=[modelled]) in text(sam.get(reverse("result", args=[modelled])))


def test_synthetic_rows_are_free_labelled_and_reported_on(connect, node, modelled):
    model = connect("sam").request(modelled).model()
    rows = model.synthetic_csv()
    lines = rows.splitlines()
    assert lines[0] == "sex,race,dzgroup,death"
    assert abs(len(lines) - 300) < 100
    assert set(model.closeness()) == {"sex", "race", "dzgroup", "death", "sex × race", "death × sex"}
    sam = browser("sam")
    page = sam.get(reverse("synthetic", args=[modelled]))
    assert kit.faults(page.content.decode()) == []
    assert "ε 0.5" in text(page)
    assert sam.get(reverse("synthetic_csv", args=[modelled])).content.decode() == rows
    assert browser("charlie").get(reverse("synthetic_csv", args=[modelled])).status_code == 404


@pytest.mark.parametrize("name", ["alice", "rita", "charlie", "theo"])
def test_only_the_project_that_paid_asks_its_model(node, modelled, name):
    analysis = AnalysisRequest.objects.get(pk=modelled)
    with pytest.raises((NotAllowed, NotFound)):
        modelled_actions.ask(analysis, sql=COVERED, by=make.person(name))


def test_another_grant_is_told_of_no_model(node, modelled):
    other = make.grant("0.5", title="Another project")
    assert estimate(other, sql=COVERED, epsilon="0.1", by=make.person("sam")).covered_by == ()


@pytest.mark.parametrize("status", [ReleaseStatus.REVOKED, ReleaseStatus.AWAITING_REVIEW])
def test_a_release_that_no_longer_stands_takes_its_model_with_it(node, modelled, status):
    make.no_longer_out(modelled, status)
    with pytest.raises(NotFound):
        modelled_actions.ask(AnalysisRequest.objects.get(pk=modelled), sql=COVERED, by=make.person("sam"))
    assert estimate(node.access(), sql=COVERED, epsilon="0.1", by=make.person("sam")).covered_by == ()


def test_a_grant_that_may_not_be_used_now_asks_no_model(node, modelled):
    catalog.freeze(node.access().dataset, reason="Stop.", by=make.person("alice"))
    with pytest.raises(DomainError):
        modelled_actions.ask(AnalysisRequest.objects.get(pk=modelled), sql=COVERED, by=make.person("sam"))


def test_a_fit_that_fails_leaves_the_released_tables_as_they_are(node, measured, monkeypatch):
    class Failing:
        def __init__(self, *args, **kwargs):
            pass

        def __enter__(self):
            raise ChildFailed("model_too_wide")

        def __exit__(self, *error):
            return None

    release = Release.objects.get(analysis=measured, is_repeat=False)
    monkeypatch.setattr(fitting, "Child", Failing)
    fitting.queue_fit(release)
    make.run_jobs("workloads")
    found = fitting.fitted(release)
    assert (found.status, found.code, found.model) == ("failed", "model_too_wide", None)
    page = text(browser("sam").get(reverse("model", args=[measured])))
    assert "No model could be fitted (model_too_wide)" in page
    assert browser("sam").get(reverse("result", args=[measured])).status_code == 200


def test_a_fit_waits_for_another_worker_and_needs_a_release_that_stands(node, measured, monkeypatch):
    class Away:
        def __init__(self, *args, **kwargs):
            pass

        def __enter__(self):
            raise ChildFailed("no_fork_server", is_passing=True)

        def __exit__(self, *error):
            return None

    release = Release.objects.get(analysis=measured, is_repeat=False)
    monkeypatch.setattr(fitting, "Child", Away)
    fitting.queue_fit(release)
    make.run_jobs("workloads")
    assert fitting.fitted(release).status == "queued"
    Job.objects.filter(subject=release.pk, status="queued").update(not_before=timezone.now())
    make.no_longer_out(measured, ReleaseStatus.REVOKED)
    make.run_jobs("workloads")
    job = Job.objects.filter(subject=release.pk).latest("id")
    assert (job.status, job.status_code) == ("failed", "not_released")
    assert fitting.fitted(release) is None


def books_charges() -> int:
    from domains.ledger.models import Charge

    return Charge.objects.count()
