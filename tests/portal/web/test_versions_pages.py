"""Versions in the browser: an owner retires one, has its data erased, and takes that back."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from domains.catalog import actions
from tests import cast as world
from tests.portal.web import kit
from tests.portal.web.kit import Story


def two_versions(given: Story) -> None:
    actions.new_version(given.dataset, by=given.cast.alice)
    world.published(given.dataset, sha256="b" * 64)


def ending(what: str) -> str:
    return reverse("version_ending", args=["support2", 1, what])


def listed(client: Client) -> str:
    return client.get(reverse("versions", args=["support2"])).content.decode()


def test_an_owner_retires_erases_and_keeps(given: Story) -> None:
    two_versions(given)
    alice = kit.browser(given.cast.alice)
    assert ending("retire") in listed(alice)
    asked = alice.get(ending("retire")).content.decode()
    assert "Retire version 1?" in asked
    assert kit.faults(asked) == kit.faults(listed(alice)) == []
    assert alice.post(ending("retire"), {"reason": ""}).status_code == 422
    assert alice.post(ending("retire"), {"reason": "Replaced."}).status_code == 302
    assert "A day from now" in alice.get(ending("erase")).content.decode()
    assert alice.post(ending("erase"), {"reason": "Somebody withdrew."}).status_code == 302
    page = listed(alice)
    assert "Being erased" in page
    keep = reverse("version_keep", args=["support2", 1])
    assert keep in page
    alice.post(keep)
    assert ending("erase") in listed(alice)


def test_others_read_the_list_and_change_nothing(given: Story) -> None:
    two_versions(given)
    for person in (given.cast.sam, given.cast.rita, given.cast.theo):
        client = kit.browser(person)
        page = listed(client)
        assert "Published" in page
        assert "Retire" not in page
        for what in ("retire", "erase"):
            assert client.get(ending(what)).status_code == 403
            assert client.post(ending(what), {"reason": "Mine."}).status_code == 403
        assert client.post(reverse("version_keep", args=["support2", 1])).status_code in (302, 403)
    assert kit.browser(given.cast.alice).get(ending("burn")).status_code == 404
    assert given.dataset.versions.get(number=1).status == "published"
