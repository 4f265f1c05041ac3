"""Who may do what is dangerous: run SQL text, start programs, open sockets, read unpicked bytes, vouch for HTML.

Each capability is a pattern and the modules that are trusted with it; a use anywhere else fails. Ruff's rules against
common mistakes (Bandit's) run in `make lint`; these are the node's own.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

import pytest

from tests.house.source import ROOT, imported, modules, tree


@dataclass(frozen=True)
class Capability:
    """A dangerous thing: the dotted names or method names that do it, and who is trusted with it."""

    names: str
    trusted: frozenset[str]

    def is_used_by(self, node: ast.AST, known: dict[str, str]) -> bool:
        """Say whether a node of a syntax tree is a use of it; `known` are the names that its module imports."""
        if isinstance(node, ast.Attribute):
            whole = f"{known.get(ast.unparse(node.value), ast.unparse(node.value))}.{node.attr}"
        elif isinstance(node, ast.Name):
            whole = known.get(node.id, node.id)
        else:
            return False
        return re.fullmatch(self.names, whole) is not None


def by(names: str, *trusted: str) -> Capability:
    return Capability(names, frozenset(trusted))


CAPABILITIES = {
    "SQL as text, beside the ORM": by(
        r".*\.cursor|.*\bobjects\.(raw|extra)|.*\.RawSQL",
        "domains.audit.recorder",  # a lock that the ORM has no words for
        "domains.evidence.snapshot",  # the isolation of a transaction
        "domains.notices.tasks",  # Django's own text, put together
        "domains.triggers",
        "portal.web.health",
    ),
    "starting programs": by(
        r"subprocess\..*|os\.(system|popen|fork|forkpty|exec.*|spawn.*|posix_spawn.*)|multiprocessing\..*|pty\..*",
        "domains.jobs.forkserver",
        "domains.jobs.keeper",
        "portal.demo.processes",
        "portal.demo.story",  # the verifier, as a stranger runs it
    ),
    "sockets": by(
        r"socket\.(socket|create_connection|create_server|socketpair|getaddrinfo|fromfd|send_fds|recv_fds)",
        "domains.delivery.guard",
        "domains.delivery.outgoing",
        "domains.jobs.children",
        "domains.jobs.forkserver",
        "domains.jobs.frames",
        "domains.jobs.keeper",
        "portal.demo.processes",
        "privacy.engines.postgresql",  # looks up once whom it speaks to
        "privacy.engines.spark",
    ),
    "speaking HTTP to others": by(
        r"(httpx|requests|aiohttp|urllib3|http\.client|urllib\.request)\.\w+",
        "domains.delivery.outgoing",
        "portal.demo.processes",
    ),
    "code out of text or bytes": by(
        r"eval|exec|compile|__import__|pickle\..*|marshal\..*|shelve\..*|dill\..*|yaml\.(load|unsafe_load|full_load)"
        r"|jinja2\..*"
    ),
    "vouching for HTML": by(r".*\.mark_safe", "portal.markdown", "portal.templatetags.ui"),
    "leaving a door open": by(
        r".*\.(csrf_exempt|xframe_options_exempt|csp_exempt|_create_unverified_context)"
    ),
    "XML that reaches outside": by(r"xml\.(sax|dom|etree).*|lxml\..*"),
}


def uses(capability: Capability, module: ast.Module) -> list[str]:
    """Return each use of a capability in a module, as written."""
    known = imported(module)
    return [ast.unparse(node) for node in ast.walk(module) if capability.is_used_by(node, known)]


@pytest.mark.parametrize("name", CAPABILITIES)
def test_only_those_who_are_trusted_with_it_do_it(name: str) -> None:
    capability = CAPABILITIES[name]
    found = {
        module: said
        for module, path in modules("privacy", "domains", "portal").items()
        if module not in capability.trusted and (said := uses(capability, tree(path)))
    }
    assert found == {}


@pytest.mark.parametrize("name", CAPABILITIES)
def test_nobody_is_trusted_with_what_they_do_not_do(name: str) -> None:
    capability = CAPABILITIES[name]
    assert {module for module in capability.trusted if not uses(capability, tree(modules()[module]))} == set()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("SQL as text, beside the ORM", "from django.db import connection\nconnection.cursor()"),
        ("SQL as text, beside the ORM", "User.objects.raw('SELECT 1')"),
        ("starting programs", "import subprocess as s\ns.run(['ls'])"),
        ("starting programs", "from os import system\nsystem('ls')"),
        ("sockets", "import socket\nsocket.create_connection(('a', 1))"),
        ("speaking HTTP to others", "import httpx\nhttpx.get('http://a')"),
        ("speaking HTTP to others", "from urllib import request\nrequest.urlopen('http://a')"),
        ("code out of text or bytes", "eval('1')"),
        ("code out of text or bytes", "from pickle import loads\nloads(b'')"),
        ("vouching for HTML", "from django.utils.safestring import mark_safe\nmark_safe('<b>')"),
        (
            "leaving a door open",
            "from django.views.decorators.csrf import csrf_exempt\n@csrf_exempt\ndef f(): ...",
        ),
        ("XML that reaches outside", "from xml.etree import ElementTree\nElementTree.parse('a')"),
    ],
)
def test_each_way_to_it_would_be_seen(name: str, line: str) -> None:
    assert uses(CAPABILITIES[name], ast.parse(line)) != []


def test_no_template_vouches_for_what_it_is_given() -> None:
    told = re.compile(r"\|\s*safe\b|\{%\s*autoescape\s+off|\|\s*safeseq\b")
    assert [str(path) for path in (ROOT / "templates").rglob("*.*") if told.search(path.read_text())] == []
    assert told.search("{{ words|safe }}")
    assert told.search("{% autoescape off %}")
