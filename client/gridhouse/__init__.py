"""Ask private data from outside: `connect(url, token)`, then `dataset.sql(…, epsilon=0.1).submit()`.

Or without SQL: `dataset.where(col("age") >= 65).group_by("sex").agg(count(), mean("age")).submit(epsilon=0.1)`.
"""

from gridhouse.agreements import Agreement
from gridhouse.builder import Ask
from gridhouse.client import Client, connect
from gridhouse.connections import Connection
from gridhouse.datasets import Dataset, OwnedDataset
from gridhouse.errors import (
    BudgetExhausted,
    GridhouseError,
    IllegalMove,
    InsecureAddress,
    InvalidInput,
    MissingExtra,
    NoAnswer,
    NodeFailed,
    NodeUnreachable,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    NotProven,
    PeerUnavailable,
    PolicyRefused,
    QueryRejected,
    RateLimited,
    WaitTimedOut,
)
from gridhouse.inbox import Inbox
from gridhouse.projects import Grant, Project
from gridhouse.queries import Query
from gridhouse.queue import HeldAnswer, QueueItem
from gridhouse.results import Result
from gridhouse.synthetic import SyntheticMock
from gridhouse.terms import (
    bin,
    col,
    count,
    cumulative,
    max,
    mean,
    median,
    min,
    people,
    period,
    quantile,
    stddev,
    sum,
    variance,
)
from gridhouse.values import Estimate, Status

__all__ = [
    "Agreement",
    "Ask",
    "BudgetExhausted",
    "Client",
    "Connection",
    "Dataset",
    "Estimate",
    "Grant",
    "GridhouseError",
    "HeldAnswer",
    "IllegalMove",
    "Inbox",
    "InsecureAddress",
    "InvalidInput",
    "MissingExtra",
    "NoAnswer",
    "NodeFailed",
    "NodeUnreachable",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "NotProven",
    "OwnedDataset",
    "PeerUnavailable",
    "PolicyRefused",
    "Project",
    "Query",
    "QueryRejected",
    "QueueItem",
    "RateLimited",
    "Result",
    "Status",
    "SyntheticMock",
    "WaitTimedOut",
    "bin",
    "col",
    "connect",
    "count",
    "cumulative",
    "max",
    "mean",
    "median",
    "min",
    "people",
    "period",
    "quantile",
    "stddev",
    "sum",
    "variance",
]
