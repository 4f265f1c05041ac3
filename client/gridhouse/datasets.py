"""Datasets: their public face for scientists, and their making for owners."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridhouse.builder import Ask
from gridhouse.connections import Connection, tested
from gridhouse.errors import IllegalMove, InvalidInput, NotFound, WaitTimedOut
from gridhouse.projects import Grant
from gridhouse.queries import Query
from gridhouse.results import import_pandas
from gridhouse.session import Session
from gridhouse.synthetic import SyntheticMock
from gridhouse.terms import Condition, Figure, Key
from gridhouse.values import Json, epsilon_text

if TYPE_CHECKING:
    import pandas as pd


class Dataset:
    """A dataset in the node's catalogue. Its rows never leave the node."""

    def __init__(self, session: Session, data: Json) -> None:
        self._session = session
        self._read(data)

    def _read(self, data: Json) -> Dataset:
        self.data = data
        self.slug: str = data["slug"]
        self.title: str = data["title"]
        return self

    def __repr__(self) -> str:
        return f"<Dataset {self.slug}: {self.title}>"

    def refresh(self) -> Dataset:
        """Read it again."""
        return self._read(self._session.get(f"datasets/{self.slug}/"))

    @property
    def area(self) -> str:
        """The slug of its research area."""
        return str(self.data["area"]["slug"])

    @property
    def schema(self) -> list[Json]:
        """Its declared columns: name, kind, public bounds, codes, what counts as missing."""
        columns: list[Json] = self._version().get("columns", [])
        return columns

    def _version(self) -> Json:
        version: Json = self.data.get("version") or self.refresh().data.get("version") or {}
        return version

    @property
    def tables(self) -> dict[str, Json]:
        """Its tables by their names in SQL, the main one first: columns, privacy unit, whether public, key."""
        version = self.data.get("version") or self.refresh().data.get("version")
        if version is None:
            return {}
        terms = ("columns", "unit_column", "max_groups", "max_rows", "max_units", "declared_rows")
        main = {"name": version["name"], "is_public": False, "key": ""}
        main |= {term: version[term] for term in terms}
        return {table["name"]: table for table in [main, *version["tables"]]}

    def mock(self, table: str | None = None, *, grade: str = "plain") -> pd.DataFrame:
        """Return made-up rows to try code on; plain ones have the same schema and say nothing about real people.

        Name one of `tables`, or get the main one. A public table's mock is the table itself. With the grade
        "synthetic", the newest DP synthetic rows: drawn from noisy tables that the owner paid for, and of
        those tables' columns; `synthetic_mock()` says how near they come.
        """
        pandas = import_pandas()
        frame: pd.DataFrame = pandas.read_csv(io.BytesIO(self.mock_csv(table, grade=grade)))
        return frame

    def mock_csv(self, table: str | None = None, *, grade: str = "plain") -> bytes:
        """Return the made-up rows as CSV, without pandas."""
        asked = {} if grade == "plain" else {"grade": grade}
        return self._session.content(f"datasets/{self.slug}/mock/", table=table, **asked)

    def synthetic_mocks(self) -> list[SyntheticMock]:
        """Return the synthetic mocks of this dataset that you may see, newest first."""
        rows = self._session.get(f"datasets/{self.slug}/synthetic/")
        return [SyntheticMock(self._session, row) for row in rows]

    def synthetic_mock(self) -> SyntheticMock:
        """Return the one whose rows `mock(grade="synthetic")` gives; raise NotFound where none is out."""
        out = [mock for mock in self.synthetic_mocks() if mock.status == "published"]
        if not out:
            raise NotFound("This dataset has no synthetic mock that is out.", code="no_synthetic_mock")
        return max(out, key=lambda mock: (mock.data["published_at"], mock.id))

    def budget(self) -> Json:
        """Return the dataset's cap and what is left under it."""
        found: Json = self._session.get(f"budgets/datasets/{self.slug}/")
        return found

    def grants(self) -> list[Grant]:
        """Return the live grants under which you may ask it."""
        rows = self._session.pages("grants/", dataset=self.slug, status="granted", mine="true")
        return [Grant(self._session, row) for row in rows]

    def sql(
        self,
        sql: str,
        *,
        epsilon: float | str | Decimal,
        title: str = "",
        grant: Grant | str | None = None,
        accounting: str = "zcdp",
    ) -> Query:
        """Return a question about it; name the grant that pays if more than one could."""
        if grant is None:
            grant = self._only_grant()
        key = grant if isinstance(grant, str) else grant.id
        return Query(self._session, grant=key, sql=sql, epsilon=epsilon, title=title, accounting=accounting)

    @property
    def table(self) -> str:
        """The name of its table in SQL."""
        return str((self.data if "ask" in self.data else self.refresh().data)["ask"]["table"])

    @property
    def unit_column(self) -> str:
        """The column that names its privacy unit; empty where each row is one."""
        return str(self._version().get("unit_column", ""))

    def where(self, *conditions: Condition) -> Ask:
        """Begin a question about only those rows for which every condition holds."""
        return Ask(self).where(*conditions)

    def group_by(self, *keys: str | Key) -> Ask:
        """Begin a question with one line of figures for each value of these columns, bins or periods."""
        return Ask(self).group_by(*keys)

    def agg(self, *figures: Figure) -> Ask:
        """Begin a question about these figures."""
        return Ask(self).agg(*figures)

    def join(self, table: str, *, on: str | tuple[str, str] = "", how: str = "inner") -> Ask:
        """Begin a question about this table joined with another of the dataset, by default on the privacy unit."""
        return Ask(self).join(table, on=on, how=how)

    def marginals(
        self,
        *columns: Sequence[str],
        epsilon: float | str | Decimal,
        where: str = "",
        bins: Mapping[str, Sequence[float | str]] | None = None,
        weights: Sequence[int] | None = None,
        rows_per_unit: int | None = None,
        title: str = "",
        grant: Grant | str | None = None,
    ) -> Query:
        """Return one question for many tables of counts, one for each of `columns`, paid for by one charge.

        `bins` cuts numbers at public points: {"age": [40, 65]} is below 40, 40 to below 65, and 65 or more.
        """
        asked: Json = {"marginals": [list(names) for names in columns]}
        if where:
            asked["where"] = where
        if bins:
            asked["bins"] = {name: [str(point) for point in points] for name, points in bins.items()}
        if weights is not None:
            asked["weights"] = list(weights)
        if rows_per_unit is not None:
            asked["rows_per_unit"] = rows_per_unit
        shown = title or ("Marginals: " + ", ".join(" × ".join(names) for names in columns))[:160]
        return self.sql(json.dumps(asked, ensure_ascii=False), epsilon=epsilon, title=shown, grant=grant)

    def _only_grant(self) -> Grant:
        live = self.grants()
        if not live:
            raise InvalidInput(
                f"None of your projects holds a grant on {self.slug}. Propose a project first.",
                code="no_grant",
            )
        if len(live) > 1:
            names = ", ".join(f"{grant.id} ({grant.project['title']})" for grant in live)
            raise InvalidInput(
                f"More than one grant could pay; name one with grant=: {names}.", code="grant_ambiguous"
            )
        return live[0]


class OwnedDataset(Dataset):
    """A dataset as its owner makes it: upload, declare, conform, publish."""

    _upload: str = ""

    def add_table(self, name: str, *, is_public: bool = False) -> Json:
        """Add a table beside the main one: private, about the same units, or a public look-up table."""
        added: Json = self._session.post(
            f"datasets/{self.slug}/tables/", {"name": name, "is_public": is_public}
        )
        return added

    def remove_table(self, name: str) -> Json:
        """Remove a table from the draft version, with the bytes that were sent for it."""
        left: Json = self._session.post(f"datasets/{self.slug}/tables/{name}/remove/")
        return left

    def upload(self, path: str | Path, *, table: str = "", timeout: float = 600.0) -> Json:
        """Send a CSV or Parquet file into staging and wait for its check; return names and types found.

        It is for the main table, or for the further one that `table` names.
        """
        fields = {"purpose": "data", "table": table}
        sent = self._session.upload(f"datasets/{self.slug}/uploads/", Path(path), fields)
        self._upload = str(sent["id"])
        return self._settled({"received", "checking"}, timeout)

    def declare(
        self, *, columns: Sequence[Mapping[str, Any]], max_units: int, table: str = "", **terms: Any
    ) -> Json:
        """Declare the public schema: columns with bounds and codes from a code book, and the privacy unit.

        It is the main table's, or that of the further one that `table` names; a public one declares its `key`.
        """
        body = {"columns": [dict(column) for column in columns], "max_units": max_units, **terms}
        place = f"tables/{table}/schema" if table else "schema"
        declared: Json = self._session.put(f"datasets/{self.slug}/{place}/", body)
        self.refresh()
        return declared

    def conform(self, *, timeout: float = 600.0) -> Json:
        """Make the version's file from the upload and the declared schema, in a worker; wait for it."""
        if not self._upload:
            raise IllegalMove("Upload a file first.")
        self._session.post(f"uploads/{self._upload}/conform/")
        made = self._settled({"conforming"}, timeout)
        if made["status"] != "conformed":
            code, why = made["status_code"], made["reason"]
            raise InvalidInput(f"The file does not fit the schema. {why}", code=code, fields=made["findings"])
        return made

    def place(self, connection: Connection | str, relation: str, *, timeout: float = 120.0) -> Json:
        """Leave the rows where they are: in the table `schema.table` behind a connection; `publish()` comes next.

        A worker compares the table with the declared schema; return the types that it found there. Raises
        InvalidInput with the reason where the table does not fit.
        """
        name = connection if isinstance(connection, str) else connection.name
        path = f"datasets/{self.slug}/placings/"
        check = self._session.post(path, {"connection": name, "relation": relation})
        return tested(self._session, path, check, timeout)

    def approval_rules(self) -> list[Json]:
        """Return the versions of what an approval needs, newest first."""
        rows: list[Json] = self._session.get(f"datasets/{self.slug}/approval-rules/")
        return rows

    def set_approval_rule(self, people: int, **terms: Any) -> Json:
        """Set what an approval needs: people, organisations, has_owner, has_reviewer, days; looser is only proposed."""
        made: Json = self._session.post(
            f"datasets/{self.slug}/approval-rules/set/", {"people": people, **terms}
        )
        return made

    def publish(
        self,
        *,
        attested: bool,
        dataset_epsilon: float | str | Decimal | None = None,
        population_epsilon: float | str | Decimal | None = None,
        dataset_pure_epsilon: float | str | Decimal | None = None,
        population_pure_epsilon: float | str | Decimal | None = None,
    ) -> Json:
        """Publish, attesting that no bound or code was read off the data; the first time sets the caps."""
        body: Json = {"attested": attested}
        caps = {
            "dataset_epsilon": dataset_epsilon,
            "population_epsilon": population_epsilon,
            "dataset_pure_epsilon": dataset_pure_epsilon,
            "population_pure_epsilon": population_pure_epsilon,
        }
        for name, value in caps.items():
            if value is not None:
                body[name] = epsilon_text(value)
        published: Json = self._session.post(f"datasets/{self.slug}/publish/", body)
        self.refresh()
        return published

    def estimate_synthetic(
        self, *columns: Sequence[str], epsilon: float | str | Decimal, sql: str = ""
    ) -> Json:
        """Return what synthetic rows made of these marginals would cost, on which budgets, and each table's ±."""
        body = {"sql": sql or _marginals(columns), "epsilon": epsilon_text(epsilon)}
        found: Json = self._session.post(f"datasets/{self.slug}/synthetic/estimate/", body)
        return found

    def propose_synthetic(
        self, *columns: Sequence[str], epsilon: float | str | Decimal, sql: str = ""
    ) -> SyntheticMock:
        """Propose synthetic rows for everybody, made of these marginals; another person has to `confirm()`.

        Each of `columns` is one table of counts; `sql` is a whole workload instead, with conditions or bins.
        """
        body = {"sql": sql or _marginals(columns), "epsilon": epsilon_text(epsilon)}
        made: Json = self._session.post(f"datasets/{self.slug}/synthetic/", body)
        return SyntheticMock(self._session, made)

    def _settled(self, working: set[str], timeout: float) -> Json:
        """Wait until the upload leaves the states in which a worker has it."""
        end = time.monotonic() + timeout
        while True:
            found: Json = self._session.get(f"uploads/{self._upload}/")
            if found["status"] not in working:
                if found["status"] == "refused":
                    code, why = found["status_code"], found["reason"]
                    raise InvalidInput(f"The file was not taken. {why}", code=code)
                return found
            if time.monotonic() > end:
                raise WaitTimedOut("The worker has not finished with the file yet.")
            time.sleep(0.2)


def _marginals(columns: Sequence[Sequence[str]]) -> str:
    """Write tables of counts as the node reads them."""
    return json.dumps({"marginals": [list(names) for names in columns]}, ensure_ascii=False)
