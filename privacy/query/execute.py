"""Running a plan: check everything before a private byte is read, compute exact integers, add the noise.

`prepare` opens nothing and may refuse; after `run` began the loss is spent whatever happens, and every failure
has one fixed text. DuckDB runs in this process with one readable file and its configuration locked.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from privacy import noise, places
from privacy.errors import EngineFault, LossExceeded, QueryRejected
from privacy.loss import Loss
from privacy.noise import GaussianThreshold, GaussianVector, fresh_salt
from privacy.query.answer import Answer
from privacy.query.cell_sql import open_cell_values
from privacy.query.compile import Compiled, compile_plan
from privacy.query.layout import Layout, layout
from privacy.query.plan import Plan
from privacy.query.post import Group, Post
from privacy.query.price import Pricing, price
from privacy.query.rows_sql import text_sql
from privacy.schema import Table

__all__ = ["Prepared", "fresh_salt", "prepare"]

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
    vectors: Mapping[int, GaussianVector]
    selector: GaussianThreshold | None
    memory_mb: int
    threads: int

    def exact(self, paths: Paths, salt: int) -> Exact:
        """Return the exact integers by cell. PRIVATE: for `run`, and for tests of the bounds.

        `paths` gives each table's file by the table's name; one path alone is the main table's. A cell is the
        number of a public group, or the private group's name. Raises EngineFault.
        """
        given = paths if isinstance(paths, Mapping) else {self.table.name: paths}
        files = {name: str(_file(path)) for name, path in given.items() if name in self.compiled.tables}
        rows = _query(self.compiled, files, salt, self.memory_mb, self.threads)
        return {row[0]: tuple(int(value) for value in row[1:]) for row in rows}

    def run(self, paths: Paths, salt: int) -> Answer:
        """Return the noisy answer over the Parquet files at `paths`; `salt` is drawn after the charge committed."""
        exact = self.exact(paths, salt)
        groups = self._open(exact) if self.selector is not None else self._coded(exact)
        post = Post(self.plan, self.facts, self.pricing)
        rows, accuracy = post.rows(groups)
        return Answer(post.columns(), tuple(rows), tuple(accuracy), self._notes(), self._certificate())

    def _coded(self, exact: Exact) -> list[Group]:
        """Return every public group with noise, those that hold no rows included."""
        names = list(itertools.product(*(key.values for key in self.facts.keys)))
        zero = (0,) * len(self.facts.needs)
        cells = [exact.get(cell, zero) for cell in range(len(names))]
        noisy = self._noisy(cells)
        return [Group(name, figures) for name, figures in zip(names, noisy, strict=True)]

    def _noisy(self, cells: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Return each need's vector over `cells` with its noise."""
        vectors = [
            self.vectors[index].release([cell[index] for cell in cells])
            for index in range(len(self.facts.needs))
            if index in self.vectors
        ]
        return list(zip(*vectors, strict=True)) if vectors else [() for _ in cells]

    def _open(self, exact: Exact) -> list[Group]:
        """Return the groups whose noisy count of units reaches the threshold, in the order of their names."""
        chooser, place = self.selector, self.facts.selector
        if chooser is None or place is None:
            raise EngineFault("A plan with unknown groups has no way to choose them.")
        names = sorted(exact, key=str)
        counts = {number: exact[name][place] for number, name in enumerate(names)}
        shown = chooser.release({number: count for number, count in counts.items() if count > 0})
        numbers = sorted(shown)
        others = self._noisy([exact[names[number]] for number in numbers])
        groups = []
        for number, rest in zip(numbers, others, strict=True):
            figures = (*rest[:place], shown[number], *rest[place:])
            groups.append(Group(open_cell_values(str(names[number]), self.facts.keys), figures))
        return sorted(groups, key=lambda group: [(key is None, str(key)) for key in group.keys])

    def _notes(self) -> tuple[str, ...]:
        """Return what a reader of the figures must know."""
        notes = [
            "± holds with 95 % confidence and covers the added noise only: not the clamping of values to their"
            " declared bounds, nor rows left out because one privacy unit had too many.",
            "Noise can make a count negative; that is left as it is, so that figures stay unbiased.",
        ]
        if any(output.kind in ("mean", "formula") for output in self.pricing.outputs):
            notes.append("± of means and formulas is an estimate made from the noisy figures (delta method).")
        if self.selector is not None:
            notes.append(
                f"Groups whose noisy count of units is below {self.selector.threshold} are not shown."
            )
        return tuple(notes)

    def _certificate(self) -> dict[str, Any]:
        """Return what proves the loss: the plan's hash, its price, and each mechanism as its library writes it."""
        mechanisms: dict[int, GaussianVector | GaussianThreshold] = dict(self.vectors)
        if self.selector is not None and self.facts.selector is not None:
            mechanisms[self.facts.selector] = self.selector
        return {
            "plan": self.plan.sha256(),
            "loss": self.pricing.loss.to_dict(),
            "measures": [
                {**measure.to_dict(), "measurement": mechanisms[index].certificate()}
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
    facts = layout(plan, table)
    pricing = price(
        plan,
        table,
        rho=reserved.rho,
        delta=reserved.delta,
        tick=Decimal(str(spec.get("tick", "0.25"))),
        declared_rows=spec.get("declared_rows"),
    )
    if not pricing.loss.fits(reserved) or sum(m.rho for m in pricing.measures) > reserved.rho:
        raise LossExceeded("The plan costs more than was reserved.")
    vectors, selector = _mechanisms(facts, pricing)
    return Prepared(
        plan,
        table,
        facts,
        pricing,
        compile_plan(plan, table, facts),
        vectors,
        selector,
        int(spec.get("memory_mb") or _memory(spec.get("declared_rows"))),
        int(spec.get("threads") or 2),
    )


def _mechanisms(
    facts: Layout, pricing: Pricing
) -> tuple[dict[int, GaussianVector], GaussianThreshold | None]:
    """Build every mechanism of a priced plan, each checked against its own share of the loss."""
    vectors: dict[int, GaussianVector] = {}
    selector = None
    for index, measure in enumerate(pricing.measures):
        if index == facts.selector and measure.threshold is not None:
            selector = noise.gaussian_threshold(
                groups=facts.groups,
                scale=measure.scale,
                threshold=measure.threshold,
                reserved=Loss(measure.rho, pricing.loss.delta),
            )
        else:
            vectors[index] = noise.gaussian_vector(
                sensitivity=measure.sensitivity, scale=measure.scale, reserved=Loss(measure.rho, 0)
            )
    return vectors, selector


def _memory(declared_rows: int | None) -> int:
    """Return megabytes enough for a table of that public size: 200 bytes a row beside a fixed 512 MB."""
    return 512 + 200 * (declared_rows or 0) // 10**6


def _file(path: str | Path) -> Path:
    """Return the one file that may be read; refuse patterns, addresses and what is no file."""
    file = Path(path)
    if not file.is_absolute() or set(str(file)) & set("*?[]{}\0") or not file.is_file():
        raise EngineFault("The version's file is not there.", code="file_missing")
    return file


def _query(
    compiled: Compiled, files: Mapping[str, str], salt: int, memory_mb: int, threads: int
) -> list[tuple[Any, ...]]:
    """Return the rows of a query, run by an engine that can read the tables' `files` and nothing else."""
    import duckdb

    try:
        with duckdb.connect(":memory:") as connection:
            for setting in lockdown(list(files.values()), memory_mb, threads):
                connection.execute(setting)
            has_places = all(_has_places(file, connection) for file in files.values())
            rows: list[tuple[Any, ...]] = connection.execute(
                compiled.text(files, salt, has_places=has_places)
            ).fetchall()
            return rows
    except duckdb.Error:
        # The engine's own words can quote a row; and `from None` keeps them out of any traceback.
        raise EngineFault("The engine could not compute this answer.") from None


def _has_places(path: str, connection: Any) -> bool:
    """Say whether publication kept each row's place in the file at `path`."""
    query = (
        f"SELECT count(*) FROM parquet_kv_metadata({text_sql(path)}) WHERE key = ?::BLOB AND value = ?::BLOB"
    )
    [(found,)] = connection.execute(query, [places.MARK, places.VERSION]).fetchall()
    return bool(found)


def lockdown(paths: Sequence[str], memory_mb: int, threads: int) -> list[str]:
    """Return the settings that leave an engine these readable files, in the order in which it accepts them."""
    return [
        f"SET memory_limit = '{int(memory_mb)}MB'",
        f"SET threads = {int(threads)}",
        "SET preserve_insertion_order = false",  # integers add up the same in any order
        "SET temp_directory = ''",
        "SET autoinstall_known_extensions = false",
        "SET autoload_known_extensions = false",
        f"SET allowed_paths = [{', '.join(map(text_sql, paths))}]",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    ]
