"""Which tests count for the coverage of `privacy/` and `domains/`: those of these two layers themselves.

What a page, a client or a journey touches in passing is no proof of the rules beneath it, and counting branches
makes a test take two thirds longer.
"""

from __future__ import annotations

from dataclasses import dataclass

import coverage

COUNTED = ("tests/privacy/", "tests/domains/")


@dataclass
class Count:
    """The count of this process, which rests while other tests run."""

    rests: bool = False

    def follow(self, nodeid: str) -> None:
        """Count from here on, or rest, as the test that comes next asks for."""
        counting, rests = coverage.Coverage.current(), not nodeid.startswith(COUNTED)
        if counting is None or rests == self.rests:
            return
        if rests:
            counting.stop()
        else:
            counting.start()
        self.rests = rests


count = Count()
