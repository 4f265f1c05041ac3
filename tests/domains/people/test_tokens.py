"""API tokens: shown once, kept as a hash, scoped, expiring (S9)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from domains.errors import DomainError, IllegalMove, NotAllowed, NotFound
from domains.people import actions, permissions, queries, scopes, tokens
from domains.people.models import ApiToken, User
from domains.people.permissions import TABLE, Permission, Role, allows, require

P = Permission
READ = frozenset({P.CATALOGUE_READ})
Join = Callable[[str, Role], User]
DECISIONS = {
    P.REQUEST_REVIEW, P.BUDGET_ALLOCATE, P.RESULT_RELEASE, P.PROJECT_REVIEW, P.PEOPLE_MANAGE, P.CAP_APPROVE,
    P.POLICY_ACTIVATE, P.MOCK_APPROVE, P.DATASET_PUBLISH, P.DATASET_FREEZE, P.AUDIT_RECONCILE, P.TOKEN_MANAGE,
}  # fmt: skip


def make(user: User, granted: Any = READ, days: int = 30) -> tuple[ApiToken, str]:
    return actions.create_token(user, "notebook", granted, days, by=user)


def test_a_token_is_kept_as_prefix_and_hash_only(sam: User) -> None:
    _, plain = make(sam)
    kept = ApiToken.objects.values().get()
    assert plain.startswith(f"gridhouse_{kept['prefix']}_")
    assert len(plain.split("_", 2)[2]) >= 43  # 256 bits
    assert plain.split("_", 2)[2] not in str(kept)
    found = tokens.authenticate(plain)
    assert found == sam
    assert found.token_scopes == READ


def test_what_is_not_the_token_is_nobody(sam: User) -> None:
    _, plain = make(sam)
    wrong_end = plain[:-1] + ("a" if plain[-1] != "a" else "b")
    for text in (
        "",
        "gridhouse",
        "gridhouse__",
        plain.upper(),
        wrong_end,
        plain + " ",
        plain.split("_", 2)[2],
    ):
        assert tokens.authenticate(text) is None, text


def _expire(token: ApiToken, ada: User) -> None:
    ApiToken.objects.update(created_at=timezone.now() - timedelta(days=2), expires_at=timezone.now())


def _revoke(token: ApiToken, ada: User) -> None:
    actions.revoke_token(token, by=token.user)


def _close(token: ApiToken, ada: User) -> None:
    actions.deactivate(token.user, by=ada)


@pytest.mark.parametrize(
    ("end", "code"), [(_expire, "token_expired"), (_revoke, "token_revoked"), (_close, "account_closed")]
)
def test_an_ended_token_stops_at_once_and_says_why(
    ada: User, sam: User, end: Callable[[ApiToken, User], None], code: str
) -> None:
    token, plain = make(sam)
    end(token, ada)
    assert tokens.authenticate(plain) is None
    found = tokens.find(plain)
    assert found is not None
    assert tokens.refusal(found) == code


def test_an_opened_account_does_not_revive_its_tokens(ada: User, sam: User) -> None:
    _, plain = make(sam)
    actions.deactivate(sam, by=ada)
    actions.reactivate(sam, by=ada)
    assert tokens.authenticate(plain) is None


def cannot_manage_people(user: User) -> None:
    with pytest.raises(NotAllowed) as refused:
        require(user, P.PEOPLE_MANAGE)
    assert refused.value.code == "token_scope"


def test_a_token_without_the_scope_cannot_decide_whatever_its_owner_is(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, plain = make(ada, scopes.default_scopes(ada))
    bearer = tokens.authenticate(plain)
    assert bearer is not None
    cannot_manage_people(bearer)
    require(ada, P.PEOPLE_MANAGE)  # she herself, signed in, may
    with monkeypatch.context() as fault:  # planted: a token that carries all of its owner's rights
        fault.setattr(permissions, "_scope_of", lambda user: frozenset(P))
        with pytest.raises(pytest.fail.Exception):
            cannot_manage_people(bearer)


def test_a_scope_gives_nothing_that_the_roles_do_not(sam: User) -> None:
    _, plain = make(sam, [P.PEOPLE_MANAGE])
    bearer = tokens.authenticate(plain)
    assert bearer is not None
    assert not allows(bearer, P.PEOPLE_MANAGE)
    assert not allows(bearer, P.PROJECT_CREATE)


def test_the_groups_cover_every_permission_once() -> None:
    listed = [permission for group in scopes.GROUPS for permission in group.permissions]
    assert sorted(listed) == sorted(P)


def test_everything_that_decides_is_marked_as_deciding() -> None:
    assert scopes.DECIDING >= DECISIONS


@pytest.mark.parametrize(
    "role", [Role.SCIENTIST, Role.OWNER, Role.REVIEWER, Role.ADMINISTRATOR, Role.AUDITOR]
)
def test_nothing_that_decides_is_ticked_at_first(ada: User, join: Join, role: Role) -> None:
    someone = join("someone", role)
    first = scopes.default_scopes(someone)
    assert P.CATALOGUE_READ in first
    assert not first & scopes.DECIDING


def test_a_scientists_first_token_writes_requests(sam: User) -> None:
    assert scopes.default_scopes(sam) >= TABLE[Role.AUTHOR] | {
        P.PROJECT_CREATE,
        P.REQUEST_CREATE,
        P.RESULT_READ,
    }


def test_a_token_never_makes_a_stronger_one(sam: User) -> None:
    _, plain = make(sam, [P.TOKEN_MANAGE, P.CATALOGUE_READ])
    bearer = tokens.authenticate(plain)
    assert bearer is not None
    make(bearer, [P.CATALOGUE_READ])
    with pytest.raises(NotAllowed) as refused:
        make(bearer, [P.CATALOGUE_READ, P.REQUEST_REVIEW])
    assert refused.value.code == "token_scope"


def test_a_token_without_that_scope_makes_none(sam: User) -> None:
    _, plain = make(sam, READ)
    bearer = tokens.authenticate(plain)
    assert bearer is not None
    with pytest.raises(NotAllowed):
        make(bearer)
    with pytest.raises(NotAllowed):
        actions.rename(bearer, "Eve", "", by=bearer)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"granted": []}, "scopes_invalid"),
        ({"granted": ["everything"]}, "scopes_invalid"),
        ({"days": 0}, "days_invalid"),
        ({"days": 366}, "days_invalid"),
    ],
)
def test_an_impossible_token_names_its_reason(sam: User, change: dict[str, Any], code: str) -> None:
    with pytest.raises(DomainError) as refused:
        make(sam, **change)
    assert refused.value.code == code
    assert not ApiToken.objects.exists()


def test_nobody_makes_or_sees_anothers_tokens_but_an_administrator_can_end_them(
    ada: User, sam: User, join: Join
) -> None:
    with pytest.raises(NotAllowed):
        actions.create_token(sam, "x", READ, 30, by=ada)  # S8: no impersonation
    token, _ = make(sam)
    with pytest.raises(NotFound):
        queries.token(token.pk, ada)
    with pytest.raises(NotFound):
        actions.revoke_token(token, by=join("eve", Role.SCIENTIST))
    actions.revoke_token(token, by=ada)
    with pytest.raises(IllegalMove):
        actions.revoke_token(token, by=ada)
    assert not queries.tokens(sam).exists()


def test_the_last_use_is_noted_at_most_once_a_minute(sam: User, django_assert_num_queries: Any) -> None:
    _, plain = make(sam)
    with django_assert_num_queries(2):
        tokens.authenticate(plain)
    with django_assert_num_queries(1):
        tokens.authenticate(plain)
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    with django_assert_num_queries(2):
        tokens.authenticate(plain)


def test_secrets_are_compared_in_constant_time(sam: User, monkeypatch: pytest.MonkeyPatch) -> None:
    _, plain = make(sam)
    compared: list[tuple[int, int]] = []
    real = tokens.secrets.compare_digest

    def watched(left: str, right: str) -> bool:
        compared.append((len(left), len(right)))
        return real(left, right)

    monkeypatch.setattr(tokens.secrets, "compare_digest", watched)
    for text in (plain, "gridhouse_00000000_unknown", "nonsense"):
        tokens.find(text)
    assert compared == [(64, 64)] * 3


def test_the_database_refuses_a_token_without_an_end(sam: User) -> None:
    token, _ = make(sam)
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiToken.objects.filter(pk=token.pk).update(expires_at=token.created_at)
