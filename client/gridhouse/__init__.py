"""Ask private data from outside: `connect(url, token)`, then `dataset.sql(…, epsilon=0.1).submit()`."""

from gridhouse.client import Client, connect
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
from gridhouse.projects import Grant, Project
from gridhouse.queries import Query
from gridhouse.queue import HeldAnswer, QueueItem
from gridhouse.results import Result
from gridhouse.values import Estimate, Status

__all__ = [
    "BudgetExhausted",
    "Client",
    "Dataset",
    "Estimate",
    "Grant",
    "GridhouseError",
    "HeldAnswer",
    "IllegalMove",
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
    "WaitTimedOut",
    "connect",
]
