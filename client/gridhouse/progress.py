"""A plain progress bar on standard error; nothing is drawn where nobody looks, unless asked for."""

from __future__ import annotations

import sys
import time
from typing import TextIO

# How far along each stage is, for the bar alone.
_STAGES = {
    "draft": 0.0,
    "ready": 0.1,
    "in_review": 0.3,
    "queued": 0.6,
    "running": 0.8,
    "held": 0.9,
    "released": 1.0,
}
_WIDTH = 20


class Bar:
    """Shows where a request stands. On a terminal one line is redrawn; elsewhere each change is one line."""

    def __init__(self, show: bool | None = None, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.is_terminal = self.stream.isatty()
        self.is_shown = self.is_terminal if show is None else show
        self.began = time.monotonic()
        self._last = ""

    def draw(self, code: str, label: str) -> None:
        """Show the stage a request is in."""
        if not self.is_shown or (not self.is_terminal and label == self._last):
            return
        self._last = label
        done = round(_STAGES.get(code, 1.0) * _WIDTH)
        seconds = time.monotonic() - self.began
        line = f"[{'#' * done}{'.' * (_WIDTH - done)}] {label} ({seconds:.0f} s)"
        self.stream.write(f"\r\x1b[2K{line}" if self.is_terminal else f"{line}\n")
        self.stream.flush()

    def close(self) -> None:
        """End the redrawn line."""
        if self.is_shown and self.is_terminal and self._last:
            self.stream.write("\n")
            self.stream.flush()
