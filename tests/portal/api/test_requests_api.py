"""Requests over REST: the road of a question, what each refusal says, and that nothing is lost or done twice."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from domains.ledger import protocol
from domains.ledger import queries as books
from domains.requests.models import AnalysisRequest
from privacy.loss import Loss
from tests import make

SQL = "SELECT sex, COUNT(*) AS n FROM support2 GROUP BY sex"


@pytest.fixture
def ask(node, call):
    """Return a way to draft and check a question as Sam; gives the body of the checked request."""

    def asking(sql=SQL, epsilon="0.1", title="Patients by sex"):
        body = {"grant": node.grant, "title": title, "sql": sql, "epsilon": epsilon}
        drafted = call("sam").post("requests/", body)
        assert drafted.status_code == 201, drafted.json()
        return call("sam").post(f"requests/{drafted.json()['id']}/check/").json()

    return asking


@pytest.fixture
def submitted(ask, call):
    """Return a request of Sam's that waits for Alice."""
    checked = ask()
    answer = call("sam").post(f"requests/{checked['id']}/submit/", {"revision": checked["revision"]})
    assert answer.status_code == 200, answer.json()
    return answer.json()


def spent(node):
    """Return reserved and spent ρ of each account that Sam's questions go through."""
    return {b.scope: (b.reserved.rho, b.spent.rho) for b in books.balances(node.access(), node.user("sam"))}


# --- The road --------------------------------------------------------------------------------------------------


def test_a_draft_keeps_whatever_was_typed(node, call):
    body = {"grant": node.grant, "title": "Half a thought", "sql": "SELEC", "epsilon": ""}
    answer = call("sam").post("requests/", body)
    assert answer.status_code == 201
    assert (answer.json()["status"], answer.json()["sql"]) == ("draft", "SELEC")
    assert answer.json()["progress"]["code"] == "draft"


def test_a_check_gives_an_immutable_revision_with_its_price(ask):
    checked = ask()
    assert (checked["status"], checked["revision"], checked["findings"]) == ("ready", 1, [])
    assert checked["loss"]["rho_units"] == checked["specification"]["loss"]["rho_units"] > 0
    assert len(checked["specification"]["sha256"]) == 64


def test_an_estimate_stores_and_spends_nothing(node, call):
    before = spent(node), AnalysisRequest.objects.count()
    answer = call("sam").post("requests/estimate/", {"grant": node.grant, "sql": SQL, "epsilon": 0.1})
    assert answer.status_code == 200, answer.json()
    found = answer.json()
    assert found["fits"]
    assert [measure["name"] for measure in found["measures"]] == ["n"]
    assert float(found["measures"][0]["plus_minus_95"]) > 0
    assert {effect["balance"]["scope"] for effect in found["effects"]} == {
        "population",
        "dataset",
        "grant",
        "person",
    }
    assert found["similar_left"] >= 1
    assert found["verdict"] == "refer"
    assert before == (spent(node), AnalysisRequest.objects.count())


@pytest.mark.parametrize("accounting", ["zcdp", "pure", "auto"])
def test_the_least_epsilon_for_an_error_is_priced_in_the_currency_asked_for(node, call, accounting):
    body = {"grant": node.grant, "sql": SQL, "error": "40", "figure": "n", "accounting": accounting}
    found = call("sam").post("requests/estimate/", body).json()
    assert found["accounting"] == ("zcdp" if accounting == "auto" else accounting), "no cap pays pure ε here"
    assert float(found["measures"][0]["plus_minus_95"]) <= 40
    assert found["fits"] == (accounting != "pure")


def test_a_smaller_epsilon_costs_less_and_is_less_exact(node, call):
    def priced(epsilon):
        return (
            call("sam")
            .post("requests/estimate/", {"grant": node.grant, "sql": SQL, "epsilon": epsilon})
            .json()
        )

    large, small = priced("0.2"), priced("0.1")
    assert small["loss"]["rho_units"] < large["loss"]["rho_units"]
    assert float(small["measures"][0]["plus_minus_95"]) > float(large["measures"][0]["plus_minus_95"])


def test_an_approval_over_the_api_reserves_at_once_and_has_no_undo_window(node, call, submitted):
    vote = {"revision": 1, "vote": "approve"}
    answer = call("alice").post(f"requests/{submitted['id']}/review/", vote)
    assert answer.status_code == 200, answer.json()
    assert answer.json()["progress"]["code"] == "queued"
    cost = submitted["loss"]["rho_units"]
    assert set(spent(node).values()) == {(cost, 0)}
    job = AnalysisRequest.objects.get(pk=submitted["id"]).job
    assert job.not_before <= AnalysisRequest.objects.get(pk=submitted["id"]).decided_at


def test_the_scientist_sees_why_at_every_step(call, submitted):
    key = submitted["id"]
    assert call("sam").get(f"requests/{key}/progress/").json()["code"] == "in_review"
    call("alice").post(
        f"requests/{key}/review/", {"revision": 1, "vote": "request_changes", "reason": "Say why ε."}
    )
    found = call("sam").get(f"requests/{key}/progress/").json()
    assert (found["code"], found["why"], found["is_final"]) == ("changes_requested", "Say why ε.", False)


def test_changes_are_answered_with_a_new_revision_and_the_old_one_stays(call, submitted):
    key, sam, alice = submitted["id"], call("sam"), call("alice")
    alice.post(
        f"requests/{key}/review/", {"revision": 1, "vote": "request_changes", "reason": "Less, please."}
    )
    assert sam.patch(f"requests/{key}/", {"epsilon": "0.05"}).status_code == 200
    assert sam.post(f"requests/{key}/check/").json()["revisions"] == [1, 2]
    assert sam.post(f"requests/{key}/submit/", {"revision": 2}).json()["status"] == "in_review"


def test_a_denial_shows_its_reason_and_costs_nothing(node, call, submitted):
    answer = call("alice").post(
        f"requests/{submitted['id']}/review/", {"revision": 1, "vote": "deny", "reason": "No."}
    )
    assert (answer.json()["status"], answer.json()["reasons"]) == ("denied", ["No."])
    assert set(spent(node).values()) == {(0, 0)}


def test_withdrawing_an_approved_request_gives_the_reservation_back(node, call, submitted):
    call("alice").post(f"requests/{submitted['id']}/review/", {"revision": 1, "vote": "approve"})
    assert call("sam").post(f"requests/{submitted['id']}/withdraw/").json()["status"] == "withdrawn"
    assert set(spent(node).values()) == {(0, 0)}


def test_an_approval_is_revoked_with_a_reason_before_data_is_read(node, call, submitted):
    key = submitted["id"]
    call("alice").post(f"requests/{key}/review/", {"revision": 1, "vote": "approve"})
    assert call("alice").post(f"requests/{key}/revoke/", {}).status_code in {400, 422}
    assert (
        call("alice").post(f"requests/{key}/revoke/", {"reason": "A mistake."}).json()["status"] == "revoked"
    )
    assert set(spent(node).values()) == {(0, 0)}


def test_the_thread_is_read_by_both_sides(call, submitted):
    key = submitted["id"]
    assert call("alice").post(f"requests/{key}/comments/", {"text": "Why by sex?"}).status_code == 201
    lines = call("sam").get(f"requests/{key}/").json()["comments"]
    assert [(line["author"]["name"], line["text"]) for line in lines] == [("Alice Owner", "Why by sex?")]


def test_a_run_on_mock_data_is_free_and_ends_with_an_answer(node, call, ask):
    key = ask()["id"]
    assert call("sam").post(f"requests/{key}/mock-run/").status_code == 202
    assert call("sam").get(f"requests/{key}/mock-result/").json() == {"mock_run": "queued", "answer": None}
    make.run_jobs()
    found = call("sam").get(f"requests/{key}/mock-result/").json()
    assert found["mock_run"] == "finished"
    assert {"female", "male"} <= {row[0] for row in found["answer"]["rows"]}
    assert set(spent(node).values()) == {(0, 0)}


# --- Lists -----------------------------------------------------------------------------------------------------


def test_the_list_narrows_by_status_project_dataset_and_words(node, call, ask, submitted):
    ask(title="Left as a draft")
    project = node.access().project_id

    def titles(**filters):
        return [row["title"] for row in call("sam").get("requests/", **filters).json()["results"]]

    assert titles() == ["Left as a draft", "Patients by sex"]
    assert titles(status="in_review") == ["Patients by sex"]
    assert titles(search="draft") == ["Left as a draft"]
    assert titles(project=project, dataset="support2") == titles()
    assert titles(dataset="another") == titles(project="another") == []
    assert call("sam").get("requests/", status="no such").status_code in {400, 422}


def test_owners_see_requests_once_they_are_handed_in(call, ask, submitted):
    ask(title="Left as a draft")
    rows = call("alice").get("requests/").json()["results"]
    assert [row["title"] for row in rows] == ["Patients by sex"]


def test_the_queue_holds_what_waits_for_me_alone(call, submitted):
    assert [row["id"] for row in call("alice").get("queue/").json()["results"]] == [submitted["id"]]
    for name in ("sam", "rita", "ada", "charlie"):
        assert call(name).get("queue/").json()["results"] == []


def test_the_queue_costs_the_same_number_of_queries_however_long(call, ask, submitted):
    def counted():
        with CaptureQueriesContext(connection) as seen:
            rows = call("alice").get("queue/").json()["results"]
        return len(rows), len(seen)

    counted()  # the first call of a minute notes when the token was used
    one, few = counted()
    for number in range(4):
        more = ask(title=f"More {number}")
        call("sam").post(f"requests/{more['id']}/submit/", {"revision": 1})
    many, queries = counted()
    assert (one, many) == (1, 5)
    assert queries == few


# --- Bad input -------------------------------------------------------------------------------------------------

HOSTILE = [
    "SELEC sex FROM support2",
    "",
    ";;;",
    "SELECT * FROM support2",
    "SELECT sex, COUNT(*) FROM support2 GROUP BY sex; DROP TABLE people_user",
    "DROP TABLE support2",
    "COPY support2 TO '/tmp/x.csv'",
    "SELECT COUNT(*) AS n FROM read_csv('/etc/passwd')",
    "SELECT COUNT(*) AS n FROM people_user",
    "SELECT COUNT(nothing) AS n FROM support2",
    "SELECT SUM(secret_column) AS s FROM support2",
    "SELECT MODE(age) AS m FROM support2",
    "SELECT COUNT(*) AS n FROM support2 WHERE age IN (SELECT age FROM support2)",
    "SELECT COUNT(*) AS n FROM support2 WHERE error(age) = 1",
    "WITH RECURSIVE t AS (SELECT 1) SELECT COUNT(*) AS n FROM t",
    "SELECT COUNT(*) AS n FROM support2 " + "WHERE (" * 300 + "1" + ")" * 300,
    "SELECT '\x00' FROM support2",
]


@pytest.mark.parametrize("sql", HOSTILE)
def test_hostile_and_malformed_sql_is_refused_by_name_and_nothing_is_spent(node, call, sql):
    priced = call("sam").post("requests/estimate/", {"grant": node.grant, "sql": sql, "epsilon": "0.1"})
    assert priced.status_code == 422, priced.json()
    assert priced["Content-Type"] == "application/problem+json"
    assert priced.json()["code"]
    assert set(spent(node).values()) == {(0, 0)}


@pytest.mark.parametrize("sql", [HOSTILE[0], HOSTILE[4], HOSTILE[9]])
def test_what_was_typed_is_kept_beside_why_it_cannot_be_asked(ask, sql):
    checked = ask(sql=sql)
    assert (checked["status"], checked["sql"], checked["revision"]) == ("draft", sql, None)
    assert checked["findings"][0]["text"]


@pytest.mark.parametrize(
    "epsilon", ["0", "-1", "NaN", "Infinity", "-Infinity", "1e400", "eleven", "", "11", "0.0000001"]
)
def test_an_epsilon_that_is_none_is_refused(node, call, epsilon):
    answer = call("sam").post("requests/estimate/", {"grant": node.grant, "sql": SQL, "epsilon": epsilon})
    assert answer.status_code == 422, answer.json()


@pytest.mark.parametrize("epsilon", [0, -0.1, True, None, [0.1], {"a": 1}])
def test_an_epsilon_of_the_wrong_kind_is_refused(node, call, epsilon):
    answer = call("sam").post("requests/estimate/", {"grant": node.grant, "sql": SQL, "epsilon": epsilon})
    assert answer.status_code == 422, answer.json()


@pytest.mark.parametrize(
    "raw",
    ['{"epsilon": NaN}', '{"epsilon": Infinity}', "{", "[]", '"text"', "null", "\x00", '{"sql": "\ud800"}'],
)
def test_what_is_not_a_json_object_is_refused(call, raw):
    http = call("sam").http
    answer = http.post(
        "/api/v1/requests/estimate/", raw.encode("utf-8", "surrogatepass"), content_type="application/json"
    )
    assert answer.status_code in {400, 422}
    assert answer["Content-Type"] == "application/problem+json"


def test_wrong_types_name_their_field(node, call):
    answer = call("sam").post("requests/", {"grant": node.grant, "title": ["a"], "sql": 5.5, "epsilon": {}})
    assert answer.status_code in {400, 422}
    assert {"title", "epsilon"} <= set(answer.json()["errors"])


def filled(node, keep, idem):
    """Reserve all of the grant's budget but `keep` units of ρ, as another question would; return that charge."""
    left = {b.scope: b for b in books.balances(node.access(), node.user("sam"))}["grant"]
    return protocol.reserve(
        idem=idem,
        repeat_key=idem,
        accounts=[left.account],
        grant=node.access(),
        person=node.user("sam"),
        loss=Loss(left.left.rho - keep, 0),
        certificate={},
    )


def test_over_budget_by_one_unit_is_refused_and_exactly_all_of_it_is_not(node, call, ask):
    checked = ask()
    cost, path = checked["loss"]["rho_units"], f"requests/{checked['id']}/submit/"
    other = filled(node, cost - 1, "one too few")
    answer = call("sam").post(path, {"revision": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "budget_exhausted")
    assert call("sam").get(f"requests/{checked['id']}/").json()["status"] == "ready"
    protocol.void(other, reason="test")
    filled(node, cost, "just enough")
    assert call("sam").post(path, {"revision": 1}).status_code == 200
    vote = {"revision": 1, "vote": "approve"}
    assert call("alice").post(f"requests/{checked['id']}/review/", vote).status_code == 200
    assert spent(node)["grant"][0] == books.balances(node.access(), node.user("sam"))[2].limit.rho


def test_a_stale_revision_is_refused_when_submitting_and_when_voting(call, ask, submitted):
    checked = ask()
    answer = call("sam").post(f"requests/{checked['id']}/submit/", {"revision": 2})
    assert (answer.status_code, answer.json()["code"]) == (409, "stale")
    answer = call("alice").post(f"requests/{submitted['id']}/review/", {"revision": 2, "vote": "approve"})
    assert (answer.status_code, answer.json()["code"]) == (409, "stale")


def test_a_vote_that_says_no_says_why(call, submitted):
    for vote in ("deny", "request_changes"):
        answer = call("alice").post(
            f"requests/{submitted['id']}/review/", {"revision": 1, "vote": vote, "reason": " "}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "reason_missing")
    answer = call("alice").post(f"requests/{submitted['id']}/review/", {"revision": 1, "vote": "maybe"})
    assert answer.status_code in {400, 422}


# --- Idempotency -----------------------------------------------------------------------------------------------


def test_the_same_key_with_the_same_body_is_done_once(node, call):
    body = {"grant": node.grant, "title": "Once", "sql": SQL, "epsilon": "0.1"}
    first = call("sam").post("requests/", body, **{"Idempotency-Key": "one"})
    again = call("sam").post("requests/", body, **{"Idempotency-Key": "one"})
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert AnalysisRequest.objects.filter(title="Once").count() == 1


def test_the_same_key_with_another_body_is_refused(node, call):
    body = {"grant": node.grant, "title": "Once", "sql": SQL, "epsilon": "0.1"}
    call("sam").post("requests/", body, **{"Idempotency-Key": "one"})
    other = call("sam").post("requests/", body | {"epsilon": "0.2"}, **{"Idempotency-Key": "one"})
    assert other.status_code == 409
    assert AnalysisRequest.objects.filter(title="Once").count() == 1


def test_a_submission_sent_twice_is_one_and_without_a_key_the_second_is_told(call, ask):
    checked = ask()
    path, body = f"requests/{checked['id']}/submit/", {"revision": 1}
    key = {"Idempotency-Key": "submit-1"}
    assert call("sam").post(path, body, **key).json()["status"] == "in_review"
    assert call("sam").post(path, body, **key).json()["status"] == "in_review"
    assert call("sam").post(path, body).status_code == 409


# --- Who may ---------------------------------------------------------------------------------------------------

READS = [
    "",
    "progress/",
    "estimate/",
    "result/",
    "result/csv/",
    "result/payload/",
    "receipt/",
    "mock-result/",
]
WRITES = [
    ("check/", {}),
    ("submit/", {"revision": 1}),
    ("withdraw/", {}),
    ("comments/", {"text": "x"}),
    ("mock-run/", {}),
    ("review/", {"revision": 1, "vote": "approve"}),
    ("undo-approval/", {}),
    ("revoke/", {"reason": "x"}),
    ("result/release/", {"sha256": "0" * 64}),
    ("result/reject/", {"reason": "x"}),
]


def but_for_its_key(answer):
    return {name: value for name, value in answer.json().items() if name != "request_id"}


def test_a_stranger_cannot_tell_a_foreign_request_from_none(call, submitted):
    for path in READS:
        foreign = call("charlie").get(f"requests/{submitted['id']}/{path}")
        none = call("charlie").get(f"requests/{'0' * 26}/{path}")
        assert foreign.status_code == none.status_code == 404, path
        assert but_for_its_key(foreign) == but_for_its_key(none)


def test_a_stranger_changes_nothing_and_learns_nothing(call, submitted):
    for path, body in WRITES:
        assert call("charlie").post(f"requests/{submitted['id']}/{path}", body).status_code == 404, path
    assert call("sam").get(f"requests/{submitted['id']}/").json()["status"] == "in_review"


def test_without_a_token_nothing_opens(call, submitted):
    for path, body in WRITES:
        answer = call("").post(f"requests/{submitted['id']}/{path}", body)
        assert (answer.status_code, answer["WWW-Authenticate"][:6]) == (401, "Bearer"), path
    for path in READS:
        assert call("").get(f"requests/{submitted['id']}/{path}").status_code == 401, path


def test_a_foreign_grant_is_no_grant(node, call):
    body = {"grant": node.grant, "title": "x", "sql": SQL, "epsilon": "0.1"}
    for path in ("requests/", "requests/estimate/"):
        assert call("charlie").post(path, body).status_code == 404
        assert call("sam").post(path, body | {"grant": "0" * 26}).status_code == 404


def test_nobody_on_the_project_decides_on_it(call, submitted):
    answer = call("sam").post(f"requests/{submitted['id']}/review/", {"revision": 1, "vote": "approve"})
    assert answer.status_code == 403


def test_a_token_decides_only_with_that_scope(node, submitted):
    from domains.people.permissions import Permission
    from tests.portal.api.conftest import Caller

    alice = node.user("alice")
    weak = Caller(make.token(alice, [Permission.REQUEST_READ]))
    answer = weak.post(f"requests/{submitted['id']}/review/", {"revision": 1, "vote": "approve"})
    assert (answer.status_code, answer.json()["code"]) == (403, "token_scope")
    able = Caller(make.token(alice, [Permission.REQUEST_READ, Permission.REQUEST_REVIEW]))
    assert (
        able.post(f"requests/{submitted['id']}/review/", {"revision": 1, "vote": "approve"}).status_code
        == 200
    )


def test_an_expired_token_says_so(node):
    from django.utils import timezone

    from domains.people.models import ApiToken
    from tests.portal.api.conftest import Caller

    plain = make.token(node.user("sam"))
    ApiToken.objects.filter(prefix=plain.split("_")[1]).update(expires_at=timezone.now())
    answer = Caller(plain).get("requests/")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")
