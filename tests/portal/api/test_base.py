"""What every resource of the API shares: problems, pages, keys that make a POST safe to repeat, and its description."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone
from rest_framework.test import APIClient

from domains.catalog import actions as catalog
from domains.catalog import queries
from domains.catalog.models import ResearchArea
from domains.people.models import User
from portal.logs import JsonFormatter
from portal.models import IdempotentResponse
from tests import cast
from tests.portal.api.kit import Client, call_as

pytestmark = pytest.mark.django_db
API = "/api/v1/"


@pytest.fixture
def given() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def ada(given: cast.Cast) -> Client:
    return call_as(given.ada)


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a whole problem document with this status and code, and return it."""
    assert response["Content-Type"] == "application/problem+json"
    body = json.loads(response.content)
    assert (response.status_code, body["status"], body["code"]) == (status, status, code)
    assert {"type", "title", "detail", "request_id"} <= set(body)
    assert body["detail"]
    assert body["request_id"] == response["X-Request-Id"]
    return body


# --- Problems ---------------------------------------------------------------------------------------------------


def test_without_a_token_every_address_asks_to_sign_in(given):
    for path in ("datasets/", "projects/", "grants/", "areas/", "populations/", "me/", "no-such-thing/"):
        response = APIClient().get(API + path)
        problem(response, 401, "not_authenticated")
        assert response["WWW-Authenticate"].startswith("Bearer")


def test_a_wrong_token_is_named_as_such(given):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Bearer gridhouse_wrong_token")
    problem(client.get(API + "me/"), 401, "token_invalid")


def test_an_unknown_address_is_a_problem_and_not_a_page(ada):
    problem(ada.get("no-such-thing/"), 404, "not_found")
    problem(ada.post("no/such/thing/"), 404, "not_found")


def test_a_rule_that_says_no_keeps_its_code(given, ada):
    problem(call_as(given.sam).post("areas/", {"name": "Heart", "slug": "heart"}), 403, "not_allowed")
    problem(ada.get("datasets/none/"), 404, "not_found")
    problem(ada.post("areas/", {"name": "Intensive care", "slug": "other"}), 422, "taken")


def test_fields_that_do_not_fit_are_named(ada):
    body = problem(ada.post("areas/", {"slug": "not a slug"}), 422, "invalid_input")
    assert set(body["errors"]) == {"name", "slug"}
    assert body["detail"].startswith("name: ")


def test_fields_deep_inside_are_named_too(given):
    cast.draft_dataset(given)
    columns = [{"name": "a", "kind": "integer"}, {"name": "b", "kind": "king"}]
    response = call_as(given.alice).put("datasets/support2/schema/", {"columns": columns, "max_units": 5})
    body = problem(response, 422, "invalid_input")
    assert "king" in json.dumps(body["errors"]["columns"], ensure_ascii=False)
    assert "king" in body["detail"]


def test_a_body_that_is_no_json_is_malformed(ada):
    response = ada.http.post(API + "areas/", b"{not json", content_type="application/json")
    problem(response, 400, "malformed")
    response = ada.http.post(API + "areas/", b'["a list"]', content_type="application/json")
    problem(response, 422, "invalid_input")


def test_a_body_of_the_wrong_kind_is_refused(ada):
    problem(
        ada.http.post(API + "areas/", b"name=x", content_type="text/plain"), 415, "unsupported_media_type"
    )


def test_a_method_that_an_address_does_not_have_is_refused(ada):
    response = ada.http.delete(API + "areas/")
    problem(response, 405, "method_not_allowed")
    assert "GET" in response["Allow"]


def test_an_answer_in_another_form_is_refused(ada):
    problem(ada.http.get(API + "areas/", headers={"Accept": "image/png"}), 406, "not_acceptable")


def test_a_body_that_is_too_large_is_refused(ada, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    body = json.dumps({"name": "x" * 200, "slug": "heart"})
    response = ada.http.post(
        API + "areas/", body, content_type="application/json", headers={"Idempotency-Key": "k"}
    )
    problem(response, 413, "too_large")


def test_too_many_calls_are_told_when_to_come_again(ada, monkeypatch):
    from rest_framework.throttling import UserRateThrottle

    monkeypatch.setattr(UserRateThrottle, "THROTTLE_RATES", {"user": "2/min"})
    ada.get("me/"), ada.get("me/")
    response = ada.get("me/")
    problem(response, 429, "rate_limited")
    assert 1 <= int(response["Retry-After"]) <= 61


def test_what_nobody_foresaw_is_a_500_without_a_word_of_it(ada, monkeypatch, caplog):
    def fail(user: User) -> None:
        raise ZeroDivisionError("patient 4711 has charge 0")

    monkeypatch.setattr(queries, "areas", fail)
    with caplog.at_level(logging.ERROR):
        response = ada.get("areas/")
    body = problem(response, 500, "internal_error")
    assert "4711" not in json.dumps(body)
    lines = [
        JsonFormatter().format(record) for record in caplog.records if record.name == "portal.api.problems"
    ]
    assert len(lines) == 1
    assert "ZeroDivisionError" in lines[0]
    assert "4711" not in lines[0]
    assert json.loads(lines[0])["request_id"] == body["request_id"]


def test_a_session_needs_the_forms_token(given):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(given.ada)
    assert client.get(API + "me/").status_code == 200
    problem(client.post(API + "areas/", {"name": "Heart", "slug": "heart"}), 403, "not_allowed")
    assert not ResearchArea.objects.filter(slug="heart").exists()


# --- Pages ------------------------------------------------------------------------------------------------------


def test_a_list_comes_in_pages_and_what_is_added_meanwhile_moves_nothing(given):
    for number in range(7):
        cast.dataset(given, f"study-{number}")
    sam = call_as(given.sam)
    first = sam.get("datasets/", page_size=3).json()
    cast.dataset(given, "newer")
    seen = [row["slug"] for row in first["results"]]
    page = first
    while page["next"]:
        page = sam.http.get(page["next"]).json()
        seen += [row["slug"] for row in page["results"]]
    assert len(first["results"]) == 3
    assert sorted(seen) == [f"study-{number}" for number in range(7)]


def test_pages_have_a_largest_size(given):
    sam = call_as(given.sam)
    assert sam.get("datasets/", page_size=100_000).status_code == 200
    problem(sam.get("datasets/", cursor="nonsense"), 404, "not_found")


# --- Keys -------------------------------------------------------------------------------------------------------


HEART = {"name": "Heart", "slug": "heart"}


def test_the_same_call_again_gets_the_same_answer_and_does_nothing_twice(ada):
    first = ada.post("areas/", HEART, key="one")
    again = ada.post("areas/", HEART, key="one")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again["Content-Type"] == first["Content-Type"]
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert ResearchArea.objects.filter(slug="heart").count() == 1


def test_a_refusal_is_repeated_too(ada):
    ada.post("areas/", HEART)
    first = ada.post("areas/", HEART, key="one")
    ResearchArea.objects.filter(slug="heart").update(slug="changed", name="Changed")
    again = ada.post("areas/", HEART, key="one")
    problem(first, 422, "taken")
    assert (again.status_code, again.content) == (422, first.content)


@pytest.mark.parametrize("other", [HEART | {"name": "Other"}, {}])
def test_another_body_under_the_same_key_is_a_conflict(ada, other):
    ada.post("areas/", HEART, key="one")
    problem(ada.post("areas/", other, key="one"), 409, "idempotency_conflict")


def test_another_address_under_the_same_key_is_a_conflict(ada):
    ada.post("areas/", HEART, key="one")
    problem(ada.post("populations/", HEART, key="one"), 409, "idempotency_conflict")


def test_a_key_is_ones_own(given, ada):
    ada.post("areas/", HEART, key="one")
    problem(call_as(given.sam).post("areas/", HEART, key="one"), 403, "not_allowed")


def test_a_key_lasts_a_day(ada):
    ada.post("areas/", HEART, key="one")
    old = timezone.now() - timedelta(hours=24, seconds=1)
    IdempotentResponse.objects.update(created_at=old)
    problem(ada.post("areas/", HEART, key="one"), 422, "taken")  # made anew, and found taken
    assert IdempotentResponse.objects.get().created_at > old


def test_a_call_whose_first_attempt_has_not_ended_is_told_so(ada):
    ada.post("areas/", HEART, key="one")
    IdempotentResponse.objects.update(status=None)
    problem(ada.post("areas/", HEART, key="one"), 409, "idempotency_in_progress")


def test_a_failure_of_the_node_gives_the_key_back(ada, monkeypatch):
    def fail(**words: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(catalog, "create_area", fail)
    problem(ada.post("areas/", HEART, key="one"), 500, "internal_error")
    assert not IdempotentResponse.objects.exists()
    monkeypatch.undo()
    assert ada.post("areas/", HEART, key="one").status_code == 201


def test_who_may_not_call_claims_no_key(given):
    assert APIClient().post(API + "areas/", HEART, headers={"Idempotency-Key": "one"}).status_code == 401
    assert not IdempotentResponse.objects.exists()


@pytest.mark.parametrize("key", ["", "x" * 129, "tab\there"])
def test_a_key_is_short_and_printable(ada, key):
    problem(ada.post("areas/", HEART, key=key), 422, "idempotency_key_invalid")
    assert not ResearchArea.objects.filter(slug="heart").exists()


def test_the_database_lets_one_person_claim_a_key_once(given):
    call = {"user": given.ada, "key": "one", "method": "POST", "path": "/", "body_sha256": "a" * 64}
    IdempotentResponse.objects.create(**call)
    with pytest.raises(IntegrityError):
        IdempotentResponse.objects.create(**call)


def test_reading_takes_no_key(ada):
    assert ada.http.get(API + "areas/", headers={"Idempotency-Key": "one"}).status_code == 200
    assert not IdempotentResponse.objects.exists()


def test_every_view_that_takes_posts_keeps_its_answers():
    from portal.api.idempotency import Idempotent
    from portal.api.urls import urlpatterns

    posting = [
        pattern.callback.cls
        for pattern in urlpatterns
        if "post" in (getattr(pattern.callback, "actions", None) or {})
        or hasattr(pattern.callback.cls, "post")
    ]
    assert len(posting) > 30
    assert all(issubclass(view, Idempotent) for view in posting)


# --- Description ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    from drf_spectacular.generators import SchemaGenerator

    return SchemaGenerator().get_schema(request=None, public=True)


def test_the_document_describes_every_address_without_a_warning(capsys):
    from drf_spectacular.drainage import GENERATOR_STATS
    from drf_spectacular.generators import SchemaGenerator
    from drf_spectacular.validation import validate_schema

    with GENERATOR_STATS.silence():
        document = SchemaGenerator().get_schema(request=None, public=True)
    validate_schema(document)
    assert not GENERATOR_STATS


def test_each_operation_says_how_it_can_refuse_and_that_it_needs_a_token(document):
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in {"get", "post", "put", "patch", "delete"}
    ]
    assert len(operations) > 60
    for path, method, operation in operations:
        content = operation["responses"]["default"]["content"]
        assert "application/problem+json" in content, (path, method)
        assert operation.get("summary"), (path, method)
        if method == "post" and "multipart/form-data" not in operation.get("requestBody", {}).get(
            "content", {}
        ):
            assert "Idempotency-Key" in {each["name"] for each in operation["parameters"]}, path


def test_the_document_is_open_and_whole(document):
    response = APIClient().get(API + "schema/")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("application/vnd.oai.openapi")
    assert set(document["paths"]) >= {"/api/v1/datasets/", "/api/v1/projects/{id}/review/", "/api/v1/me/"}


def test_the_docs_load_nothing_from_elsewhere_and_run_no_inline_script():
    page = APIClient().get(API + "docs/", headers={"Accept": "text/html"})
    text = page.content.decode()
    assert page.status_code == 200
    assert "http://" not in text
    assert "https://" not in text
    assert "<style" not in text
    assert text.count("<script src=") == text.count("<script") == 3
    script = APIClient().get(API + "docs/?script", headers={"Accept": "text/html"})
    assert script["Content-Type"].startswith("application/javascript")
    assert "/api/v1/schema/" in script.content.decode()
