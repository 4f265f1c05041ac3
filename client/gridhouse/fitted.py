"""A workload's fitted model: made of released tables alone, asked as often as one likes, at no charge."""

from __future__ import annotations

from gridhouse.session import Session
from gridhouse.values import Json


class ModelAnswer:
    """Figures from a fitted model; the first of the `notes` names the request that was paid for."""

    def __init__(self, data: Json) -> None:
        self._data = data

    @property
    def rows(self) -> list[Json]:
        """The rows, each as {column: value}."""
        names = [column["name"] for column in self._data["columns"]]
        return [dict(zip(names, row, strict=True)) for row in self._data["rows"]]

    @property
    def plus_minus(self) -> list[Json]:
        """Beside each row its ± at 95 %; a figure whose columns were not measured together has none."""
        names = [column["name"] for column in self._data["columns"]]
        return [
            {name: error for name, error in zip(names, row, strict=True) if error is not None}
            for row in self._data["accuracy"]
        ]

    @property
    def notes(self) -> list[str]:
        """What to know when reading the figures."""
        return list(self._data["notes"])


class FittedModel:
    """What the node says of a model: `status`, `columns`, `method`, `total` and `qualities`."""

    def __init__(self, session: Session, request: str, data: Json) -> None:
        self._session = session
        self._request = request
        self.data = data
        self.status: str = data["status"]
        self.columns: list[str] = data["columns"]
        self.qualities: dict[str, float] = {each["name"]: each["distance"] for each in data["qualities"]}

    def __repr__(self) -> str:
        return f"<FittedModel of {self.data['request']}: {self.status}, {', '.join(self.columns)}>"

    def synthetic_csv(self) -> str:
        """Return made-up rows drawn from the model as CSV: the same rows each time, at no charge."""
        return self._session.text(f"requests/{self._request}/synthetic/csv/")

    def closeness(self) -> dict[str, float]:
        """Return how far those rows are from each released table and column, by noisy values alone: 0 to 1."""
        found = self._session.get(f"requests/{self._request}/synthetic/")
        return {each["name"]: each["distance"] for each in found["closeness"]}

    def ask(self, sql: str) -> ModelAnswer:
        """Return what the model says; raise QueryRejected where it does not cover the question."""
        return ModelAnswer(self._session.post(f"requests/{self._request}/model/ask/", {"sql": sql}))
