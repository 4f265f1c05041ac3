"""Running a plan: check everything before a private byte is read, compute exact integers, add the noise.

`prepare` opens nothing and may refuse; after `run` began the loss is spent whatever happens, and every failure
has one fixed text. DuckDB runs in this process with one readable file and its configuration locked.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from privacy import places
from privacy.engines.duck import Engine
from privacy.errors import EngineFault, LossExceeded, QueryRejected
from privacy.loss import Loss
from privacy.noise import fresh_salt
from privacy.query.answer import Answer
from privacy.query.cell_sql import open_cell_values
from privacy.query.compile import Compiled, compile_histograms, compile_plan
from privacy.query.estimates import Group
from privacy.query.layout import Layout, layout
from privacy.query.mechanisms import Bins, Mechanisms, Releaser, build
from privacy.query.needs import Way
from privacy.query.notes import notes
from privacy.query.plan import Plan
from privacy.query.post import Post
from privacy.query.price import Pricing, price
from privacy.query.relation import Scan
from privacy.query.scope import work
from privacy.quoting import text_sql
from privacy.schema import Table

__all__ = ["Prepared", "fresh_salt", "prepare", "stand_by"]

MOST_JOINED = 20_000_000
SPEC_KEYS = frozenset({"plan", "table", "loss", "tick", "declared_rows", "memory_mb", "threads"})
Paths = Mapping[str, str | Path] | str | Path
Exact = dict[int | str, tuple[int, ...]]


@dataclass(frozen=True)
class Prepared:
    """A plan whose mechanisms were built and checked; nothing private was touched yet."""

    plan: Plan
    table: Table
    facts: Layout
    pricing: Pricing
    compiled: Compiled
    histograms: Mapping[int, Compiled]
    mechanisms: Mechanisms
    memory_mb: int
    threads: int
    engine: Engine = field(default_factory=Engine, compare=False, kw_only=True)

    def exact(self, paths: Paths, salt: int) -> Exact:
        """Return the exact integers by cell. PRIVATE: for `run`, and for tests of the bounds.

        `paths` gives each table's file by the table's name; one path alone is the main table's. A cell is the
        number of a public group, or the private group's name. Raises EngineFault.
        """
        rows = self.asked(self.compiled, paths, salt)
        return {row[0]: tuple(int(value) for value in row[1:]) for row in rows}

    def asked(self, query: Compiled, paths: Paths, salt: int) -> list[tuple[Any, ...]]:
        """Return the rows of one of this plan's queries over the files at `paths`. PRIVATE."""
        given = paths if isinstance(paths, Mapping) else {self.table.name: paths}
        files = {name: str(_file(path)) for name, path in given.items() if name in query.tables}
        with self.engine.locked(  # integers add up the same in any order
            files=list(files.values()), memory_mb=self.memory_mb, threads=self.threads, keeps_order=False
        ) as connection:
            has_places = all(_has_places(file, connection) for file in files.values())
            text = query.text(files, salt, has_places=has_places)
            rows: list[tuple[Any, ...]] = connection.execute(text).fetchall()
            return rows

    def bins(self, paths: Paths, salt: int) -> Bins:
        """Return every histogram, by need, cell and bin. PRIVATE, like `exact`, and over the same rows."""
        found: dict[int, dict[int | str, dict[int, int]]] = {}
        for index, query in self.histograms.items():
            own = found.setdefault(index, {})
            for cell, place, count in self.asked(query, paths, salt):
                own.setdefault(cell, {})[int(place)] = int(count)
        return found

    def run(self, paths: Paths, salt: int) -> Answer:
        """Return the noisy answer over the Parquet files at `paths`; `salt` is drawn after the charge committed."""
        exact, bins = self.exact(paths, salt), self.bins(paths, salt)
        groups = self._open(exact, bins) if self.facts.has_unknown_keys else self._coded(exact, bins)
        post = Post(self.plan, self.facts, self.pricing)
        rows, accuracy = post.rows(groups)
        shown = notes(self.facts, self.pricing)
        return Answer(post.columns(), tuple(rows), tuple(accuracy), shown, self._certificate())

    def _coded(self, exact: Exact, bins: Bins) -> list[Group]:
        """Return every public group with noise, those that hold no rows included; or the largest, in order."""
        names = list(itertools.product(*(key.values for key in self.facts.keys)))
        zero = (0,) * len(self.facts.needs)
        cells = [exact.get(cell, zero) for cell in range(len(names))]
        releaser = Releaser(self.facts, self.pricing, self.mechanisms)
        if self.facts.needs[0].way is Way.TOP:
            chosen = releaser.largest(cells)
            return [Group(names[cell], (len(chosen) - place,)) for place, cell in enumerate(chosen)]
        noisy, curves = (
            releaser.figures(range(len(names)), cells, bins),
            releaser.curves(range(len(names)), bins),
        )
        spreads = releaser.spreads()
        return [
            Group(name, figures, {index: by_cell[cell] for index, by_cell in spreads.items()}, curve)
            for cell, (name, figures, curve) in enumerate(zip(names, noisy, curves, strict=True))
        ]

    def _open(self, exact: Exact, bins: Bins) -> list[Group]:
        """Return the groups whose noisy count of units reaches the threshold, in the order of their names."""
        chooser, place = self.mechanisms.selector, self.facts.selector
        if chooser is None or place is None:
            raise EngineFault("A plan with unknown groups has no way to choose them.")
        names = sorted(exact, key=str)
        counts = {number: exact[name][place] for number, name in enumerate(names)}
        shown = chooser.release({number: count for number, count in counts.items() if count > 0})
        kept = [names[number] for number in sorted(shown)]
        releaser = Releaser(self.facts, self.pricing, self.mechanisms)
        cells = [exact[name] for name in kept]
        figures = releaser.figures(kept, cells, bins, [shown[number] for number in sorted(shown)])
        groups = [
            Group(open_cell_values(str(name), self.facts.keys), own, {}, curve)
            for name, own, curve in zip(kept, figures, releaser.curves(kept, bins), strict=True)
        ]
        return sorted(groups, key=lambda group: [(key is None, str(key)) for key in group.keys])

    def _certificate(self) -> dict[str, Any]:
        """Return what proves the loss: the plan's hash, its price, and each mechanism as its library writes it."""
        return {
            "plan": self.plan.sha256(),
            "loss": self.pricing.loss.to_dict(),
            "measures": [
                {**measure.to_dict(), "measurement": self.mechanisms.certificate(index, self.facts)}
                for index, measure in enumerate(self.pricing.measures)
            ],
        }


def prepare(spec: Mapping[str, Any]) -> Prepared:
    """Return the checked run of a specification, without opening any data.

    The plan is read and typed again, priced again from the declared table, and each mechanism's own privacy map
    is held against its share of `spec["loss"]`. Raises QueryRejected, SchemaInvalid or LossExceeded.
    """
    if not {"plan", "table", "loss"} <= set(spec) <= SPEC_KEYS:
        raise QueryRejected(
            "invalid_spec", "job", "The job's specification is incomplete.", "Submit it again."
        )
    table, plan = Table.from_dict(spec["table"]), Plan.from_dict(spec["plan"])
    reserved = Loss.from_dict(spec["loss"])
    facts = layout(plan, table, is_pure=reserved.pure != 0)
    pricing = price(
        plan,
        table,
        rho=reserved.rho,
        delta=reserved.delta,
        pure=reserved.pure,
        tick=Decimal(str(spec.get("tick", "0.25"))),
        declared_rows=spec.get("declared_rows"),
    )
    shares = sum((measure.loss for measure in pricing.measures), Loss.zero())
    if not (pricing.loss.fits(reserved) and shares.fits(reserved)):
        raise LossExceeded("The plan costs more than was reserved.")
    return Prepared(
        plan,
        table,
        facts,
        pricing,
        compile_plan(plan, table, facts),
        compile_histograms(plan, table, facts),
        build(facts, pricing),
        int(spec.get("memory_mb") or _memory(plan, table, spec.get("declared_rows"))),
        int(spec.get("threads") or 2),
    )


def stand_by(spec: Mapping[str, Any]) -> Prepared:
    """Return what `prepare` does with its engine started, for a child that then waits for the word."""
    prepared = prepare(spec)
    prepared.engine.stand_by()
    return prepared


def _memory(plan: Plan, table: Table, declared_rows: int | None) -> int:
    """Return megabytes enough for tables of that public size: 200 bytes a row beside a fixed 512 MB.

    Joins and sub-queries hold what they make as well; of the undeclared, no more than twenty million rows count.
    """
    rows = declared_rows or 0
    if not isinstance(plan.source, Scan):
        rows = max(rows, min(work(plan.source, table, declared_rows), 2 * rows + MOST_JOINED))
    return 512 + 200 * rows // 10**6


def _file(path: str | Path) -> Path:
    """Return the one file that may be read; refuse patterns, addresses and what is no file."""
    file = Path(path)
    if not file.is_absolute() or set(str(file)) & set("*?[]{}\0") or not file.is_file():
        raise EngineFault("The version's file is not there.", code="file_missing")
    return file


def _has_places(path: str, connection: Any) -> bool:
    """Say whether publication kept each row's place in the file at `path`."""
    query = (
        f"SELECT count(*) FROM parquet_kv_metadata({text_sql(path)}) WHERE key = ?::BLOB AND value = ?::BLOB"
    )
    [(found,)] = connection.execute(query, [places.MARK, places.VERSION]).fetchall()
    return bool(found)
