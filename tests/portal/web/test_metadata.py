"""Descriptions for other catalogues: what Croissant 1.0 and DCAT-AP demand is there, and nothing that is private."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from domains.catalog import metadata
from domains.catalog.metadata import Place
from domains.catalog.models import Dataset
from privacy.schema import Kind
from tests import cast as world
from tests.portal.web import kit

HERE = Place("https://node.example", "Node")
SHA = "c" * 64


def told(given: kit.Story, form: str, mock: str | None = SHA) -> dict[str, Any]:
    make = {"croissant": metadata.croissant, "dcat": metadata.dcat}[form]
    version = given.dataset.current
    assert version is not None
    return make(given.dataset, version, HERE, mock)


# What the specifications demand of each node, by its type (Croissant 1.0 "Dataset-level information", "Resources",
# "RecordSets"; DCAT-AP 3.0 mandatory properties).
DEMANDED = {
    "sc:Dataset": {"@context", "conformsTo", "name", "description", "license", "url", "datePublished"},
    "cr:FileObject": {"@id", "name", "contentUrl", "encodingFormat", "sha256"},
    "cr:RecordSet": {"@id", "name", "field"},
    "cr:Field": {"@id", "name", "dataType", "source"},
    "dcat:Catalog": {"@id", "dct:title", "dct:description", "dct:publisher", "dcat:dataset"},
    "dcat:Dataset": {"@id", "dct:title", "dct:description", "dct:publisher", "dct:accessRights"},
    "dcat:Distribution": {"@id", "dcat:accessURL"},
    "foaf:Agent": {"foaf:name"},
    "spdx:Checksum": {"spdx:algorithm", "spdx:checksumValue"},
}


def nodes(value: Any) -> list[dict[str, Any]]:
    """Return every node of a JSON-LD document that has a type."""
    if isinstance(value, list):
        return [node for part in value for node in nodes(part)]
    if not isinstance(value, dict):
        return []
    own = [value] if "@type" in value and "@value" not in value else []
    return own + [node for name, part in value.items() if name != "@context" for node in nodes(part)]


def prefixes(value: Any) -> set[str]:
    """Return the prefixes of every property and type that a document uses."""
    found = set()
    for node in nodes(value):
        names = [*node, node["@type"], node.get("dataType", "")]
        found |= {name.split(":")[0] for name in names if ":" in name and "//" not in name}
    return found


def lacks(document: dict[str, Any]) -> list[str]:
    return [
        f"{node['@type']} lacks {name}"
        for node in nodes(document)
        for name in sorted(DEMANDED.get(node["@type"], set()) - node.keys())
    ]


@pytest.mark.parametrize("form", ["croissant", "dcat"])
def test_everything_demanded_is_there_and_every_prefix_is_declared(given: kit.Story, form: str) -> None:
    document = told(given, form)
    assert lacks(document) == []
    assert prefixes(document) <= document["@context"].keys()
    assert json.loads(json.dumps(document)) == document


@pytest.mark.parametrize(("form", "name"), [("croissant", "license"), ("dcat", "dct:publisher")])
def test_the_table_sees_what_is_missing(given: kit.Story, form: str, name: str) -> None:
    document = told(given, form)
    del document[name]
    assert lacks(document)


def test_croissant_s_fields_are_the_declared_columns_and_point_at_the_mock(given: kit.Story) -> None:
    document = told(given, "croissant")
    (file,) = document["distribution"]
    (records,) = document["recordSet"]
    assert [(field["name"], field["dataType"]) for field in records["field"]] == [
        ("age", "sc:Integer"),
        ("sex", "sc:Text"),
        ("charges", "sc:Float"),
    ]
    assert {field["source"]["fileObject"]["@id"] for field in records["field"]} == {file["@id"]}
    assert len({node["@id"] for node in nodes(document) if "@id" in node}) == 2 + len(records["field"])
    assert records["field"][0]["description"] == "Years; from 18 to 110, as declared"
    assert records["field"][1]["description"] == "one of female, male"


def test_without_a_mock_no_file_is_promised(given: kit.Story) -> None:
    assert "distribution" not in told(given, "croissant", None)
    assert "adms:sample" not in told(given, "dcat", None)


def test_nothing_private_is_described(given: kit.Story) -> None:
    for form in ("croissant", "dcat"):
        text = json.dumps(told(given, form))
        assert "a" * 64 not in text  # the private file's hash
        assert "@hospital.example" not in text
        assert given.cast.alice.name not in text


def test_pages_and_api_give_the_same_to_everybody_signed_in(given: kit.Story, client) -> None:
    charlie = kit.browser(given.cast.charlie)
    for form in ("croissant", "dcat"):
        address = reverse("dataset_described", args=["support2", form])
        answer = charlie.get(address)
        assert answer["Content-Type"] == "application/ld+json"
        assert charlie.get(f"/api/v1/datasets/support2/metadata/{form}/").json() == answer.json()
        assert address in charlie.get(reverse("dataset", args=["support2"])).content.decode()
        assert client.get(address).status_code == 302
        assert client.get(f"/api/v1/datasets/support2/metadata/{form}/").status_code == 401
    assert charlie.get(reverse("dataset_described", args=["support2", "rdfa"])).status_code == 404
    assert charlie.get(reverse("dataset_described", args=["nowhere", "dcat"])).status_code == 404


def test_a_draft_is_described_to_nobody(given: kit.Story) -> None:
    world.draft_dataset(given.cast, "secret")
    assert kit.browser(given.cast.alice).get("/datasets/secret/dcat.jsonld").status_code == 404
    assert "secret" not in kit.browser(given.cast.alice).get("/catalogue.jsonld").content.decode()


def test_the_catalogue_costs_the_same_for_one_dataset_and_for_many(given: kit.Story) -> None:
    charlie = kit.browser(given.cast.charlie)

    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            document = charlie.get(reverse("catalogue_document")).json()
        assert lacks(document) == []
        assert len(document["dcat:dataset"]) == Dataset.objects.count()
        assert document == charlie.get("/api/v1/catalogue/dcat/").json()
        return len(asked)

    before = cost()
    for number in range(3):
        world.dataset(given.cast, f"more-{number}")
    assert cost() == before


def test_every_kind_of_column_has_a_type() -> None:
    assert set(metadata._TYPES) == set(Kind)
