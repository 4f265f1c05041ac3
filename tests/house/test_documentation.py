"""What is documented is what is: generated pages equal the committed ones, and nothing public lacks words."""

import re

import pytest
from django.core.management import CommandError, call_command

from domains.people.permissions import TABLE, Permission
from portal.manual import errors, pages, settings_page, states
from tests.house.source import ROOT, committed

DOCS = [path for path in committed() if path.suffix == ".md"]


@pytest.mark.parametrize("name", pages.PAGES)
def test_a_reference_page_is_what_the_code_says(name):
    assert name not in pages.stale(), "Run `make reference` and look at what changed."


def test_a_page_that_drifted_is_named(tmp_path):
    pages.write(tmp_path)
    (tmp_path / "errors.md").write_text("# Errors\n")
    (tmp_path / "states.md").unlink()
    assert pages.stale(tmp_path) == ["errors.md", "states.md"]


def test_the_command_refuses_drift_and_repairs_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pages.stale, "__defaults__", (tmp_path,))
    monkeypatch.setattr(pages.write, "__defaults__", (tmp_path,))
    with pytest.raises(CommandError, match="make reference"):
        call_command("reference_docs", check=True)
    call_command("reference_docs")
    call_command("reference_docs", check=True)
    assert "Every reference page is what the code says." in capsys.readouterr().out


def test_every_permission_has_a_row_and_somebody_who_holds_it():
    text = pages.PAGES["permissions.md"]()
    assert [p for p in Permission if f"`{p.value}`" not in text] == []
    assert set(Permission) == set().union(*TABLE.values())


def test_every_permission_is_asked_for_somewhere():
    source = "\n".join(path.read_text() for path in (ROOT / "domains").rglob("*.py"))
    source += "\n".join(path.read_text() for path in (ROOT / "portal").rglob("*.py"))
    unasked = [p.name for p in Permission if f"Permission.{p.name}" not in source]
    assert unasked == []


def test_every_error_class_and_code_has_a_row():
    text = errors.page()
    assert [one.code for one in errors.raised() if f"`{one.code}`" not in text] == []
    assert len(errors.raised()) > 50
    assert [one.code for one in errors.raised() if not re.fullmatch(r"[a-z][a-z0-9_]*", one.code)] == []


def test_every_setting_has_a_meaning():
    assert {setting.name for setting in settings_page.found()} == set(settings_page.MEANINGS)


def test_a_setting_without_a_meaning_stops_the_page(monkeypatch):
    monkeypatch.delitem(settings_page.MEANINGS, "REDIS_URL")
    with pytest.raises(RuntimeError, match="REDIS_URL"):
        settings_page.page()


def test_every_status_is_drawn():
    text = states.page()
    drawn = [name for machine in states.machines() for name in machine.states]
    assert [name for name in drawn if f"`{name}`" not in text] == []
    assert len(drawn) > 50


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text())
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_targets_that_pages_name_exist(path):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`(?:[A-Z]+=\S+ )*make ([a-z]+)[`\s]", path.read_text())) <= targets
