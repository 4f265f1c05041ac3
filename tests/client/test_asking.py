"""A scientist asks from Python: priced, rehearsed, submitted, followed, answered, proven."""

import gridhouse
import httpx
import pytest
from gridhouse import queries as client_queries

from domains.jobs import actions as jobs
from domains.ledger import queries as books
from domains.requests.models import AnalysisRequest
from tests import make

SQL = "SELECT sex, COUNT(*) AS n, AVG(age) AS a FROM support2 GROUP BY sex"


@pytest.fixture
def sam(connect):
    return connect("sam")


@pytest.fixture
def query(node, sam):
    """Return a question of Sam's that was not sent yet."""
    return sam.sql(node.grant, SQL, epsilon=0.1, title="By sex")


def spent(node):
    rows = books.balances(node.access(), node.user("sam"))
    return {(row.reserved.rho, row.spent.rho) for row in rows}


# --- The road --------------------------------------------------------------------------------------------------


def test_nothing_reaches_the_node_before_it_is_asked_to(query):
    assert query.id == ""
    assert AnalysisRequest.objects.count() == 0
    with pytest.raises(gridhouse.IllegalMove, match="submit"):
        query.status()


def test_an_estimate_says_cost_error_and_effect_and_stores_nothing(node, query):
    estimate = query.estimate()
    assert estimate.rho > 0
    assert estimate.fits
    assert {measure["name"] for measure in estimate.measures} == {"n", "a"}
    assert len(estimate.effects) == 4
    assert "such questions left" in str(estimate)
    assert AnalysisRequest.objects.count() == 0
    assert spent(node) == {(0, 0)}


def test_a_float_epsilon_means_what_it_says(node, sam):
    as_float = sam.sql(node.grant, SQL, epsilon=0.1).estimate()
    as_text = sam.sql(node.grant, SQL, epsilon="0.1").estimate()
    assert as_float.loss == as_text.loss


def test_the_whole_road_from_question_to_answer(node, query, connect):
    assert query.submit() is query
    assert query.status().code == "in_review"
    (item,) = connect("alice").queue()
    assert (item.id, item.title, item.revision) == (query.id, "By sex", 1)
    item.approve(reason="Clear.")
    assert query.status().code == "queued"
    make.run_jobs()
    result = query.wait(timeout=5, progress=False).result()
    assert result.columns == ["sex", "n", "a"]
    assert [row["sex"] for row in result.rows][:2] == ["female", "male"]
    assert set(result.plus_minus[0]) == {"n", "a"}
    assert spent(node) == {(0, result.cost["rho_units"])}


def test_a_rehearsal_on_mock_data_is_free(node, query, monkeypatch):
    monkeypatch.setattr(client_queries.time, "sleep", lambda seconds: make.run_jobs())
    answer = query.run_on_mock(timeout=20)
    assert {"female", "male"} <= {row[0] for row in answer["rows"]}
    assert spent(node) == {(0, 0)}


# --- What goes otherwise ---------------------------------------------------------------------------------------


def test_a_rejected_query_names_clause_and_remedy_and_is_kept(node, sam):
    query = sam.sql(node.grant, "SELECT MODE(age) AS m FROM support2", epsilon=0.1)
    for step in (query.estimate, query.submit):
        with pytest.raises(gridhouse.QueryRejected) as caught:
            step()
        assert caught.value.clause
        assert caught.value.alternative
    assert sam.request(query.id).details()["status"] == "draft"


def test_a_rejected_query_is_mended_and_submitted(node, sam):
    query = sam.sql(node.grant, "SELECT MODE(age) AS m FROM support2", epsilon=0.1)
    with pytest.raises(gridhouse.QueryRejected):
        query.submit()
    first = query.id
    query.edit(sql=SQL).submit()
    assert query.id == first
    assert query.status().code == "in_review"


@pytest.mark.parametrize("epsilon", [0, -1, float("nan"), float("inf"), 1e400, "much", ""])
def test_an_epsilon_that_is_none_is_refused(node, sam, epsilon):
    with pytest.raises(gridhouse.InvalidInput):
        sam.sql(node.grant, SQL, epsilon=epsilon).estimate()


def test_more_than_the_budget_is_refused_and_the_draft_kept(node, sam):
    query = sam.sql(node.grant, SQL, epsilon=2)
    assert not query.estimate().fits
    with pytest.raises(gridhouse.BudgetExhausted):
        query.submit()
    assert query.status().code == "ready"


def test_changes_are_answered_from_where_one_was(query, connect):
    query.submit()
    (item,) = connect("alice").queue()
    item.request_changes("Ask with less.")
    with pytest.raises(gridhouse.NoAnswer, match="Ask with less"):
        query.wait(timeout=1)
    query.edit(epsilon=0.05).submit()
    assert query.details()["revision"] == 2


def test_a_denial_ends_the_waiting_with_its_reason(query, connect):
    query.submit()
    next(iter(connect("alice").queue())).deny("Not in scope.")
    with pytest.raises(gridhouse.NoAnswer, match=r"Not in scope\."):
        query.wait(timeout=1)


def test_a_vote_on_what_changed_meanwhile_does_not_count(query, connect):
    query.submit()
    (seen,) = connect("alice").queue()
    seen.request_changes("Less.")
    query.edit(epsilon=0.05).submit()
    with pytest.raises(gridhouse.IllegalMove) as caught:
        seen.approve()
    assert caught.value.code == "stale"


def test_waiting_ends_when_told_and_the_request_goes_on(query, no_pauses):
    query.submit()
    with pytest.raises(gridhouse.WaitTimedOut):
        query.wait(timeout=0.05)
    assert query.status().code == "in_review"


def test_a_withdrawn_question_waits_for_nobody(query):
    query.submit().withdraw()
    with pytest.raises(gridhouse.NoAnswer, match="Withdrawn"):
        query.wait(timeout=1)


def test_submitting_again_is_told_and_done_once(query):
    query.submit()
    with pytest.raises(gridhouse.IllegalMove):
        query.submit()
    assert AnalysisRequest.objects.count() == 1


def test_a_strangers_view_is_empty_and_foreign_keys_are_not_found(node, query, connect):
    query.submit()
    charlie = connect("charlie")
    assert list(charlie.requests()) == []
    assert list(charlie.queue()) == []
    with pytest.raises(gridhouse.NotFound):
        charlie.request(query.id)
    with pytest.raises(gridhouse.NotFound):
        charlie.sql(node.grant, SQL, epsilon=0.1).estimate()
    with pytest.raises(gridhouse.NotFound):
        charlie.budget(node.grant)


def test_an_unknown_token_is_told_apart_from_a_foreign_thing(node, application):
    transport = httpx.WSGITransport(app=application)
    client = gridhouse.connect("http://localhost", "gridhouse_00000000_x", transport=transport)
    with client, pytest.raises(gridhouse.NotAuthenticated) as caught:
        list(client.requests())
    assert caught.value.code == "token_invalid"


def test_lists_are_read_page_by_page(node, sam):
    for number in range(3):
        sam.sql(node.grant, SQL, epsilon=0.1, title=f"Question {number}").check()
    titles = [query.title for query in sam.requests(status="ready")]
    assert titles == ["Question 2", "Question 1", "Question 0"]
    pages = sam._session.pages("requests/", page_size=2)
    assert len(list(pages)) == 3


def test_jobs_are_not_run_by_the_web_process(query, connect, monkeypatch):
    """Planted fault: were approving to compute at once, the claim below would already be taken."""
    query.submit()
    next(iter(connect("alice").queue())).approve()
    job = AnalysisRequest.objects.get(pk=query.id).job
    assert jobs.claim(job.pk) is not None
