"""Pages carry no inline code or style, so that the content security policy needs no exception."""

import re

import pytest
from django.template.loader import get_template

from tests.house.source import ROOT

FOLDER = ROOT / "templates"
TEMPLATES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.html"))
INLINE = re.compile(
    r"<style\b|\sstyle\s*=|<script\b(?![^>]*\bsrc=)|\son[a-z]+\s*=\s*[\"']|javascript:|\bhx-on\b|\bjs:", re.I
)
FOREIGN = re.compile(r"(?:src|href|action)\s*=\s*[\"'](?:https?:)?//", re.I)


def is_fragment(name):
    return name.split("/")[-1].startswith("_") or "_components" in name


def text(name):
    return re.sub(r"{#.*?#}|{% comment %}.*?{% endcomment %}", "", (FOLDER / name).read_text(), flags=re.S)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_compiles(name):
    get_template(name)


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_inline_code_or_style_and_nothing_from_elsewhere(name):
    assert INLINE.findall(text(name)) == []
    assert FOREIGN.findall(text(name)) == []


# The frame itself, and the API's browsable edition, which brings its own from drf-spectacular.
FRAMES = {"base.html", "api/docs.html"}


@pytest.mark.parametrize("name", [name for name in TEMPLATES if not is_fragment(name) and name not in FRAMES])
def test_a_page_stands_in_the_frame(name):
    assert re.match(r"\s*(?:{% load [^%]+%}\s*)*{% extends \"[\w/]+\.html\" %}", text(name)), (
        "a fragment begins with _"
    )


@pytest.mark.parametrize("name", [name for name in TEMPLATES if is_fragment(name)])
def test_a_fragment_is_no_page(name):
    assert "<html" not in text(name)
    assert "{% extends" not in text(name)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_form_that_posts_carries_its_token(name):
    for form in re.findall(r"<form\b[^>]*method=\"post\".*?</form>", text(name), re.S | re.I):
        assert "{% csrf_token %}" in form


@pytest.mark.parametrize("name", TEMPLATES)
def test_nothing_is_marked_safe(name):
    assert not re.search(r"\|\s*safe\b|{% autoescape off", text(name))


@pytest.mark.parametrize(
    "bad",
    ['<p style="color:red">', "<script>go()</script>", '<a onclick="go()">', '<a href="javascript:go()">'],
)
def test_inline_code_would_be_seen(bad):
    assert INLINE.search(bad)
