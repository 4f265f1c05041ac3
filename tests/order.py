"""Who runs what, and when, where tests run side by side: files stay whole, and the longest come first.

A long file that comes last is waited for by one process alone. Those that meet the same live node go to one process,
which builds it once.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

ON_ONE_NODE = ("tests/journeys/test_accessibility.py", "tests/journeys/test_main_job.py")
# Each took a minute or more of a loaded machine's time, the longest first.
LONG = (
    *ON_ONE_NODE,
    "tests/portal/test_matrix.py",
    "tests/domains/jobs/test_worker.py",
    "tests/privacy/test_neighbours.py",
    "tests/attacks/test_canary_rows.py",
    "tests/domains/ledger/test_protocol.py",
    "tests/domains/requests/test_accounting.py",
    "tests/privacy/test_target.py",
    "tests/privacy/test_in_place.py",
    "tests/domains/ledger/test_restore.py",
    "tests/domains/requests/test_in_place.py",
    "tests/domains/ledger/test_constraints.py",
    "tests/domains/ledger/test_crash.py",
)


def file_of(nodeid: str) -> str:
    return nodeid.split("::", 1)[0]


def place(item: pytest.Item) -> int:
    """Return where an item's file comes; files that are not long keep their order behind the others."""
    file = file_of(item.nodeid)
    return LONG.index(file) if file in LONG else len(LONG)


def brings_database(item: pytest.Item) -> bool:
    """Say whether a test names its backend and makes a database there: it is the same whatever the suite runs on."""
    return not {"sqlite_database", "postgres_database"}.isdisjoint(getattr(item, "fixturenames", ()))


class Files(LoadScopeScheduling):  # type: ignore[misc, unused-ignore]
    """Gives a process whole files, in the order in which they were collected."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False  # xdist's own order is by the number of tests
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        file = file_of(nodeid)
        return "on one node" if file in ON_ONE_NODE else file
