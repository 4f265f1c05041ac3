"""A restored backup forgets charges: nothing is committed until two people have reconciled it (I12)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import transaction

from domains.audit import checkpoints
from domains.audit.events import Event
from domains.audit.models import AuditEvent
from domains.errors import IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.ledger import protocol, queries, reconciliation
from domains.people.models import Membership, User
from domains.people.permissions import Role
from tests.domains.ledger import world as worlds
from tests.domains.ledger.world import faults, reserve
from tests.services import lacking

COMMITS = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)
Run = Callable[..., str]
HOW_TO = Path(__file__).parents[3] / "docs/how-to/backup-and-restore.md"


def administrator(name: str) -> User:
    person = User.objects.create_user(f"{name}@hospital.example", name=name)
    Membership.objects.create(user=person, role=Role.ADMINISTRATOR)
    return person


@pytest.fixture
def world() -> worlds.World:
    return worlds.build(20)


@pytest.fixture
def charge(world: worlds.World) -> str:
    """A reserved charge on a node whose witness has been taken away."""
    with transaction.atomic():
        made = reserve(world, "a", 5)
    checkpoints.witness()
    (Path(checkpoints.settings.WITNESS_DIR) / "checkpoint").unlink()
    return made


@COMMITS
def test_nothing_is_committed_while_the_log_does_not_lead_to_its_witness(charge: str) -> None:
    with pytest.raises(IllegalMove) as refused:
        protocol.commit(charge, lease=MINUTE)
    assert refused.value.code == "ledger_behind_witness"
    assert queries.charge(charge).state == "RESERVED"


@COMMITS
def test_two_administrators_reconcile_and_losses_can_be_committed_again(
    world: worlds.World, charge: str
) -> None:
    ada, bea = administrator("ada"), administrator("bea")
    index = reconciliation.propose(reason="The disk failed; the backup of Monday was restored.", by=ada)
    assert protocol_refuses(charge)
    reconciliation.confirm(index, by=bea)
    with transaction.atomic():
        after = reserve(world, "b", 5)
    assert protocol.commit(after, lease=MINUTE) == 1
    last = AuditEvent.objects.filter(event=Event.LOG_RECONCILED).get()
    assert last.actor == ada.pk


@COMMITS
def test_a_reservation_of_the_backup_is_spent_and_never_drawn_for_it_may_have_been(
    world: worlds.World, charge: str
) -> None:
    with pytest.raises(IllegalMove):
        protocol.void(charge, reason="withdrawn")
    index = reconciliation.propose(reason="The disk failed.", by=administrator("ada"))
    reconciliation.confirm(index, by=administrator("bea"))
    assert protocol.commit(charge, lease=MINUTE) is None
    assert protocol.void(charge, reason="withdrawn") is False
    assert queries.charge(charge).state == "BURNT"
    assert faults() == []


def protocol_refuses(charge: str) -> bool:
    with pytest.raises(IllegalMove):
        protocol.commit(charge, lease=MINUTE)
    return True


@COMMITS
def test_one_person_or_the_wrong_person_cannot(charge: str) -> None:
    ada, stranger = administrator("ada"), User.objects.create_user("charlie@hospital.example", name="Charlie")
    with pytest.raises(NotAllowed):
        reconciliation.propose(reason="Mine.", by=stranger)
    with pytest.raises(InvalidInput):
        reconciliation.propose(reason=" ", by=ada)
    index = reconciliation.propose(reason="The disk failed.", by=ada)
    for who in (ada, stranger):
        with pytest.raises(NotAllowed):
            reconciliation.confirm(index, by=who)
    for other in (0, 999):
        with pytest.raises(NotFound):
            reconciliation.confirm(other, by=administrator(f"bea{other}"))
    assert protocol_refuses(charge)


@COMMITS
def test_a_proposal_for_another_difference_is_stale(charge: str) -> None:
    index = reconciliation.propose(reason="The disk failed.", by=administrator("ada"))
    reconciliation.confirm(index, by=administrator("bea"))
    with pytest.raises(IllegalMove):
        reconciliation.confirm(index, by=administrator("cleo"))
    with pytest.raises(IllegalMove):
        reconciliation.propose(reason="Again.", by=administrator("dora"))


# --- Real backups, in a node of its own -------------------------------------------------------------------------


def test_a_restored_sqlite_file_refuses_to_commit(
    run_world: Run, sqlite_database: str, tmp_path: Path
) -> None:
    path, backup = Path(urlsplit(sqlite_database).path[1:]), tmp_path / "backup.sqlite3"
    assert run_world("restore_world", sqlite_database, "reserve").strip() == "reserved"
    back_up_as_documented(path)
    assert run_world("restore_world", sqlite_database, "release").strip() == "released"
    for ending in ("", "-wal", "-shm"):
        Path(f"{path}{ending}").unlink(missing_ok=True)
    shutil.copy(backup, path)
    assert run_world("restore_world", sqlite_database, "commit").strip() == "ledger_behind_witness"


def back_up_as_documented(path: Path) -> None:
    """Run the command of the how-to, which leaves `backup.sqlite3` in the folder of the database."""
    [words] = [line for line in HOW_TO.read_text().splitlines() if "VACUUM INTO" in line]
    words = words.replace(".venv/bin/python", sys.executable).replace("var/node.sqlite3", str(path))
    subprocess.run(words, shell=True, cwd=path.parent, check=True, timeout=60)


@pytest.mark.prove
@pytest.mark.postgres
def test_a_restored_postgresql_dump_refuses_to_commit(
    run_world: Run, postgres_database: str, tmp_path: Path
) -> None:
    dump = tmp_path / "backup.dump"
    assert run_world("restore_world", postgres_database, "reserve").strip() == "reserved"
    tool("pg_dump", "--format=custom", f"--file={dump}", postgres_database)
    assert run_world("restore_world", postgres_database, "release").strip() == "released"
    tool("pg_restore", "--clean", "--if-exists", f"--dbname={postgres_database}", str(dump))
    assert run_world("restore_world", postgres_database, "commit").strip() == "ledger_behind_witness"


def tool(name: str, *words: str) -> None:
    """Run one of PostgreSQL's client programs."""
    program = shutil.which(name) or lacking(f"PostgreSQL's client program {name}")
    subprocess.run([program, *words], check=True, env=os.environ, timeout=120)
