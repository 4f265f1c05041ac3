"""A snapshot is one moment of many tables, keeps nobody waiting and writes nothing."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, connections

from domains.catalog.models import ResearchArea
from domains.evidence.snapshot import snapshot


def _add(name: str) -> None:
    try:
        ResearchArea.objects.create(slug=name, name=name)
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_what_others_write_meanwhile_is_not_seen_and_not_kept_waiting():
    with snapshot():
        before = ResearchArea.objects.count()
        other = threading.Thread(target=_add, args=["meanwhile"])
        other.start()
        other.join(timeout=10)
        assert not other.is_alive()
        assert ResearchArea.objects.count() == before == 0
    assert ResearchArea.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_it_ends_when_reading_fails():
    with pytest.raises(ZeroDivisionError), snapshot():
        raise ZeroDivisionError
    assert not connection.in_atomic_block
    _add("afterwards")
    assert ResearchArea.objects.count() == 1
