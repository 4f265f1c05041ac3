"""Every address of the node with its parameters filled in, for the matrix of who may do what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>(?:\[\^/\.\]\+|\[[^\]]*\]\+|[^()]+)\)")
# Addresses of libraries that answer for themselves, or that name files.
OUTSIDE = ("admin/",)


@dataclass(frozen=True)
class Route:
    """One address: its pattern as text, which is its row in the table, and the methods its view takes."""

    pattern: str

    @property
    def is_api(self) -> bool:
        return self.pattern.startswith("api/v1/")

    def address(self, values: dict[str, str]) -> str:
        """Return the path with each parameter filled in: by `first/name` or by `name`."""
        first = self.pattern.removeprefix("api/v1/").split("/")[0]

        def fill(match: re.Match[str]) -> str:
            name = match.group(1) or match.group(2)
            return values.get(f"{first}/{name}") or values[name]

        return "/" + _PARAMETER.sub(fill, self.pattern)


def routes() -> list[Route]:
    """Return every route of the node, once, in the order of their patterns."""
    found = {pattern for pattern in _walk(get_resolver().url_patterns, "") if not pattern.startswith(OUTSIDE)}
    return [Route(pattern) for pattern in sorted(found)]


def _walk(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[str]:
    for pattern in patterns:
        text = before + str(pattern.pattern).removeprefix("^").removesuffix("$").replace("\\.", ".")
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, text)
        else:
            yield text
