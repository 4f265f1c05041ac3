"""An answer in the scientist's hands: rows, their ±, the cost, and the proof."""

from __future__ import annotations

import hashlib
import html
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridhouse import drawing
from gridhouse.errors import MissingExtra, NotProven
from gridhouse.session import Session
from gridhouse.values import Json

if TYPE_CHECKING:
    import pandas as pd


RANKED = "quantile"  # the kind of column whose ± counts percentile points of rank
MOST_LINES = 60  # of a table in a notebook; `to_pandas` has all


class Result:
    """A released answer. Figures are noisy; `plus_minus` says by how much, at 95 %."""

    def __init__(self, session: Session, data: Json) -> None:
        self._session = session
        self._answer = data["answer"]
        self.request: str = data["request"]
        self.release: Json = data["release"]
        self.cost: Json = data["cost"]

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return [column["name"] for column in self._answer["columns"]]

    @property
    def rows(self) -> list[Json]:
        """The rows, each as {column: value}."""
        return [dict(zip(self.columns, row, strict=True)) for row in self._answer["rows"]]

    @property
    def plus_minus(self) -> list[Json]:
        """Beside each row its ± at 95 %, as {column: number}; keys, which carry no noise, are left out."""
        return [
            {name: error for name, error in zip(self.columns, row, strict=True) if error is not None}
            for row in self._answer["accuracy"]
        ]

    @property
    def notes(self) -> list[str]:
        """What to know when reading the figures."""
        return list(self._answer["notes"])

    @property
    def is_repeat(self) -> bool:
        """Whether these are stored bytes returned again, at no cost."""
        return bool(self.release["is_repeat"])

    @property
    def tables(self) -> dict[str, list[Json]]:
        """A workload's tables by name, each as rows with only that marginal's columns; else one nameless table."""
        marginals = self._answer.get("marginals", [])
        if not marginals:
            return {"": self.rows}
        found: dict[str, list[Json]] = {each["name"]: [] for each in marginals}
        kept = {each["name"]: [*each["columns"], self.columns[-1]] for each in marginals}
        for row in self.rows:
            name = row[self.columns[0]]
            found[name].append({column: row[column] for column in kept[name]})
        return found

    def __len__(self) -> int:
        return len(self._answer["rows"])

    def __repr__(self) -> str:
        return f"<Result of {self.request}: {len(self)} rows, cost ρ = {self.cost['rho']:.6f}>"

    def to_pandas(self, *, plus_minus: bool = False) -> pd.DataFrame:
        """Return the rows as a DataFrame; with `plus_minus` each figure is followed by its ±."""
        pandas = import_pandas()
        if not plus_minus:
            return pandas.DataFrame(self._answer["rows"], columns=self.columns)
        header, lines = self._table()
        return pandas.DataFrame(lines, columns=header)

    def to_csv(self) -> str:
        """Return the answer as CSV that a spreadsheet shows and never runs."""
        return self._session.text(f"requests/{self.request}/result/csv/")

    def to_parquet(self, path: str | Path) -> Path:
        """Write the answer as Parquet to `path`, with its notes and certificate in the footer; return the path."""
        target = Path(path)
        target.write_bytes(self._session.content(f"requests/{self.request}/result/parquet/"))
        return target

    def bundle(self) -> Json:
        """Return figures, certificate, exact bytes and receipt in one; `verify.py` checks it as a file."""
        found: Json = self._session.get(f"requests/{self.request}/result/bundle/")
        return found

    def payload(self) -> bytes:
        """Return the exact bytes that were released; the receipt proves their hash."""
        return self._session.content(f"requests/{self.request}/result/payload/")

    def receipt(self) -> Json:
        """Return what proves the release offline; keep it, it does not need the node."""
        found: Json = self._session.get(f"requests/{self.request}/receipt/")
        return found

    def verify(self, public_key: str | None = None) -> Json:
        """Check that these figures are the bytes released, and that the signed audit log says so.

        Give the log's `public_key` if you know it from elsewhere; without it the key that the receipt names
        is believed, which proves that log and receipt agree, not whose log it is. Raise NotProven otherwise.
        """
        verify = _import_verify()
        receipt, payload = self.receipt(), self.payload()
        try:
            leaf = verify.verify_receipt(receipt, public_key)
        except verify.VerificationError as error:
            raise NotProven(str(error)) from None
        self._require_release(leaf.body, hashlib.sha256(payload).hexdigest())
        self._require_same(json.loads(payload))
        origin, size = leaf.checkpoint.origin, leaf.checkpoint.size
        return {"index": leaf.index, "origin": origin, "size": size, "sha256": leaf.body["details"]["sha256"]}

    def _require_release(self, event: Json, digest: str) -> None:
        """Raise unless the proven event is the release of these bytes for this request."""
        details = event.get("details", {})
        if event.get("event") != "result.released" or details.get("analysis") != self.request:
            raise NotProven("The receipt proves another event than the release of this answer.")
        if details.get("sha256") != digest:
            raise NotProven("The receipt proves other bytes than those that the node showed.")

    def _require_same(self, payload: Json) -> None:
        """Raise unless the figures shown are those of the proven bytes: integer / scale, row by row."""
        scales = [column["scale"] for column in payload["columns"]]
        proven = [
            [_value(cell, scale) for cell, scale in zip(row, scales, strict=True)] for row in payload["rows"]
        ]
        if proven != self._answer["rows"] or self.columns != [
            column["name"] for column in payload["columns"]
        ]:
            raise NotProven("The figures shown are not those of the released bytes.")

    def _table(self) -> tuple[list[str], list[list[Any]]]:
        """Return header and lines with each figure followed by its ±."""
        kinds = [column["kind"] for column in self._answer["columns"]]
        figures = [kind != "key" for kind in kinds]
        header: list[str] = []
        for name, kind in zip(self.columns, kinds, strict=True):
            error = f"{name} ± rank points" if kind == RANKED else f"{name} ±"
            header += [name] if kind == "key" else [name, error]
        lines = []
        for row, errors in zip(self._answer["rows"], self._answer["accuracy"], strict=True):
            line: list[Any] = []
            for cell, error, is_figure in zip(row, errors, figures, strict=True):
                line += [cell, error] if is_figure else [cell]
            lines.append(line)
        return header, lines

    def as_text(self) -> str:
        """Return the answer as a plain table."""
        header, lines = self._table()
        cells = [header, *([_spoken(cell) for cell in line] for line in lines)]
        widths = [max(len(row[at]) for row in cells) for at in range(len(header))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in cells
        )

    def svg(self, column: str = "") -> str:
        """Return a drawing of one figure, by default the first, as SVG text with a description; "" if none is known.

        Bars with error bars, or steps in a band where the last grouping column is a number or a date in order.
        """
        kinds = [each["kind"] for each in self._answer["columns"]]
        noisy = [at for at, kind in enumerate(kinds) if kind != "key"]
        keys = [at for at, kind in enumerate(kinds) if kind == "key"]
        if not noisy or (column and column not in self.columns):
            return ""
        at = self.columns.index(column) if column else noisy[0]
        points = []
        for row, errors in zip(self._answer["rows"], self._answer["accuracy"], strict=True):
            if isinstance(row[at], int | float):
                label = " · ".join(_spoken(row[key]) for key in keys) or self.columns[at]
                place = drawing.place_of(row[keys[0]]) if len(keys) == 1 else None
                error = None if kinds[at] == RANKED else errors[at]
                points.append(drawing.Point(label, float(row[at]), error, place))
        return drawing.draw(self.columns[at], points)

    def _repr_html_(self) -> str:
        """Return the answer for notebooks: its first rows as a table, a drawing, its notes; every text is escaped."""
        header, lines = self._table()
        top = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_spoken(cell))}</td>" for cell in line) + "</tr>"
            for line in lines[:MOST_LINES]
        )
        more = f" The first {MOST_LINES} of {len(lines):,} rows." if len(lines) > MOST_LINES else ""
        cost = f"Cost ρ = {self.cost['rho']:.6f}; ± at 95 %.{more}"
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        table = f"<table><caption>{cost}</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
        return f"{table}{self.svg()}<ul>{notes}</ul>"


def _value(cell: Any, scale: int | None) -> Any:
    """Return a released cell as people read it: integer / scale, a key as it is."""
    if scale is None or not isinstance(cell, int):
        return cell
    value = Decimal(cell) / Decimal(scale)
    return int(value) if value == value.to_integral_value() else float(value)


def _spoken(cell: object) -> str:
    if cell is None:
        return "–"
    return f"{cell:,.2f}" if isinstance(cell, float) else str(cell)


def import_pandas() -> Any:
    """Import pandas, or say how to get it."""
    try:
        import pandas
    except ImportError:
        raise MissingExtra("This needs pandas: install gridhouse[pandas].") from None
    return pandas


def _import_verify() -> Any:
    try:
        from gridhouse import verify
    except ImportError:
        raise MissingExtra("This needs cryptography: install gridhouse[verify].") from None
    return verify
