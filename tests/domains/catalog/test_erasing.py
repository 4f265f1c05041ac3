"""Erasing a version: asked by an owner, taken back within a day, and then gone wherever its file was copied to."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from domains.audit.models import AuditEvent
from domains.catalog import actions, erasing, seals, storage
from domains.catalog.lifecycle import VersionStatus
from domains.catalog.models import DatasetVersion
from domains.errors import IllegalMove, NotAllowed, NotFound
from domains.notices.models import Notice
from tests import cast

pytestmark = pytest.mark.django_db
LATER = erasing.DELAY + timedelta(minutes=1)


def stored(text: str) -> str:
    with storage.workplace() as folder:
        (folder / "made.parquet").write_text(text)
        return storage.store(folder / "made.parquet")


def two_versions(given: cast.Cast, *texts: str) -> list[DatasetVersion]:
    """Return a retired version and the newer one in its place, with files of these contents."""
    dataset = cast.draft_dataset(given)
    first = cast.published(dataset, sha256=stored(texts[0]))
    actions.new_version(dataset, by=given.alice)
    second = cast.published(dataset, sha256=stored(texts[1]))
    actions.retire(first, reason="Somebody withdrew.", by=given.alice)
    return [first, second]


def is_there(version: DatasetVersion) -> bool:
    try:
        seals.key(version.sha256)
    except NotFound:
        return False
    return storage.path_of(version).exists()


def test_a_retired_version_is_erased_a_day_after_an_owner_asked():
    given = cast.cast()
    old, new = two_versions(given, "with them", "without")
    copy = storage.path_of(old).read_bytes()
    actions.erase(old, reason="Somebody withdrew.", by=given.alice)
    erasing.sweep(timezone.now())
    assert is_there(old)
    erasing.sweep(timezone.now() + LATER)
    erasing.sweep(timezone.now() + LATER)
    old.refresh_from_db()
    assert (old.status, is_there(old), is_there(new)) == (VersionStatus.ERASED, False, True)
    storage.path_of(old).write_bytes(copy)  # from a backup
    with pytest.raises(NotFound) as refused:
        storage.tickets(old)
    assert refused.value.code == "erased"
    said = list(AuditEvent.objects.filter(subject=old.pk).order_by("index").values_list("event", flat=True))
    assert said[-3:] == ["version.retired", "version.erasure_asked", "version.erased"]
    assert Notice.objects.filter(recipient=given.alice, event="version.erased").count() == 1


def test_an_owner_takes_it_back():
    given = cast.cast()
    old, _ = two_versions(given, "with them", "without")
    actions.erase(old, reason="Somebody withdrew.", by=given.alice)
    actions.keep(old, by=given.alice)
    erasing.sweep(timezone.now() + LATER)
    assert (old.status, is_there(old)) == (VersionStatus.RETIRED, True)
    with pytest.raises(IllegalMove):
        actions.keep(old, by=given.alice)


def test_a_file_that_another_version_holds_stays():
    given = cast.cast()
    old, new = two_versions(given, "the same", "the same")
    actions.erase(old, reason="It is there twice.", by=given.alice)
    erasing.sweep(timezone.now() + LATER)
    old.refresh_from_db()
    assert (old.status, is_there(new)) == (VersionStatus.ERASED, True)
    actions.withdraw(new.dataset, reason="Over.", by=given.alice)
    new = DatasetVersion.objects.get(pk=new.pk)
    actions.retire(new, reason="Over.", by=given.alice)
    actions.erase(new, reason="Over.", by=given.alice)
    erasing.sweep(timezone.now() + LATER)
    assert not is_there(new)


def test_only_owners_erase_and_only_what_nobody_can_ask():
    given = cast.cast()
    old, new = two_versions(given, "with them", "without")
    for person in (given.rita, given.sam, given.ada, given.theo):
        with pytest.raises(NotAllowed):
            actions.erase(old, reason="Please.", by=person)
        with pytest.raises(NotAllowed):
            actions.keep(old, by=person)
    for wrong in (
        lambda: actions.erase(new, reason="Too early.", by=given.alice),
        lambda: actions.keep(new, by=given.alice),
    ):
        with pytest.raises(IllegalMove):
            wrong()
    new.refresh_from_db()
    assert new.status == VersionStatus.PUBLISHED


def test_a_worker_that_dies_half_way_does_it_again(monkeypatch: pytest.MonkeyPatch):
    given = cast.cast()
    old, _ = two_versions(given, "with them", "without")
    actions.erase(old, reason="Somebody withdrew.", by=given.alice)
    right = Path.unlink

    def dying(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".sealed":
            raise OSError("the machine stopped")
        right(path, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", dying)
        with pytest.raises(OSError, match="stopped"):
            erasing.sweep(timezone.now() + LATER)
    assert DatasetVersion.objects.get(pk=old.pk).status == VersionStatus.ERASING
    erasing.sweep(timezone.now() + LATER)
    assert DatasetVersion.objects.get(pk=old.pk).status == VersionStatus.ERASED


@pytest.mark.parametrize("wrong", [
    {"status": "erased"}, {"status": "erasing"}, {"erase_due_at": timezone.now()}, {"status": "published"},
])  # fmt: skip
def test_the_database_lets_no_version_be_erased_out_of_turn(wrong: dict[str, object]):
    old, _ = two_versions(cast.cast(), "with them", "without")
    with pytest.raises(IntegrityError), transaction.atomic():
        DatasetVersion.objects.filter(pk=old.pk).update(**wrong)
