"""Which tests count for the coverage of `privacy/` and `domains/`: those of these two layers themselves.

What a page, a client or a journey touches in passing is no proof of the rules beneath it, and counting branches
makes a test take two thirds longer.
"""

from __future__ import annotations

import coverage

COUNTED = ("tests/privacy/", "tests/domains/")


class Count:
    """The count of this process, which rests while other tests run."""

    def __init__(self) -> None:
        """Follow no count yet: it is there once the first test runs, where branches are counted at all."""
        self._counting: coverage.Coverage | None = None
        self._rests = False

    def follow(self, nodeid: str) -> None:
        """Count from here on, or rest, as the test that comes next asks for."""
        self._counting = (
            self._counting or coverage.Coverage.current()
        )  # one that was stopped is current no more
        rests = not nodeid.startswith(COUNTED)
        if self._counting is None or rests == self._rests:
            return
        if rests:
            self._counting.stop()
        else:
            self._counting.start()
        self._rests = rests


count = Count()
