"""Text in Markdown as HTML that is safe to show: no HTML of its own, no images, no scripts in links."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

TOP = 3  # the highest heading inside a part of a page, whose own heading is an h2

# HTML is escaped, `javascript:` and its like are no links, and an image would call on another server.
_reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image"])


def to_html(text: str, top: int = TOP) -> SafeString:
    """Return `text` as HTML whose headings begin at `top` and skip no level."""
    tokens = _reader.parse(text)
    _settle_headings(tokens, top)
    for token in _all(tokens):
        if token.type == "link_open":
            token.attrSet("rel", "noopener noreferrer nofollow")
    return mark_safe(_reader.renderer.render(tokens, _reader.options, {}))  # noqa: S308 - HTML in it is escaped


def _settle_headings(tokens: Sequence[Token], top: int) -> None:
    """Set headings under the page's own, one level at a time, whatever levels the text uses."""
    used = sorted({token.tag for token in tokens if token.type == "heading_open"})
    before = top - 1
    for token in tokens:
        if token.type == "heading_open":
            before = min(top + used.index(token.tag), before + 1, 6)
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{before}"


def _all(tokens: Sequence[Token]) -> list[Token]:
    return [inner for token in tokens for inner in (token, *(token.children or ()))]
