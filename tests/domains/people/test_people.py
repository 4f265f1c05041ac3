"""Who comes in, who gives roles, and who leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from domains.audit.models import AuditEvent
from domains.errors import DomainError, IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.notices.models import Notice
from domains.people import actions, queries
from domains.people.founding import first_administrator
from domains.people.models import Invitation, Membership, User
from domains.people.permissions import NODE_ROLES, Permission, Role, allows, require

PASSWORD = "a long walk by the sea"
Join = Callable[[str, Role], User]


def events() -> list[str]:
    return list(AuditEvent.objects.order_by("index").values_list("event", flat=True))


# --- Founding -------------------------------------------------------------------------------------


def test_a_new_node_gets_one_administrator_with_a_generated_password(db: None) -> None:
    said = StringIO()
    call_command("create_admin", "Ada@Example.org", "--name", "Ada", stdout=said)
    password = said.getvalue().split("Password:")[1].split()[0]
    ada = User.objects.get()
    assert ada.email == "ada@example.org"
    assert len(password) >= 20
    assert ada.check_password(password)
    assert ada.node_roles == {Role.ADMINISTRATOR}
    assert events() == ["node.founded"]


def test_two_founded_nodes_share_no_password(db: None) -> None:
    words = []
    for number in range(2):
        said = StringIO()
        Membership.objects.update(ended_at=timezone.now(), ended_by=User.objects.first())
        call_command("create_admin", f"a{number}@example.org", stdout=said)
        words.append(said.getvalue().split("Password:")[1].split()[0])
    assert words[0] != words[1]


def test_founding_works_once(ada: User) -> None:
    with pytest.raises(CommandError, match="has an administrator"):
        call_command("create_admin", "eve@example.org")
    assert User.objects.count() == 1


# --- Invitations ----------------------------------------------------------------------------------


def test_an_invitation_is_a_secret_that_works_once(ada: User) -> None:
    _, secret = actions.invite("Sam@Example.org", "Sam", Role.SCIENTIST, by=ada)
    assert secret not in str(Invitation.objects.values().get())
    sam = actions.accept_invitation(secret, "Sam Doe", PASSWORD)
    assert (sam.email, sam.name, sam.node_roles) == ("sam@example.org", "Sam Doe", {Role.SCIENTIST})
    assert sam.check_password(PASSWORD)
    assert sam.memberships.get().granted_by == ada
    with pytest.raises(NotFound):
        actions.accept_invitation(secret, "Second Sam", PASSWORD)
    assert events() == ["node.founded", "person.invited", "invitation.accepted"]
    assert Notice.objects.get().recipient == ada


def _expire(invitation: Invitation, ada: User) -> None:
    Invitation.objects.update(expires_at=timezone.now())


def _revoke(invitation: Invitation, ada: User) -> None:
    actions.revoke_invitation(invitation, by=ada)


def _inviter_leaves(invitation: Invitation, ada: User) -> None:
    Membership.objects.filter(user=ada).update(ended_at=timezone.now(), ended_by=ada)


def _never_existed(invitation: Invitation, ada: User) -> None:
    Invitation.objects.update(secret_sha256="0" * 64)


@pytest.mark.parametrize("spoil", [_expire, _revoke, _inviter_leaves, _never_existed])
def test_a_spoilt_invitation_gives_one_answer_whatever_spoilt_it(
    ada: User, spoil: Callable[[Invitation, User], None]
) -> None:
    invitation, secret = actions.invite("sam@example.org", "Sam", Role.SCIENTIST, by=ada)
    spoil(invitation, ada)
    with pytest.raises(NotFound) as refused:
        actions.accept_invitation(secret, "Sam", PASSWORD)
    assert (refused.value.code, str(refused.value)) == (
        "invitation_invalid",
        "This invitation is not valid any more. Ask for a new one.",
    )
    assert not User.objects.filter(email="sam@example.org").exists()


def test_an_address_has_one_open_invitation_and_an_expired_one_makes_room(ada: User) -> None:
    actions.invite("sam@example.org", "", Role.SCIENTIST, by=ada)
    with pytest.raises(InvalidInput) as refused:
        actions.invite("SAM@example.org", "", Role.AUDITOR, by=ada)
    assert refused.value.code == "already_invited"
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    second, _ = actions.invite("sam@example.org", "", Role.AUDITOR, by=ada)
    assert list(queries.invitations(ada)) == [second]


@pytest.mark.parametrize(
    ("email", "role", "code"),
    [
        ("no address", Role.OWNER, "email_invalid"),
        ("x@example.org", "emperor", "role_invalid"),
        ("x@example.org", Role.DATASET_OWNER, "role_invalid"),  # given by a dataset, never node-wide
        ("sam@example.org", Role.OWNER, "email_taken"),
        ("ada@example.org", Role.OWNER, "self_grant"),
    ],
)
def test_an_impossible_invitation_names_its_reason(
    ada: User, sam: User, email: str, role: str, code: str
) -> None:
    before = len(events())
    with pytest.raises(DomainError) as refused:
        actions.invite(email, "", role, by=ada)
    assert refused.value.code == code
    assert len(events()) == before


@pytest.mark.parametrize("password", ["short", "password1234", "sam@example.org"])
def test_a_weak_password_is_refused_and_the_invitation_stays_open(ada: User, password: str) -> None:
    _, secret = actions.invite("sam@example.org", "Sam", Role.SCIENTIST, by=ada)
    with pytest.raises(InvalidInput) as refused:
        actions.accept_invitation(secret, "Sam", password)
    assert refused.value.code == "password_weak"
    assert actions.accept_invitation(secret, "Sam", PASSWORD).is_active


def test_an_address_that_got_an_account_meanwhile_is_not_taken_over(ada: User) -> None:
    _, secret = actions.invite("sam@example.org", "Sam", Role.SCIENTIST, by=ada)
    User.objects.create_user("sam@example.org", "her own password", name="Sam")
    with pytest.raises(IllegalMove):
        actions.accept_invitation(secret, "Sam", PASSWORD)
    assert User.objects.get(email="sam@example.org").check_password("her own password")


@pytest.mark.django_db(transaction=True)
def test_of_two_who_accept_at_once_exactly_one_gets_the_account() -> None:
    ada = first_administrator("ada@example.org", "Ada", PASSWORD)
    _, secret = actions.invite("sam@example.org", "Sam", Role.SCIENTIST, by=ada)
    start, outcomes = threading.Barrier(4), []

    def accept(number: int) -> None:
        start.wait()
        try:
            outcomes.append(actions.accept_invitation(secret, f"Sam {number}", PASSWORD).name)
        except (DomainError, IntegrityError) as refused:
            outcomes.append(type(refused))
        finally:
            connection.close()

    threads = [threading.Thread(target=accept, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(outcome, str) for outcome in outcomes) == 1, outcomes
    assert User.objects.filter(email="sam@example.org").count() == 1
    assert events().count("invitation.accepted") == 1


# --- Roles ----------------------------------------------------------------------------------------


def test_a_role_counts_from_when_it_is_given_until_it_is_ended(ada: User, sam: User) -> None:
    actions.grant_role(sam, Role.AUDITOR, by=ada)
    require(sam, Permission.AUDIT_READ)
    actions.end_role(sam, Role.AUDITOR, by=ada)
    assert not allows(sam, Permission.AUDIT_READ)
    assert allows(sam, Permission.PROJECT_CREATE)
    assert events()[-2:] == ["role.granted", "role.ended"]
    assert Notice.objects.filter(recipient=sam).count() == 2


def refuses_self_grant(user: User) -> None:
    with pytest.raises(NotAllowed) as refused:
        actions.grant_role(user, Role.AUDITOR, by=user)
    assert refused.value.code == "self_grant"


def test_nobody_gives_themselves_a_role(ada: User) -> None:
    refuses_self_grant(ada)
    assert ada.node_roles == {Role.ADMINISTRATOR}


def test_the_database_refuses_a_self_given_role_even_without_the_guard(ada: User) -> None:
    with pytest.raises(IntegrityError, match="membership_not_self_given"), transaction.atomic():
        Membership.objects.create(user=ada, role=Role.AUDITOR, granted_by=ada)
    Membership.objects.create(user=ada, role=Role.AUDITOR, granted_by=None)  # the founding road stays open


@pytest.mark.parametrize("held", [Role.OWNER, Role.REVIEWER])
def test_who_administers_holds_no_approval_right(ada: User, join: Join, held: Role) -> None:
    alice = join("alice", held)
    with pytest.raises(NotAllowed):
        actions.grant_role(alice, Role.ADMINISTRATOR, by=ada)
    bob = join("bob", Role.ADMINISTRATOR)
    with pytest.raises(NotAllowed):
        actions.grant_role(bob, held, by=ada)


def test_a_role_is_given_once_and_ended_once(ada: User, sam: User) -> None:
    with pytest.raises(IllegalMove):
        actions.grant_role(sam, Role.SCIENTIST, by=ada)
    actions.end_role(sam, Role.SCIENTIST, by=ada)
    with pytest.raises(IllegalMove):
        actions.end_role(sam, Role.SCIENTIST, by=ada)
    actions.grant_role(sam, Role.SCIENTIST, by=ada)


def stays(ada: User) -> None:
    for leave in (actions.end_role, lambda user, role, by: actions.deactivate(user, by=by)):
        with pytest.raises(IllegalMove) as refused:
            leave(ada, Role.ADMINISTRATOR, by=_other_hand(ada))
        assert refused.value.code == "last_administrator"


def _other_hand(ada: User) -> User:
    """One whose role ended a moment after it was read, so that the permission alone does not stop them."""
    hand = User.objects.filter(email="hand@example.org").first() or User.objects.create_user(
        "hand@example.org", name="Hand"
    )
    hand._node_roles = {Role.ADMINISTRATOR}  # type: ignore[attr-defined]
    return hand


def test_the_last_administrator_stays(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    stays(ada)
    with monkeypatch.context() as fault:  # planted: without the guard the test above must fail
        fault.setattr(actions, "_keep_an_administrator", lambda *, without: None)
        with pytest.raises(pytest.fail.Exception):
            stays(ada)


def test_an_administrator_may_go_when_another_remains(ada: User, join: Join) -> None:
    bob = join("bob", Role.ADMINISTRATOR)
    actions.end_role(ada, Role.ADMINISTRATOR, by=bob)
    assert not allows(User.objects.get(pk=ada.pk), Permission.PEOPLE_MANAGE)


# --- Leaving and coming back ----------------------------------------------------------------------


def test_a_closed_account_can_do_nothing_until_it_is_opened(ada: User, sam: User) -> None:
    actions.deactivate(sam, by=ada)
    assert not allows(sam, Permission.CATALOGUE_READ)
    with pytest.raises(IllegalMove):
        actions.deactivate(sam, by=ada)
    with pytest.raises(IllegalMove):
        actions.grant_role(sam, Role.AUDITOR, by=ada)
    actions.reactivate(sam, by=ada)
    assert allows(User.objects.get(pk=sam.pk), Permission.PROJECT_CREATE)
    with pytest.raises(IllegalMove):
        actions.reactivate(sam, by=ada)
    assert events()[-2:] == ["person.deactivated", "person.reactivated"]


def test_nobody_closes_their_own_account_by_mistake(ada: User) -> None:
    with pytest.raises(NotAllowed):
        actions.deactivate(ada, by=ada)


@pytest.mark.parametrize(
    "broken",
    [
        {"is_active": False},  # closed by nobody
        {"email": "SAM@example.org"},
        {"deactivated_at": timezone.now()},
    ],
)
def test_the_database_keeps_accounts_sound(sam: User, broken: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=sam.pk).update(**broken)


def test_the_database_keeps_invitations_sound(ada: User) -> None:
    invitation, _ = actions.invite("x@example.org", "", Role.OWNER, by=ada)
    now = timezone.now()
    both = {"accepted_at": now, "accepted_by": ada, "revoked_at": now, "revoked_by": ada}
    for broken in (both, {"accepted_at": now}, {"role": "emperor"}, {"email": "X@example.org"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Invitation.objects.filter(pk=invitation.pk).update(**broken)


# --- Who may --------------------------------------------------------------------------------------

MANAGING: dict[str, Callable[[User, User], Any]] = {
    "invite": lambda by, other: actions.invite("new@example.org", "", Role.OWNER, by=by),
    "revoke_invitation": lambda by, other: actions.revoke_invitation(Invitation.objects.get(), by=by),
    "grant_role": lambda by, other: actions.grant_role(other, Role.AUDITOR, by=by),
    "end_role": lambda by, other: actions.end_role(other, Role.SCIENTIST, by=by),
    "deactivate": lambda by, other: actions.deactivate(other, by=by),
    "reactivate": lambda by, other: actions.reactivate(other, by=by),
    "invitations": lambda by, other: queries.invitations(by),
    "invitation": lambda by, other: queries.invitation("x", by),
}


@pytest.mark.parametrize("role", [role for role in NODE_ROLES if role is not Role.ADMINISTRATOR])
@pytest.mark.parametrize("name", MANAGING)
def test_only_administrators_manage_people(ada: User, sam: User, join: Join, role: Role, name: str) -> None:
    eve = join("eve", role)
    Invitation.objects.all().delete()
    actions.invite("pending@example.org", "", Role.OWNER, by=ada)
    before = events()
    with pytest.raises(NotAllowed):
        MANAGING[name](eve, sam)
    assert events() == before
    assert queries.invitations(ada).count() == 1


def test_people_are_listed_for_those_who_may_read_them_in_constant_queries(
    ada: User, join: Join, sam: User, django_assert_num_queries: Any
) -> None:
    join("rita", Role.REVIEWER)
    theo = join("theo", Role.AUDITOR)
    theo.node_roles  # noqa: B018 - read once before counting
    with django_assert_num_queries(2):
        listed = {person.name: person.node_roles for person in queries.people(theo)}
    assert listed == {
        "Ada": {Role.ADMINISTRATOR},
        "Rita": {Role.REVIEWER},
        "Sam": {Role.SCIENTIST},
        "Theo": {Role.AUDITOR},
    }
    assert [person.name for person in queries.people(ada, "RITA")] == ["Rita"]
    assert [person.name for person in queries.people(ada, role="scientist")] == ["Sam"]
    with pytest.raises(NotAllowed):
        queries.people(sam)
    with pytest.raises(NotFound):
        queries.person("01ARZ3NDEKTSV4RRFFQ69G5FAV", ada)


def test_people_rename_themselves_only(ada: User, sam: User) -> None:
    actions.rename(sam, " Samuel ", "Institute", by=sam)
    assert User.objects.get(pk=sam.pk).name == "Samuel"
    with pytest.raises(NotAllowed):
        actions.rename(sam, "Eve", "", by=ada)
    with pytest.raises(InvalidInput):
        actions.rename(sam, " ", "", by=sam)


def test_what_the_log_keeps_of_people_names_nobody(ada: User, sam: User) -> None:
    actions.rename(sam, "Samuel", "", by=sam)
    kept = b"".join(bytes(body) for body in AuditEvent.objects.values_list("body", flat=True))
    assert sam.pk.encode() in kept
    for word in (b"sam@", b"Sam", b"ada@"):
        assert word not in kept


# --- A way back in ------------------------------------------------------------------------------------------------


def test_who_runs_the_machine_resets_a_lost_password(ada: User, sam: User) -> None:
    said = StringIO()
    call_command("reset_password", "SAM@example.org", stdout=said)
    password = said.getvalue().split(": ")[1].strip()
    sam.refresh_from_db()
    assert sam.check_password(password)
    assert events()[-1] == "password.changed"
    assert Notice.objects.filter(recipient=sam).count() == 1
    actions.deactivate(sam, by=ada)
    for address in (sam.email, "nobody@example.org"):
        with pytest.raises(CommandError, match="No active account"):
            call_command("reset_password", address)
