"""What the catalogue says of a dataset, in the words that other catalogues read: Croissant (schema.org) and DCAT-AP.

Pure: from declared, public words to JSON-LD. Nothing is counted or measured, and the only file is the mock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import Any

from domains.catalog.models import Dataset, DatasetVersion
from privacy.schema import Kind

NO_LICENCE = "Access by approved projects only; see the access page."
_TYPES = {
    Kind.INTEGER: "sc:Integer",
    Kind.DECIMAL: "sc:Float",
    Kind.BOOLEAN: "sc:Boolean",
    Kind.CATEGORY: "sc:Text",
    Kind.TEXT: "sc:Text",
    Kind.DATE: "sc:Date",
}
_CROISSANT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "recordSet": "cr:recordSet",
    "sc": "https://schema.org/",
    "source": "cr:source",
}
_DCAT = {
    "adms": "http://www.w3.org/ns/adms#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "spdx": "http://spdx.org/rdf/terms#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_RIGHTS = "http://publications.europa.eu/resource/authority/access-right/"


@dataclass(frozen=True)
class Place:
    """Where this node is, and who runs it; addresses are absolute."""

    url: str  # without a slash at its end
    title: str

    def page(self, dataset: Dataset) -> str:
        return f"{self.url}/datasets/{dataset.slug}/"


def croissant(
    dataset: Dataset, version: DatasetVersion, place: Place, mock_sha256: str | None
) -> dict[str, Any]:
    """Describe a dataset's main table as Croissant 1.0; `mock_sha256` is of the mock's CSV, None if there is none."""
    page = place.page(dataset)
    described = {
        "@context": _CROISSANT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": dataset.slug,
        "alternateName": dataset.title,
        "description": dataset.summary or dataset.title,
        "license": dataset.licence or NO_LICENCE,
        "url": page,
        "version": f"{version.number}.0.0",
        "isAccessibleForFree": False,
        "conditionsOfAccess": f"Questions are answered with differential privacy after approval: {page}",
        "publisher": {"@type": "sc:Organization", "name": place.title, "url": place.url},
        "recordSet": [_records(dataset, version, has_mock=mock_sha256 is not None)],
    }
    if rows := list(dataset.use_conditions.all()):
        described["usageInfo"] = [
            {"@type": "sc:CreativeWork", "@id": row.value.term.iri, "name": row.value.in_words}
            for row in rows
        ]
    if version.published_at is not None:
        described["datePublished"] = version.published_at.astimezone(UTC).date().isoformat()
    if mock_sha256 is not None:
        described["distribution"] = [
            {
                "@type": "cr:FileObject",
                "@id": "mock.csv",
                "name": "mock.csv",
                "description": "Invented rows with the same columns, to try queries on; no person's data.",
                "contentUrl": f"{page}mock/",
                "encodingFormat": "text/csv",
                "sha256": mock_sha256,
            }
        ]
    return described


def _records(dataset: Dataset, version: DatasetVersion, *, has_mock: bool) -> dict[str, Any]:
    table = version.main_name
    fields = []
    for column in version.columns.all():
        told: dict[str, Any] = {
            "@type": "cr:Field",
            "@id": f"{table}/{column.name}",
            "name": column.name,
            "description": _words(column),
            "dataType": _TYPES[Kind(column.kind)],
        }
        if has_mock:
            told["source"] = {"fileObject": {"@id": "mock.csv"}, "extract": {"column": column.name}}
        fields.append(told)
    return {
        "@type": "cr:RecordSet",
        "@id": table,
        "name": table,
        "description": dataset.title,
        "field": fields,
    }


def _words(column: Any) -> str:
    """Describe a column by what was declared of it: words, bounds, codes."""
    parts = [column.description] if column.description else []
    if column.lower_text is not None:
        parts.append(f"from {column.lower_text} to {column.upper_text}, as declared")
    if column.codes:
        parts.append("one of " + ", ".join(str(code) for code in column.codes[:50]))
    return "; ".join(parts) or column.name


def dcat(dataset: Dataset, version: DatasetVersion, place: Place, mock_sha256: str | None) -> dict[str, Any]:
    """Describe a dataset as DCAT-AP, by itself."""
    return {"@context": _DCAT, **_dcat_dataset(dataset, version, place, mock_sha256)}


def catalogue(rows: list[tuple[Dataset, DatasetVersion, str | None]], place: Place) -> dict[str, Any]:
    """Describe all these datasets as one DCAT-AP catalogue."""
    return {
        "@context": _DCAT,
        "@id": f"{place.url}/catalogue/",
        "@type": "dcat:Catalog",
        "dct:title": _text(place.title),
        "dct:description": _text(
            "Datasets that can be asked here with differential privacy; rows never leave."
        ),
        "dct:publisher": _publisher(place),
        "foaf:homepage": {"@id": f"{place.url}/"},
        "dcat:dataset": [_dcat_dataset(dataset, version, place, mock) for dataset, version, mock in rows],
    }


def _dcat_dataset(
    dataset: Dataset, version: DatasetVersion, place: Place, mock: str | None
) -> dict[str, Any]:
    page = place.page(dataset)
    told: dict[str, Any] = {
        "@id": page,
        "@type": "dcat:Dataset",
        "dct:identifier": dataset.slug,
        "dct:title": _text(dataset.title),
        "dct:description": _text(dataset.summary or dataset.title),
        "dct:publisher": _publisher(place),
        "dct:accessRights": {"@id": f"{_RIGHTS}RESTRICTED"},
        "dcat:landingPage": {"@id": page},
        "dcat:version": str(version.number),
        "dcat:keyword": [_text(column.name) for column in version.columns.all()],
        "dcat:theme": {
            "@type": "http://www.w3.org/2004/02/skos/core#Concept",
            "dct:title": dataset.area.name,
        },
    }
    if rows := list(dataset.use_conditions.all()):
        told["dct:rights"] = [
            {
                "@id": row.value.term.iri,
                "@type": "dct:RightsStatement",
                "rdfs:label": _text(row.value.in_words),
            }
            for row in rows
        ]
    if dataset.provenance:
        told["dct:provenance"] = {"@type": "dct:ProvenanceStatement", "dct:description": dataset.provenance}
    if version.published_at is not None:
        day = version.published_at.astimezone(UTC).date().isoformat()
        told["dct:issued"] = {"@type": "xsd:date", "@value": day}
    if mock is not None:
        told["adms:sample"] = _sample(dataset, page, mock)
    return told


def _sample(dataset: Dataset, page: str, sha256: str) -> dict[str, Any]:
    """Describe the mock: a sample, since the rows themselves are distributed nowhere."""
    return {
        "@id": f"{page}mock/",
        "@type": "dcat:Distribution",
        "dct:title": _text(f"Mock of {dataset.title}: invented rows"),
        "dcat:accessURL": {"@id": f"{page}mock/"},
        "dcat:mediaType": {"@id": "https://www.iana.org/assignments/media-types/text/csv"},
        "spdx:checksum": {
            "@type": "spdx:Checksum",
            "spdx:algorithm": {"@id": "spdx:checksumAlgorithm_sha256"},
            "spdx:checksumValue": sha256,
        },
    }


def _publisher(place: Place) -> dict[str, Any]:
    return {"@id": f"{place.url}/", "@type": "foaf:Agent", "foaf:name": place.title}


def _text(words: str) -> dict[str, str]:
    return {"@value": words, "@language": "en"}
