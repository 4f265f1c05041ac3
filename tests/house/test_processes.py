"""What lives in which process: the web's never holds an engine, and no task ever runs inside it."""

import json
import re
import subprocess
import sys

import pytest

from tests.house.source import ROOT, modules

LOADED = """
import json, sys
sys.path[:0] = [{root!r}, {client!r}]
import portal.wsgi
from django.urls import get_resolver
get_resolver().url_patterns
from django.test import Client
Client().get("/livez")
{extra}
print(json.dumps(sorted({{name.split(".")[0] for name in sys.modules}})))
"""
ENGINES = {"duckdb", "opendp"}


def loaded(home, extra=""):
    """Return the top-level modules of a web process that has answered once."""
    code = LOADED.format(root=str(ROOT), client=str(ROOT / "client"), extra=extra)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"GRIDHOUSE_HOME": str(home), "PATH": "/usr/bin:/bin", "ALLOWED_HOSTS": "testserver"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_a_web_process_holds_no_engine(tmp_path):
    names = loaded(tmp_path)
    assert "django" in names
    assert names & ENGINES == set()


def test_an_engine_in_a_web_process_would_be_seen(tmp_path):
    assert loaded(tmp_path, extra="import duckdb") & ENGINES == {"duckdb"}


@pytest.mark.parametrize("word", ["always_" + "eager", "ALWAYS_" + "EAGER", "task_" + "eager"])
def test_no_setting_makes_tasks_run_in_the_caller_s_process(word):
    files = [*modules().values(), *(ROOT / "tests").rglob("*.py"), ROOT / "Makefile", ROOT / "pyproject.toml"]
    assert [str(path) for path in files if word in path.read_text()] == []


def test_no_task_is_called_where_it_is_defined():
    calls = re.compile(r"\.(apply|__call__)\(\s*args|\btasks\.run\(")
    assert [name for name in modules("domains", "portal") if calls.search(modules()[name].read_text())] == []
