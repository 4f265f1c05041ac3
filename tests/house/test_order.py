"""The order in which tests run side by side: it names files that are there, and loses none."""

from types import SimpleNamespace

from tests import order
from tests.house.source import ROOT


def test_every_long_file_is_there_once():
    assert len(set(order.LONG)) == len(order.LONG)
    assert [file for file in order.LONG if not (ROOT / file).is_file()] == []


def test_what_brings_a_database_is_known_by_its_fixture():
    """CI's leg on PostgreSQL leaves these out, for `make test` ran them: no other test may be taken for one of them."""
    for fixtures, brings in (
        (["tmp_path", "sqlite_database"], True),
        (["postgres_database"], True),
        (["db", "patients", "node"], False),
        ([], False),
    ):
        assert order.brings_database(SimpleNamespace(nodeid="x", fixturenames=fixtures)) == brings


def test_long_files_come_first_and_the_rest_keeps_its_order():
    names = ["tests/b.py::x", f"{order.LONG[3]}::y", "tests/a.py::z", f"{order.LONG[1]}::w"]
    items = [SimpleNamespace(nodeid=name) for name in names]
    assert [item.nodeid for item in sorted(items, key=order.place)] == [
        names[3],
        names[1],
        names[0],
        names[2],
    ]
