"""Conditions of use in a browser and over REST: declared by an owner, found in the catalogue, shown to deciders."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from domains.catalog import actions
from tests.portal.web import kit
from tests.portal.web.kit import Story

pytestmark = pytest.mark.django_db


def text(answer) -> str:
    return " ".join(answer.content.decode().split())


def test_an_owner_declares_them_and_everybody_finds_them(given: Story) -> None:
    alice, sam = kit.browser(given.cast.alice), kit.browser(given.cast.sam)
    page = reverse("dataset_use", args=[given.dataset.slug])
    assert not kit.faults(alice.get(page).content.decode())
    refused = alice.post(page, {"permission": "DS", "disease": "", "TS": "soon"})
    assert (refused.status_code, 'value="soon"' in text(refused)) == (422, True)
    typed = {"permission": "HMB", "NCU": "on", "TS": "2030-12-31"}
    assert "The conditions of use are declared." in text(alice.post(page, typed, follow=True))
    assert 'value="2030-12-31"' in text(alice.get(page))
    assert "Non-commercial use only" in text(sam.get(reverse("dataset", args=[given.dataset.slug])))
    assert given.dataset.title in text(sam.get(reverse("catalogue"), {"use": "NCU"}))
    assert "Nothing matches" in text(sam.get(reverse("catalogue"), {"use": "GRU"}))
    for form in ("croissant", "dcat"):
        path = reverse("dataset_described", args=[given.dataset.slug, form])
        told = json.dumps(sam.get(path).json())
        assert "http://purl.obolibrary.org/obo/DUO_0000046" in told
    assert [kit.browser(getattr(given.cast, name)).get(page).status_code for name in ("sam", "theo")] == [
        403,
        403,
    ]


def test_deciders_read_how_a_purpose_fits(given: Story) -> None:
    actions.declare_use(given.dataset, [("DS", "sepsis"), ("IRB", "")], by=given.cast.alice)
    analysis, alice = kit.ask(given), kit.browser(given.cast.alice)
    for path in (
        reverse("decision", args=[analysis.pk]),
        reverse("project", args=[given.project.pk]),
        reverse("project_application", args=[given.project.pk]),
    ):
        page = alice.get(path)
        assert "The application has to show an ethics approval." in text(page), path
        assert not kit.faults(page.content.decode()), path
    fits = alice.get(f"/api/v1/projects/{given.project.pk}/").json()["fits"]
    assert [(row["code"], row["outcome"]) for row in fits][1:] == [("IRB", "warn")]


def test_they_are_declared_over_rest(given: Story) -> None:
    path = f"/api/v1/datasets/{given.dataset.slug}/use-conditions/"
    alice, sam = kit.browser(given.cast.alice), kit.browser(given.cast.sam)

    def put(who, *rows):
        return who.put(path, {"conditions": list(rows)}, content_type="application/json")

    found = put(alice, {"code": "GRU"}, {"code": "IS", "detail": "Charité"}).json()
    assert [row["in_words"] for row in found["use_conditions"]] == [
        "General research use",
        "Named institutions only: Charité",
    ]
    assert put(alice, {"code": "DS"}).json()["code"] == "use_invalid"
    assert put(sam, {"code": "GRU"}).status_code == 403
    assert sam.get("/api/v1/datasets/", {"use": "IS"}).json()["results"]
    assert not sam.get("/api/v1/datasets/", {"use": "DS"}).json()["results"]
