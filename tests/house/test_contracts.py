"""Who may know whom: the layer contracts hold, name every app, and would notice a breach."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house.source import ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
LINTER = Path(sys.executable).parent / "lint-imports"

# Each is one line that must not pass: a module to add it to, the line, and the contract that forbids it.
BREACHES = {
    "domains know no faces": (
        "domains/notices/queries.py",
        "import portal.settings",
        "Faces above decisions",
    ),
    "apps know only those beneath": (
        "domains/audit/tree.py",
        "import domains.requests.lifecycle",
        "Each domain app knows only those beneath it",
    ),
    "mathematics knows no framework": ("privacy/loss.py", "import django", "Mathematics and the client"),
    "only the ledger touches its rows": (
        "domains/requests/guards.py",
        "import domains.ledger.models",
        "Only the ledger imports its own models",
    ),
    **{
        f"only the engines' room talks to {engine}": (
            file,
            f"import {engine}",
            "Only the engines' room talks to an engine",
        )
        for engine, file in (
            ("duckdb", "privacy/query/execute.py"),
            ("psycopg", "domains/intake/connecting.py"),
            ("pyspark", "privacy/workload/execute.py"),
        )
    },
    "only privacy.noise calls OpenDP": ("privacy/query/price.py", "import opendp.mod", "Only privacy.noise"),
}


def lint(folder: Path) -> str:
    """Run the linter in `folder` and return what it printed, its verdict last."""
    done = subprocess.run(
        [str(LINTER), "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": f"{folder}:{folder / 'client'}", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{done.stdout}{done.stderr}\nexit {done.returncode}"


def test_the_contracts_hold():
    said = lint(ROOT)
    assert said.endswith("exit 0"), said


def test_every_app_has_its_place():
    layers = next(c for c in SETTINGS["contracts"] if c.get("exhaustive"))["layers"]
    apps = {path.parent.name for path in ROOT.glob("domains/*/apps.py")}
    assert apps <= set(layers)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the source in which a test may plant a breach."""
    folder = tmp_path_factory.mktemp("copy")
    for room in ("portal", "domains", "privacy", "client"):
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.mark.prove
@pytest.mark.parametrize("name", BREACHES)
def test_a_breach_is_noticed(copy, name):
    file, line, contract = BREACHES[name]
    path = copy / file
    whole = path.read_text()
    path.write_text(f"{whole}\n{line}\n")
    try:
        said = lint(copy)
    finally:
        path.write_text(whole)
    broken = [row for row in said.splitlines() if row.endswith("BROKEN")]
    assert any(row.startswith(contract) for row in broken), said
