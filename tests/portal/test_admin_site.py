"""The admin site looks and never touches, and shows each role only what the permission table lets it read."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse

from domains.people import actions
from domains.people.models import Membership, User
from domains.people.permissions import TABLE, Role
from portal.admin import HIDDEN_MODELS, NEEDS, ReadOnlyAdmin, shown_fields, site
from tests.portal.people_kit import ada, browser, join

pytestmark = pytest.mark.django_db
SHOWN = sorted(site._registry, key=lambda model: model._meta.label)


def list_of(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.AUDITOR])
def test_every_list_opens_by_the_permission_table(role: Role) -> None:
    client = browser(ada() if role is Role.ADMINISTRATOR else join("theo", role))
    assert client.get("/admin/").status_code == 200
    for model in SHOWN:
        may = NEEDS[model._meta.app_label] in TABLE[role]
        assert client.get(list_of(model)).status_code == (200 if may else 403), model


@pytest.mark.parametrize("role", [Role.SCIENTIST, Role.OWNER, Role.REVIEWER])
def test_it_is_closed_to_everybody_else(role: Role) -> None:
    client = browser(join("someone", role))
    for address in ("/admin/", "/admin/login/", list_of(Membership)):
        assert client.get(address, follow=True).status_code == 403, address


def test_strangers_sign_in_on_the_nodes_own_page() -> None:
    assert Client().get("/admin/login/")["Location"] == "/account/login/?next=/admin/login/"
    assert Client().get(list_of(User))["Location"].startswith("/account/login/?next=/admin/people/user/")


def test_nothing_can_be_written_by_anyone() -> None:
    admin, sam = browser(ada()), join("sam", Role.SCIENTIST)
    row = reverse("admin:people_user_change", args=[sam.pk])
    assert admin.get(row).status_code == 200
    assert admin.post(row, {"name": "Eve"}).status_code == 403
    assert admin.post(
        list_of(User), {"action": "delete_selected", "_selected_action": sam.pk}
    ).status_code in {200, 403}
    for end in ("add/", f"{sam.pk}/delete/"):
        assert admin.post(list_of(User) + end).status_code in {302, 404}, end
    assert User.objects.get(pk=sam.pk).name == "Sam"
    for model in SHOWN:
        names = {url.name for url in site._registry[model].urls if url.name}
        assert all(name.endswith(("_changelist", "_change")) for name in names), names


def test_a_back_door_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        ReadOnlyAdmin, "has_change_permission", lambda self, request, obj=None: True
    )  # the fault
    sam = join("sam", Role.SCIENTIST)
    row = reverse("admin:people_user_change", args=[sam.pk])
    assert browser(ada()).post(row, {}).status_code != 403


def test_no_secret_and_no_private_bytes_are_shown() -> None:
    actions.invite("x@example.org", "", Role.OWNER, by=ada())
    page = browser(ada()).get(reverse("admin:people_user_change", args=[ada().pk])).content.decode()
    assert ada().password not in page
    shown = {field for model in SHOWN for field in shown_fields(model)}
    assert not shown & {"password", "secret_sha256", "payload", "body"}
    for label in HIDDEN_MODELS:
        assert not site.is_registered(apps.get_model(label))
    assert {model._meta.app_label for model in SHOWN} == set(NEEDS)


def test_the_admins_own_account_pages_lead_to_ours() -> None:
    admin = browser(ada())
    assert admin.get("/admin/password_change/")["Location"] == "/account/"
    assert admin.get("/admin/logout/")["Location"] == "/account/logout/"
