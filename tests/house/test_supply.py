"""What the node stands on: pinned with hashes, each dependency with its reason, no address baked in."""

import re
import tomllib

import pytest

from tests.house.source import ROOT, committed

PINS = ("requirements.txt", "requirements-dev.txt", "requirements-extras.txt")
# Whom a committed file may name: ourselves, examples, standards, licences and the sources of committed data.
HOSTS = re.compile(
    r"([\w-]+\.)*example(\.(org|com))?|[\w.-]+\.example|www\.w3\.org|(www\.)?apache\.org|www\.rfc-editor\.org|"
    r"json-schema\.org|arxiv\.org|doi\.org|c2sp\.org|duckdb\.org|spark\.apache\.org|docs\.djangoproject\.com|htmx\.org|"
    r"getbootstrap\.com|github\.com|creativecommons\.org|hbiostat\.org|archive\.ics\.uci\.edu|"
    # the names of vocabularies that descriptions of datasets are written in, and of a feed's format
    r"schema\.org|mlcommons\.org|purl\.org|xmlns\.com|purl\.obolibrary\.org|spdx\.org|publications\.europa\.eu|www\.iana\.org|jsonfeed\.org"
)
ADDRESS = re.compile(r"\bhttps?://(?:[^/@\s\"'`]*@)?((?:[\w-]+\.)+[a-z]{2,})\b")
TEXT = {".py", ".toml", ".txt", ".md", ".yaml", ".yml", ".json", ".conf", ".service", ".html", ".env", ""}


@pytest.mark.parametrize("name", PINS)
def test_every_pin_is_exact_and_hashed_and_no_index_is_named(name):
    lines = (ROOT / name).read_text().splitlines()
    pins = [number for number, line in enumerate(lines) if line and not line.startswith((" ", "#"))]
    assert len(pins) > 20
    for number in pins:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+( ; .+)? \\$", lines[number]), lines[number]
        assert "--hash=sha256:" in lines[number + 1]
    assert not any(re.search(r"--(index|extra-index|find-links)|://|^-|file:", line) for line in lines)


def test_each_list_of_pins_contains_the_one_before():
    run, dev, extras = (set(re.findall(r"^\S+==\S+", (ROOT / name).read_text(), re.M)) for name in PINS)
    assert run <= dev <= extras


def test_each_dependency_says_why_it_is_here():
    text = (ROOT / "pyproject.toml").read_text()
    blocks = re.findall(r"^(?:dependencies|dev|extras) = \[\n(.*?)^\]", text, re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    assert len(lines) > 30
    assert [line for line in lines if not re.search(r"\"\S+\",\s*# \S+ \S+|# \w+$", line)] == []


def test_every_declared_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    pinned = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements-dev.txt").read_text(), re.M))
    declared = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.split(r"[\[<>=]", one)[0].lower().replace("_", "-") for one in declared}
    assert names <= pinned


def _texts():
    return [path for path in committed() if path.suffix in TEXT and "vendor" not in path.parts]


def test_no_file_names_a_host_that_is_not_ours_to_name():
    found = {
        (str(path.relative_to(ROOT)), host)
        for path in _texts()
        for host in ADDRESS.findall(_read(path))
        if not HOSTS.fullmatch(host)
    }
    assert found == set()


def test_no_file_knows_where_it_was_written():
    machine = re.compile(rf"(?<![\w.]){re.escape(str(ROOT.parent))}/\w" if ROOT.parent.name else r"(?!)")
    home = re.compile(r"(?<![\w.$}])/(?:home|Users)/(?!gridhouse)\w+/")
    found = {str(p.relative_to(ROOT)) for p in _texts() if machine.search(_read(p)) or home.search(_read(p))}
    assert found == set()


def test_the_licence_is_there():
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"] == "Apache-2.0"


def _read(path):
    try:
        return path.read_text()
    except UnicodeDecodeError:  # an image without a suffix says nothing
        return ""
