"""SUPPORT2 as a dataset of three tables, published by the real road.

`hospital` has a row for each patient, `visits` a row for each measurement of a patient's third day, melted from
SUPPORT2's own columns, and the public table `groups` says of which class a diagnosis group is (its code book).
"""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from domains.catalog import actions as catalog
from domains.catalog.models import Dataset, DatasetVersion
from domains.intake import actions as intake
from tests import make

SLUG = "hospital"
MEASURES = ("meanbp", "hrt", "resp", "temp")
FIRST_DAY = date(1989, 6, 12)  # of the study; SUPPORT2 counts a patient's days and tells no dates
CLASSES = {
    "ARF/MOSF w/Sepsis": "ARF/MOSF",
    "MOSF w/Malig": "ARF/MOSF",
    "CHF": "COPD/CHF/Cirrhosis",
    "COPD": "COPD/CHF/Cirrhosis",
    "Cirrhosis": "COPD/CHF/Cirrhosis",
    "Colon Cancer": "Cancer",
    "Lung Cancer": "Cancer",
    "Coma": "Coma",
}
VISITS: dict[str, Any] = {
    "unit_column": "sno",
    "max_groups": 4,
    "max_rows": 4,
    "max_units": 10_000,
    "columns": [
        {"name": "measure", "kind": "category", "codes": list(MEASURES), "source": "codebook"},
        {
            "name": "value",
            "kind": "decimal",
            "lower": "0",
            "upper": "300",
            "step": "0.01",
            "source": "codebook",
        },
        {"name": "day", "kind": "date", "lower": "1989-06-12", "upper": "1990-06-11", "source": "protocol"},
    ],
}
GROUPS: dict[str, Any] = {
    "key": "dzgroup",
    "max_units": 20,
    "columns": [
        {"name": "dzgroup", "kind": "category", "codes": sorted(CLASSES), "source": "codebook"},
        {
            "name": "class_name",
            "kind": "category",
            "codes": sorted(set(CLASSES.values())),
            "source": "codebook",
        },
    ],
}


def main_words() -> dict[str, Any]:
    """Return the main table's declaration: SUPPORT2's own columns, and the patient as the unit."""
    kept = ("age", "sex", "dzgroup", "slos", "death")
    columns = [column for column in make.declaration()["columns"] if column["name"] in kept]
    return {"columns": columns, "unit_column": "sno", "max_groups": 1, "max_rows": 1, "max_units": 10_000}


def _csv(rows: Iterable[Iterable[object]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


@functools.cache
def visits_csv(rows: int) -> bytes:
    """Return the measurements of the first `rows` patients, one a line: patient, measure, value, day."""
    patients = csv.DictReader(io.StringIO(make.support2_csv(rows).decode()), skipinitialspace=True)
    lines = [
        (patient["sno"], measure, patient[measure], FIRST_DAY + timedelta(days=int(patient["hday"])))
        for patient in patients
        for measure in MEASURES
        if patient[measure]
    ]
    return _csv([("sno", "measure", "value", "day"), *lines])


def groups_csv() -> bytes:
    """Return the public look-up table."""
    return _csv([("dzgroup", "class_name"), *CLASSES.items()])


def send(version: DatasetVersion, data: bytes, table: str = "") -> Any:
    """Send a file for a table and have it made."""
    alice = make.person("alice")
    upload = intake.receive(
        version, io.BytesIO(data), filename=f"{table or 'main'}.csv", format="csv", table=table, by=alice
    )
    make.run_jobs()
    upload.refresh_from_db()
    intake.conform(upload, by=alice)
    make.run_jobs()
    upload.refresh_from_db()
    version.refresh_from_db()
    return upload


def described(slug: str = SLUG, *, tick: str = "0.05") -> DatasetVersion:
    """Return a draft version whose three tables are declared and have no files yet."""
    alice = make.person("alice")
    row = catalog.create_dataset(
        area=make.area(),
        population=make.population(),
        title=slug.title(),
        slug=slug,
        tick=Decimal(tick),
        by=alice,
    )
    version = catalog.new_version(row, by=alice)
    catalog.declare(version, **main_words(), by=alice)
    catalog.declare_table(catalog.add_table(version, name="visits", by=alice), **VISITS, by=alice)
    groups = catalog.add_table(version, name="groups", is_public=True, by=alice)
    catalog.declare_table(groups, **GROUPS, by=alice)
    return version


def draft(slug: str = SLUG, *, rows: int = 200, tick: str = "0.05") -> DatasetVersion:
    """Return a draft version of three tables, each made from its file by real child processes."""
    version = described(slug, tick=tick)
    for data, table in (
        (make.support2_csv(rows), ""),
        (visits_csv(rows), "visits"),
        (groups_csv(), "groups"),
    ):
        upload = send(version, data, table)
        assert not upload.status_code, (table, upload.status_code, upload.findings)
    return version


def dataset(slug: str = SLUG, *, epsilon: str = "3", rows: int = 200, tick: str = "0.05") -> Dataset:
    """Return the published dataset, made once."""
    found = Dataset.objects.filter(slug=slug).first()
    if found is not None:
        return found
    version = draft(slug, rows=rows, tick=tick)
    amount = Decimal(epsilon)
    intake.publish(
        version, attested=True, dataset_epsilon=amount, population_epsilon=amount, by=make.person("alice")
    )
    return Dataset.objects.get(slug=slug)
