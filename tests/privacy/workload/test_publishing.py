"""Synthetic rows as files: the same answer gives the same bytes, typed as its values; too wide is known before."""

from __future__ import annotations

import csv
import io
import json
from itertools import combinations
from pathlib import Path

import duckdb
import pytest

from privacy.errors import QueryRejected
from privacy.loss import Loss
from privacy.query.answer import Answer, AnswerColumn
from privacy.workload import publish
from privacy.workload.answer import joined
from privacy.workload.model import MAX_WIDTH, Attribute, Measured, Model, blank
from privacy.workload.parse import parse
from privacy.workload.plan import Workload
from privacy.workload.rows import order
from privacy.workload.width import require_narrow, width
from tests.privacy.engine_data import people

TABLE = people().table


def workload(sets: list[list[str]]) -> Workload:
    return parse(json.dumps({"marginals": sets}), TABLE)


def test_texts_numbers_booleans_and_missing_values_come_back_as_they_were(tmp_path: Path) -> None:
    attributes = (
        Attribute("word", ("a", 'say "b", c', "", None)),
        Attribute("number", (-1, 2, None)),
        Attribute("flag", (True, False, None)),
    )
    rows = [("a", -1, True), ('say "b", c', 2, False), ("", None, None), (None, 2, True)]
    file, parquet = tmp_path / "rows.csv", tmp_path / "rows.parquet"
    file.write_text(publish.to_csv(attributes, rows), encoding="utf-8", newline="")
    publish.Prepared(None, "0.5", 256)._to_parquet(attributes, str(file), str(parquet))  # type: ignore[arg-type]
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT * FROM read_parquet('{parquet}')").fetchall() == rows
        label = connection.execute(f"SELECT key, value FROM parquet_kv_metadata('{parquet}')").fetchall()
    assert (publish.LABEL.encode(), b"0.5") in label
    read = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8"), newline="")))
    assert read[2] == ['say "b", c', "2", "false"]


def answer_of(asked: Workload, counts: list[list[int]]) -> str:
    """Return an answer's JSON text with these noisy counts, and the public values as its keys."""
    parts = []
    for marginal, own in zip(asked.marginals, counts, strict=True):
        columns = [AnswerColumn(name, "key") for name in marginal.columns] + [
            AnswerColumn("count", "count", 1)
        ]
        rows = tuple((*(["k"] * len(marginal.columns)), number) for number in own)
        accuracy = tuple((None,) * len(columns) for _ in own)
        parts.append(Answer(tuple(columns), rows, accuracy, (), {}))
    return joined(asked, Loss(1, 0), parts).to_bytes().decode()


def made(spec: dict[str, object], answer: str, folder: Path) -> tuple[dict[str, object], bytes, bytes]:
    folder.mkdir()
    files = {kind: folder / f"rows.{kind}" for kind in ("parquet", "csv")}
    found = json.loads(publish.prepare(spec).run(answer, **{kind: str(file) for kind, file in files.items()}))
    return found, files["parquet"].read_bytes(), files["csv"].read_bytes()


def test_the_same_answer_gives_the_same_files_and_a_report_of_released_values(tmp_path: Path) -> None:
    asked = workload([["g"]])
    spec = {
        "plan": asked.to_dict(), "table": TABLE.to_dict(), "scales": [2.0], "epsilon": "0.5", "memory_mb": 256,
    }  # fmt: skip
    cells = len(publish.prepare(spec).fit.attributes[0].values)
    assert publish.prepare(spec).facts["method"] in ("mbi", "mirror descent")
    counts = [60, 40] + [0] * (cells - 2)
    first = made(spec, answer_of(asked, [counts]), tmp_path / "1")
    assert made(spec, answer_of(asked, [counts]), tmp_path / "2") == first
    assert made(spec, answer_of(asked, [[40, 60, *counts[2:]]]), tmp_path / "3") != first
    report = first[0]["report"]
    assert (report["columns"], report["rows"]) == (["g"], 100)
    assert [each["name"] for each in report["closeness"]] == ["g"]
    assert report["closeness"][0]["distance"] < 0.15
    assert Model.from_bytes(str(first[0]["model"]).encode()).values("g")


class Watched(Model):
    """A model that notes how wide the tables are that it makes."""

    seen: list[int] = []

    def _sum(self, factors, names):
        table = super()._sum(factors, names)
        self.seen.append(table.size)
        return table


@pytest.mark.parametrize(
    "sets", [(("a", "b"), ("b", "c"), ("c", "d")), (("a", "b"), ("b", "c"), ("c", "a"), ("d",))]
)
def test_the_width_is_that_of_the_widest_table_made(sets: tuple[tuple[str, ...], ...]) -> None:
    sizes = {"a": 3, "b": 4, "c": 2, "d": 5}
    attributes = [Attribute(name, tuple(range(size))) for name, size in sizes.items()]
    measured = []
    for one in sets:
        cells = 1
        for name in one:
            cells *= sizes[name]
        measured.append(Measured(one, 1.0, (3,) * cells))
    start = blank(attributes, measured)
    bare = Model(tuple(attributes), tuple(Measured(one, 1.0, ()) for one in sets), (), 1.0, "")
    for names in [*sets, *([*parents, name] for name, parents in order(start))]:
        watched = Watched(start.attributes, start.measured, start.potentials, start.total, "")
        Watched.seen.clear()
        watched.project(list(names))
        assert max(Watched.seen) == width(bare, list(names))


def test_what_is_too_wide_is_refused_from_public_columns_alone() -> None:
    require_narrow(workload([["g"]]), TABLE)
    attributes = tuple(Attribute(f"c{place}", tuple(range(20))) for place in range(8))
    clique = tuple(Measured((a.name, b.name), 1.0, ()) for a, b in combinations(attributes, 2))
    assert width(Model(attributes, clique, (), 1.0, ""), ["c0", "c1"]) > MAX_WIDTH


def test_the_refusal_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("privacy.workload.width.MAX_WIDTH", 1)
    with pytest.raises(QueryRejected) as refused:
        require_narrow(workload([["g"]]), TABLE)
    assert refused.value.code == "model_too_wide"
