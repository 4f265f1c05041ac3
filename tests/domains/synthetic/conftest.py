"""A published dataset and its people: Alice and Olga own it, Rita reviews its area; each test rolls back."""

import json
from collections.abc import Callable

import pytest

from domains.catalog import actions as catalog
from domains.catalog.models import Dataset
from domains.ledger import queries as books
from domains.people.permissions import Role
from domains.synthetic import actions
from domains.synthetic.models import SyntheticMock
from privacy.loss import Loss
from tests import make
from tests.world import World, at, built, node

__all__ = ["built", "node"]

MARGINALS = json.dumps({"marginals": [["sex", "race"], ["dzgroup"], ["death", "sex"]]})


@pytest.fixture(scope="module")
def ready(built: World, django_db_blocker) -> str:
    """The key of a mock that Alice proposed, Rita confirmed, and real child processes measured and made."""
    with django_db_blocker.unblock(), at(built.home):
        row = Dataset.objects.get(slug="support2")
        mock = actions.propose(row, sql=MARGINALS, epsilon="0.5", by=built.user("alice"))
        actions.confirm(mock, by=built.user("rita"))
        make.run_jobs()
        make.run_jobs("workloads")
        return mock.pk


@pytest.fixture
def cast(node: World, ready: str):
    """The six people, and Olga, who owns the dataset as well."""
    people = {name: node.user(name) for name in ("ada", "alice", "rita", "sam", "theo", "charlie")}
    people["olga"] = make.person("olga", Role.OWNER)
    catalog.assign(node.access().dataset, people["olga"], role=Role.DATASET_OWNER, by=people["alice"])
    return people


@pytest.fixture
def dataset(node: World, cast, settings) -> Dataset:
    """SUPPORT2 with a cap of ε = 3; what runs now is planted, so it needs no more time than was planned."""
    settings.DEADLINE_SLACK = 0.0
    return Dataset.objects.get(slug="support2")


@pytest.fixture
def propose(dataset, cast) -> Callable[..., SyntheticMock]:
    """Return a way to propose: `propose("0.5", by="alice")`."""

    def proposing(epsilon: str = "0.5", *, by: str = "alice", sql: str = MARGINALS) -> SyntheticMock:
        return actions.propose(dataset, sql=sql, epsilon=epsilon, by=cast[by])

    return proposing


@pytest.fixture
def confirmed(propose, cast) -> SyntheticMock:
    """A mock that Alice proposed and Rita confirmed; no worker has come yet."""
    mock = propose()
    actions.confirm(mock, by=cast["rita"])
    return mock


@pytest.fixture
def published(dataset, ready: str) -> SyntheticMock:
    """The mock that real child processes measured and made as the module began."""
    return reload(ready)


def reload(mock: SyntheticMock | str) -> SyntheticMock:
    """Return it as the database has it now."""
    related = ("version__dataset__population", "proposed_by", "decided_by", "job")
    return SyntheticMock.objects.select_related(*related).get(pk=getattr(mock, "pk", mock))


def held(dataset: Dataset) -> list[tuple[str, int, int]]:
    """Return what is reserved and spent of ρ, beyond the module's own mock, under each account that one debits."""
    paid = SyntheticMock.objects.order_by("id")[0].rho
    balances = [effect.balance for effect in books.effect_for_everybody(dataset, Loss.zero())]
    return [(balance.scope, balance.reserved.rho, balance.spent.rho - paid) for balance in balances]
