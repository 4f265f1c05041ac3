"""The production shape: PostgreSQL with two roles, Redis, two workers and a web process, by environment alone."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import gridhouse
import psycopg
import pytest

from portal.demo import processes, story
from tests.journeys import books, production
from tests.journeys.books import Run
from tests.journeys.production import Database, Node, Redis, kill, until
from tests.services import postgres_url

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.prove]

DRILL = (processes.ROOT / "docs/how-to/backup-and-restore.md").read_text()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that has been through the whole story once; its lines are in `story.txt`."""
    home = tmp_path_factory.mktemp("production")
    redis, database = Redis(free_port()), Database(postgres_url())
    made = Node(home, free_port(), database, redis)
    try:
        redis.start()
        made.found()
        made.start()
        cast = story.Cast(**{name: made.clients[name] for name in ("alice", "rita", "sam", "ada")})
        lines: list[str] = []
        story.tell(cast, epsilon="0.3", say=lines.append)
        (home / "story.txt").write_text("\n".join(lines))
        yield made
    finally:
        made.stop()
        redis.kill()
        made.database.drop()


def grant_of(client: gridhouse.Client) -> gridhouse.Grant:
    return next(iter(client.grants()))


def approve(node: Node, *ages: int, label: str) -> list[str]:
    """Let Sam ask one question for each age and Alice approve them all; return their keys.

    Each age may be used once: an answered question asked again needs no decision and no worker.
    """
    grant = grant_of(node.clients["sam"])
    for age in ages:
        sql = f"SELECT COUNT(*) AS n FROM support2 WHERE age > {age}"
        node.clients["sam"].sql(grant, sql, epsilon="0.04", title=f"{label} {age}").submit()
    asked = [item for item in node.clients["alice"].queue() if item.title.startswith(label)]
    for item in asked:
        item.approve()
    return [item.id for item in asked]


def test_the_whole_story_happens_with_two_workers_that_are_not_the_web_process(node: Node) -> None:
    told = (node.home / "story.txt").read_text()
    assert [line[0] for line in told.splitlines() if re.match(r"\d\.", line)] == list("123456789")
    assert node.ready() == {
        "ready": True,
        "checks": dict.fromkeys(["database", "triggers", "worker", "witness", "cache"], "ok"),
        "paused": False,
    }
    assert node.web is not None
    assert node.beating() == {worker.pid for worker in node.workers}
    assert node.web.pid not in node.beating()
    assert list((node.home / "data").rglob("*.sealed")), "the workers have the data"
    assert not (node.home / "not-for-web").exists(), "the web process needs none"


def test_what_serves_people_may_change_rows_and_no_table_or_trigger(node: Node) -> None:
    with psycopg.connect(node.database.app) as connection:
        assert connection.execute("SELECT count(*) FROM ledger_charge").fetchone() != (0,)
        for statement in ("DROP TABLE ledger_answer", "ALTER TABLE ledger_entry DISABLE TRIGGER ALL"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
            connection.rollback()


def test_a_killed_worker_and_a_lost_redis_lose_no_request_and_draw_none_twice(node: Node) -> None:
    for worker in node.workers:
        worker.send_signal(signal.SIGSTOP)
    keys = approve(node, 40, 41, 42, 43, 44, 45, label="Interrupted")
    assert len(keys) == 6
    for worker in node.workers:
        worker.send_signal(signal.SIGCONT)
    held = "SELECT id FROM jobs_job WHERE status IN ('preflight', 'running', 'data_open')"
    until("both workers are at work", lambda: len(node.database.rows(held)) > 2, seconds=30)
    left_behind = kill(node.workers[0])
    node.redis.kill()
    assert left_behind, "the worker had a fork server beneath it"
    until("every run is over, without Redis", lambda: not open_runs(node, keys), seconds=60)
    assert node.ready()["ready"], "one worker is enough, and Redis holds nothing that is needed"
    node.redis.start()
    found = books.runs(node.database, keys)
    assert [fault for run in found for fault in books.faults(run)] == []
    assert any(run.was_interrupted for run in found), "the worker was killed in the middle"
    assert not production.alive(left_behind), "what a dead worker had begun has ended with it"
    told = {key: node.clients["sam"].request(key).status().code for key in keys}
    assert told == {run.request: "released" if run.releases else "failed" for run in found}
    assert books.unbalanced(node.database) == []
    assert node.manage("verify_audit").startswith("OK")


def open_runs(node: Node, keys: list[str]) -> list[Run]:
    """Return the runs that are not over, and burnt or released."""
    return [run for run in books.runs(node.database, keys) if books.faults(run)]


SOUND = Run("r", "succeeded", 1, "COMMITTED", 1, answers=1, releases=1, commits=1, draws=1)
BURNT = Run("r", "lost", 1, "BURNT", 1, answers=0, releases=0, commits=1, draws=0)


@pytest.mark.parametrize("run", [SOUND, BURNT])
def test_a_run_that_was_answered_or_burnt_is_whole(run: Run) -> None:
    assert books.faults(run) == []


@pytest.mark.parametrize(
    "planted",
    [
        {"job": "running"},
        {"charge": "RESERVED"},
        {"charge": "VOID"},
        {"charge": "BURNT"},
        {"releases": 0},
        {"answers": 0},
        {"fence": 2, "commits": 2},
        {"draws": 2},
    ],
    ids=str,
)
def test_the_look_at_the_books_finds_what_is_planted(planted: dict[str, object]) -> None:
    assert books.faults(Run(**(vars(SOUND) | planted)))


# --- The drill of docs/how-to/backup-and-restore.md -------------------------------------------------------------


def command(start: str) -> str:
    """Return the command in the document that begins like this."""
    return next(line for line in DRILL.splitlines() if line.startswith(start))


def test_a_restored_backup_spends_nothing_until_two_people_have_reconciled(
    node: Node, tmp_path: Path
) -> None:
    back_up(node, tmp_path)
    [forgotten] = approve(node, 50, label="After the backup")
    node.clients["sam"].request(forgotten).wait(timeout=60)
    node.stop()
    restore(node, tmp_path)
    node.start()
    assert node.ready()["checks"] == {
        "database": "ok",
        "triggers": "ok",
        "worker": "ok",
        "witness": "failing",
        "cache": "ok",
    }
    with pytest.raises(gridhouse.NotFound):
        node.clients["sam"].request(forgotten)

    spent = answers(node)
    [refused] = approve(node, 51, label="Before reconciling")
    until("a worker looked at it and stood down", lambda: has_been_tried(node, refused), seconds=30)
    assert answers(node) == spent
    assert node.clients["sam"].request(refused).status().code != "released"

    reconcile(node)
    assert node.ready()["ready"]
    [answered] = approve(node, 52, label="After reconciling")
    node.clients["sam"].request(answered).wait(timeout=60)
    assert answers(node) > spent
    assert books.unbalanced(node.database) == []
    assert node.manage("verify_audit").startswith("OK")


def answers(node: Node) -> int:
    """Return how many charges were answered."""
    return len(node.database.rows("SELECT charge_id FROM ledger_answer"))


def has_been_tried(node: Node, key: str) -> bool:
    """Tell whether a worker had the request's job and does not have it now."""
    query = "SELECT j.attempts, j.status FROM jobs_job j WHERE j.subject = %s"
    return all(
        attempts >= 1 and status not in {"preflight", "running", "data_open"}
        for attempts, status in node.database.rows(query, key)
    )


def back_up(node: Node, folder: Path) -> None:
    """Run the document's own commands for PostgreSQL and the files."""
    for words in (command("pg_dump"), command("tar").replace("var", str(node.home))):
        environment = {"PATH": "/usr/bin:/bin", "OWNER_DATABASE_URL": node.database.owner}
        subprocess.run(words, shell=True, cwd=folder, env=environment, check=True, timeout=60)


def restore(node: Node, folder: Path) -> None:
    """Put the files and a fresh database back; the witness and the keys stay where they are."""
    for name in ("data", "mock"):
        shutil.rmtree(node.home / name)
    subprocess.run(["tar", "-C", node.home, "-xf", folder / "files.tar"], check=True, timeout=60)
    node.database.drop()
    node.database = Database(postgres_url())
    tool = [production.program("pg_restore"), "--no-owner", f"--dbname={node.database.owner}"]
    subprocess.run([*tool, str(folder / "node.dump")], check=True, timeout=60)
    node.manage("migrate", "--verbosity", "0")


SECOND_ADMINISTRATOR = """
from domains.people import actions
from domains.people.models import User
from domains.people.permissions import Role
ada = User.objects.get(email="ada@hospital.example")
_, secret = actions.invite("adam@hospital.example", "Adam Administrator", Role.ADMINISTRATOR, by=ada)
actions.accept_invitation(secret, "Adam Administrator", "a long and quiet sentence")
"""


def reconcile(node: Node) -> None:
    """Run the document's own lines, with this node's two administrators."""
    node.manage("shell", "-c", SECOND_ADMINISTRATOR)
    [lines] = re.findall(r"```python\n(.*?)```", DRILL, re.DOTALL)
    node.manage("shell", "-c", lines.replace("@example.org", "@hospital.example"))
