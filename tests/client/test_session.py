"""How the client speaks: where a token may go, what is tried again, how lists are read, how refusals are named."""

import logging

import gridhouse
import httpx
import pytest
from gridhouse import session as sessions
from gridhouse.session import Session

TOKEN = "gridhouse_abcd1234_secret-part"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(sessions.time, "sleep", lambda seconds: None)


def node(*answers):
    """Return (session, seen): a node that gives `answers` in turn, the last for ever, and what it was asked."""
    seen, left = [], list(answers)

    def answer(request):
        seen.append(request)
        step = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(step, Exception):
            raise step
        return step

    return Session("http://localhost", TOKEN, transport=httpx.MockTransport(answer)), seen


def problem(status, code, **extra):
    return httpx.Response(status, json={"code": code, "detail": "Say it again.", **extra})


# --- Addresses and tokens --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://node.example",
        "http://10.0.0.1",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
    ],
)
def test_a_token_never_travels_in_the_open(url):
    with pytest.raises(gridhouse.InsecureAddress, match="https"):
        gridhouse.connect(url, TOKEN)


@pytest.mark.parametrize(
    "url",
    [
        "https://node.example",
        "http://localhost:8000",
        "http://127.0.0.1",
        "http://127.9.9.9",
        "http://[::1]:1",
    ],
)
def test_https_and_this_machine_are_fine(url):
    gridhouse.connect(url, TOKEN).close()


def test_who_insists_may_use_http():
    gridhouse.connect("http://node.example", TOKEN, insecure=True).close()


@pytest.mark.parametrize(
    "url", ["", "node.example", "ftp://localhost", "https://", "https://me:pw@node.example"]
)
def test_what_is_no_node_address_is_refused(url):
    with pytest.raises(gridhouse.InvalidInput):
        gridhouse.connect(url, TOKEN)


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "ключ", "tab\t"])
def test_what_cannot_be_a_token_is_refused_before_it_is_sent(token):
    with pytest.raises(gridhouse.InvalidInput, match="token"):
        gridhouse.connect("https://node.example", token)


def test_the_token_is_in_the_header_and_nowhere_else(caplog):
    caplog.set_level(logging.DEBUG)
    session, seen = node(httpx.Response(200, json={}))
    session.get("me/")
    assert seen[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in str(seen[0].url) + repr(session) + repr(vars(session)) + caplog.text


def test_a_redirect_is_not_followed_with_the_token():
    session, seen = node(httpx.Response(302, headers={"location": "https://evil.example/"}))
    with pytest.raises(gridhouse.NodeFailed, match=r"evil\.example"):
        session.get("me/")
    assert len(seen) == 1


# --- Trying again ----------------------------------------------------------------------------------------------


def test_reading_is_tried_again_after_a_broken_connection():
    session, seen = node(
        httpx.ConnectError("no"), httpx.ReadError("cut"), httpx.Response(200, json={"id": 1})
    )
    assert session.get("me/") == {"id": 1}
    assert len(seen) == 3


def test_writing_is_tried_again_under_the_same_idempotency_key():
    session, seen = node(httpx.ReadTimeout("slow"), httpx.Response(201, json={"id": 1}))
    session.post("requests/", {"title": "x"})
    keys = [request.headers["Idempotency-Key"] for request in seen]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_each_write_has_a_key_of_its_own():
    session, seen = node(httpx.Response(201, json={}))
    session.post("requests/", {"title": "x"})
    session.post("requests/", {"title": "x"})
    assert len({request.headers["Idempotency-Key"] for request in seen}) == 2


def test_a_change_without_a_key_is_sent_once():
    session, seen = node(httpx.ReadError("cut"))
    with pytest.raises(gridhouse.NodeUnreachable):
        session.patch("requests/x/", {"title": "x"})
    assert len(seen) == 1


def test_trying_again_ends():
    session, seen = node(httpx.ConnectError("no"))
    with pytest.raises(gridhouse.NodeUnreachable, match="localhost"):
        session.get("me/")
    assert len(seen) == sessions.ATTEMPTS


def test_a_node_that_is_starting_is_asked_again_and_one_that_refuses_is_not():
    session, seen = node(httpx.Response(503), httpx.Response(200, json={}))
    session.get("me/")
    assert len(seen) == 2
    session, seen = node(problem(409, "illegal_move"))
    with pytest.raises(gridhouse.IllegalMove):
        session.post("requests/x/submit/", {})
    assert len(seen) == 1


# --- Lists -----------------------------------------------------------------------------------------------------


def test_pages_are_read_only_as_far_as_asked_for():
    more = "http://localhost/api/v1/requests/?cursor=abc&status=approved"
    session, seen = node(
        httpx.Response(200, json={"results": [{"id": 1}, {"id": 2}], "next": more}),
        httpx.Response(200, json={"results": [{"id": 3}], "next": None}),
    )
    rows = session.pages("requests/", status="approved", search="")
    assert next(rows)["id"] == 1
    assert len(seen) == 1
    assert [row["id"] for row in rows] == [2, 3]
    assert seen[0].url.query == b"status=approved"
    assert dict(seen[1].url.params) == {"cursor": "abc", "status": "approved"}


def test_a_next_link_to_another_host_does_not_carry_the_token_there():
    elsewhere = "https://evil.example/steal?cursor=abc"
    session, seen = node(
        httpx.Response(200, json={"results": [], "next": elsewhere}),
        httpx.Response(200, json={"results": [], "next": None}),
    )
    assert list(session.pages("requests/")) == []
    assert {request.url.host for request in seen} == {"localhost"}


@pytest.mark.parametrize("body", [[], {}, {"results": "none"}])
def test_a_list_of_another_form_is_a_failure_of_the_node(body):
    session, _ = node(httpx.Response(200, json=body))
    with pytest.raises(gridhouse.NodeFailed):
        list(session.pages("requests/"))


# --- Refusals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "parse_error", gridhouse.InvalidInput),
        (401, "token_expired", gridhouse.NotAuthenticated),
        (403, "separation_of_duties", gridhouse.NotAllowed),
        (404, "not_found", gridhouse.NotFound),
        (409, "stale", gridhouse.IllegalMove),
        (409, "budget_exhausted", gridhouse.BudgetExhausted),
        (422, "epsilon_invalid", gridhouse.InvalidInput),
        (422, "policy_refused", gridhouse.PolicyRefused),
        (429, "throttled", gridhouse.RateLimited),
        (500, "computation_failed", gridhouse.NodeFailed),
        (502, "peer_unavailable", gridhouse.PeerUnavailable),
    ],
)
def test_a_refusal_has_the_nodes_own_name_and_code(status, code, kind):
    session, _ = node(problem(status, code))
    with pytest.raises(kind, match=r"Say it again\.") as caught:
        session.get("me/")
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.status) == (code, status)


def test_a_rejected_query_names_clause_and_alternative():
    session, _ = node(problem(422, "unknown_column", clause="WHERE", alternative="Use one of: age, sex."))
    with pytest.raises(gridhouse.QueryRejected) as caught:
        session.post("requests/estimate/", {})
    assert (caught.value.clause, caught.value.alternative) == ("WHERE", "Use one of: age, sex.")
    assert str(caught.value) == "WHERE: Say it again. Use one of: age, sex."


@pytest.mark.parametrize("answer", [httpx.Response(200, text="<html>"), httpx.Response(500, text="<html>")])
def test_what_is_not_json_is_a_failure_of_the_node(answer):
    session, _ = node(answer)
    with pytest.raises(gridhouse.NodeFailed):
        session.get("me/")


def test_a_repeat_waits_for_the_first_call_to_end():
    under_way = problem(409, "idempotency_in_progress")
    session, seen = node(httpx.ReadError("cut"), under_way, httpx.Response(201, json={"id": 1}))
    assert session.post("requests/", {}) == {"id": 1}
    assert len(seen) == 3


def test_the_key_of_another_call_is_not_waited_for():
    session, seen = node(problem(409, "idempotency_in_progress"))
    with pytest.raises(gridhouse.IllegalMove):
        session.post("requests/", {})
    assert len(seen) == 1
