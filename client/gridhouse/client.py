"""The way in: `gridhouse.connect(url, token)`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from types import TracebackType
from typing import Any

import httpx

from gridhouse.agreements import Agreement
from gridhouse.connections import Connection
from gridhouse.datasets import Dataset, OwnedDataset
from gridhouse.inbox import Inbox
from gridhouse.projects import Grant, Project
from gridhouse.queries import Query
from gridhouse.queue import HeldAnswer, QueueItem
from gridhouse.session import Session
from gridhouse.values import Json


class Client:
    """A signed-in person's view of one node. Usable as a context manager."""

    def __init__(
        self,
        url: str = "http://localhost",
        token: str = "",
        *,
        timeout: float = 30.0,
        insecure: bool = False,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._session = Session(url, token, timeout=timeout, insecure=insecure, transport=transport)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self._session.url}>"

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def me(self) -> Json:
        """Return who you are here, your roles, and what the token may be used for."""
        found: Json = self._session.get("me/")
        return found

    def inbox(self) -> Inbox:
        """Return your inbox: what waits for you, and what you were told."""
        return Inbox(self._session)

    # --- Asking ---------------------------------------------------------------------------------------------

    def datasets(self, search: str = "", *, area: str = "") -> Iterator[Dataset]:
        """Yield the datasets that can be asked, page by page."""
        return (
            Dataset(self._session, row) for row in self._session.pages("datasets/", search=search, area=area)
        )

    def dataset(self, slug: str) -> Dataset:
        """Return one dataset."""
        return Dataset(self._session, self._session.get(f"datasets/{slug}/"))

    def projects(self, search: str = "", *, status: str = "") -> Iterator[Project]:
        """Yield the projects that you may see."""
        rows = self._session.pages("projects/", search=search, status=status)
        return (Project(self._session, row) for row in rows)

    def project(self, id: str) -> Project:
        """Return one project."""
        return Project(self._session, self._session.get(f"projects/{id}/"))

    def agreements(self, *, due: bool = False) -> Iterator[Agreement]:
        """Yield the agreements of this node; with `due`, only those without which you cannot go on."""
        rows = (Agreement(self._session, row) for row in self._session.pages("agreements/"))
        return (row for row in rows if row.is_due) if due else rows

    def pause(self) -> Json:
        """Return whether the node is paused, since when and why."""
        found: Json = self._session.get("pause/")
        return found

    def grants(self) -> Iterator[Grant]:
        """Yield the access grants that you may see."""
        return (Grant(self._session, row) for row in self._session.pages("grants/"))

    def sql(
        self,
        grant: Grant | str,
        sql: str,
        *,
        epsilon: float | str | Decimal,
        title: str = "",
        accounting: str = "zcdp",
    ) -> Query:
        """Return a question under a grant; nothing is sent yet.

        It is paid in ρ ("zcdp"), in pure ε ("pure"), or in the more exact of those that the grant can pay ("auto").
        """
        key = grant if isinstance(grant, str) else grant.id
        return Query(self._session, grant=key, sql=sql, epsilon=epsilon, title=title, accounting=accounting)

    def requests(
        self, *, status: str = "", project: str = "", dataset: str = "", search: str = ""
    ) -> Iterator[Query]:
        """Yield the requests that you may see, newest first."""
        rows = self._session.pages(
            "requests/", status=status, project=project, dataset=dataset, search=search
        )
        return (Query.of(self._session, row) for row in rows)

    def request(self, id: str) -> Query:
        """Return one request, to follow it or to read its result."""
        return Query.of(self._session, self._session.get(f"requests/{id}/"))

    def calculate(self, statistic: str, **about: float | str | Decimal | int) -> Json:
        """Return the error that an `epsilon` gives, or the least ε that keeps within an `error`, without any data.

        `statistic` is count, sum or mean, over values from `lower` to `upper`, of which `rows_each` are one person's
        and `group` are supposed in all.
        """
        asked = {
            name: format(value, "f") if isinstance(value, Decimal) else str(value)
            for name, value in about.items()
        }
        found: Json = self._session.get("calculator/", statistic=statistic, **asked)
        return found

    def budget(self, grant: Grant | str) -> list[Json]:
        """Return every cap that a question under a grant passes through, and what is left."""
        key = grant if isinstance(grant, str) else grant.id
        found: list[Json] = self._session.get(f"budgets/grants/{key}/")
        return found

    def budgets(self) -> list[Json]:
        """Return the budgets that concern you."""
        found: list[Json] = self._session.get("budgets/")
        return found

    def propose_project(
        self,
        *,
        area: str,
        title: str,
        lay_summary: str,
        purpose: str,
        datasets: Sequence[str | Dataset],
        members: Sequence[str] = (),
        answers: Mapping[str, str | Sequence[str]] | None = None,
    ) -> Project:
        """Write down a project in a research area, for datasets named by slug; `submit()` hands it in.

        `answers` are to further questions of the node's application form, by the question's id.
        """
        body = {
            "area": area,
            "title": title,
            "lay_summary": lay_summary,
            "purpose": purpose,
            "datasets": [d.slug if isinstance(d, Dataset) else d for d in datasets],
            "members": list(members),
            "answers": dict(answers or {}),
        }
        return Project(self._session, self._session.post("projects/", body))

    # --- Deciding -------------------------------------------------------------------------------------------

    def queue(self) -> Iterator[QueueItem]:
        """Yield the requests that wait for your vote, oldest first."""
        return (QueueItem(self._session, row) for row in self._session.pages("queue/"))

    def held(self) -> Iterator[HeldAnswer]:
        """Yield the answers that wait for your release."""
        return (HeldAnswer(self._session, row) for row in self._session.pages("queue/releases/"))

    # --- Owning ---------------------------------------------------------------------------------------------

    def create_dataset(
        self, *, area: str, population: str, title: str, slug: str, **words: Any
    ) -> OwnedDataset:
        """Start a dataset in one of your areas; `words` are summary, provenance, licence and tick."""
        body = {"area": area, "population": population, "title": title, "slug": slug, **words}
        return OwnedDataset(self._session, self._session.post("datasets/", body))

    def owned_dataset(self, slug: str) -> OwnedDataset:
        """Return a dataset of yours, to upload to and to publish."""
        return OwnedDataset(self._session, self._session.get(f"datasets/{slug}/"))

    def connections(self) -> Iterator[Connection]:
        """Yield the connections to databases that you manage."""
        return (Connection(self._session, row) for row in self._session.pages("connections/"))

    def connection(self, name: str) -> Connection:
        """Return one connection."""
        return Connection(self._session, self._session.get(f"connections/{name}/"))

    def add_connection(
        self,
        *,
        area: str,
        name: str,
        host: str,
        database: str,
        role: str,
        port: int = 5432,
        tls: str = "verify-full",
        engine: str = "postgresql",
    ) -> Connection:
        """Add a connection of a research area; its role's password is a file of its name beside the worker.

        `engine` is postgresql or spark; with Spark, `database` is the catalogue and the password is the token.
        """
        body = {"area": area, "name": name, "host": host, "port": port, "database": database}
        body |= {"role": role, "tls": tls, "engine": engine}
        return Connection(self._session, self._session.post("connections/", body))

    # --- Auditing -------------------------------------------------------------------------------------------

    def checkpoint(self) -> str:
        """Return the audit log's signed checkpoint; keep it, it is what history is held to."""
        return self._session.text("audit/checkpoint/")

    def consistency(self, old: int, new: int | None = None) -> Json:
        """Return the proof that the log of `new` events extends that of `old`."""
        found: Json = self._session.get("audit/proofs/consistency/", old=old, new=new)
        return found

    def log_key(self) -> Json:
        """Return the log's origin and public key, as the node states them."""
        found: Json = self._session.get("audit/key/")
        return found

    def events(self, **filters: Any) -> Iterator[Json]:
        """Yield audit events, for auditors."""
        return self._session.pages("audit/events/", **filters)

    def export(self) -> str:
        """Return the whole log as JSON lines, for auditors and the verifier."""
        return self._session.text("audit/export/")


def connect(
    url: str,
    token: str,
    *,
    timeout: float = 30.0,
    insecure: bool = False,
    transport: httpx.BaseTransport | None = None,
) -> Client:
    """Return a client of the node at `url`; make the token on your account page there."""
    return Client(url, token, timeout=timeout, insecure=insecure, transport=transport)
