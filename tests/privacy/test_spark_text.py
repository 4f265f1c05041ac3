"""What Spark is asked and what its failures become, without a Spark: its own tests need the extras (`test_spark`)."""

from __future__ import annotations

import json
import random
import socket
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest
import sqlglot

from privacy.engines import probe, spark
from privacy.engines.address import Address, ConnectionFault, Relation
from privacy.engines.spark_sql import SparkDialect, column_sql
from privacy.engines.translate import Place, translate
from privacy.schema import Table
from tests.privacy.engine_data import people, rows_as_units
from tests.privacy.plans import random_query

FOUND = {
    "who": "string",
    "x": "double",
    "k": "int",
    "g": "string",
    "h": "boolean",
    "num.co": "decimal",
    "note": "string",
    "day": "timestamp",
}
ADDRESS = Address("localhost", 15002, "spark_catalog", "reader", tls="disable", secret="token")


def text(table: Table, compiled: Any) -> str:
    place = Place(Relation("s", "t"), table, FOUND)
    return translate(compiled.text({table.name: table.name}, 77), {table.name: place}, SparkDialect())


def test_every_plan_has_a_text_of_spark_s_own() -> None:
    dice = random.Random(9)
    for case in range(20):
        bench = rows_as_units() if case % 4 == 0 else people(3, 3)
        prepared = bench.prepared(random_query(dice, has_people=bench.has_people))
        sql = text(bench.table, prepared.compiled)
        assert sqlglot.parse_one(sql, read="spark") is not None
        told = sql.upper()
        for foreign in ("READ_PARQUET", "LIST_", "STRLEN", "HUGEINT", "UBIGINT", "ISFINITE", "TRY_CAST(X"):
            assert foreign not in told, sql
        assert told.count("SUM(") == told.count("SUM(CAST(") + told.count("SUM(DISTINCT"), sql


def asked(sql: str) -> str:
    """Return Spark's text of one question."""
    bench = people(3, 3)
    return text(bench.table, bench.prepared(sql).compiled)


@pytest.mark.parametrize(
    ("condition", "part"),
    [
        ("note LIKE 'a%'", "LIKE 'a%' ESCAPE"),
        ("SQRT(ABS(x)) > 1", ">= 0 THEN SQRT("),
        ("LN(GREATEST(x, 1)) > 0", "> 0 THEN LN("),
        ("x / GREATEST(k, 1) > 1", "NULLIF(CAST("),
        ("DAYOFWEEK(day) = 1", "DAYOFWEEK("),
        ("ROUND(x) = 2", "ROUND("),
        ("g IN ('a', 'b')", "IN ('a', 'b')"),
        ("day = DATE '2020-01-01'", "CAST('2020-01-01' AS DATE)"),
        ("DATE_TRUNC('month', day) = DATE '2020-01-01'", "TRUNC("),
    ],
)
def test_what_would_raise_or_differ_is_written_so_that_it_does_not(condition: str, part: str) -> None:
    sql = asked(f"SELECT COUNT(*) AS n FROM t WHERE {condition}")
    assert part in sql, sql


@pytest.mark.parametrize(
    ("name", "found", "part"),
    [
        ("x", "double", "ABS(CAST(`x` AS DOUBLE)) <"),
        ("x", "bigint", "LEAST(GREATEST(CAST(`x` AS DOUBLE)"),
        ("k", "bigint", "CASE WHEN NOT `k` IS NULL THEN LEAST("),
        ("k", "double", "% CAST(1 AS DOUBLE) = CAST(0 AS DOUBLE)"),
        ("num.co", "decimal", "AS BIGINT) END"),
        ("g", "int", "CAST(`g` AS STRING)"),
        ("h", "boolean", "`h`"),
        ("day", "timestamp", "CAST(`day` AS DATE)"),
    ],
)
def test_a_column_is_read_as_it_is_declared(name: str, found: str, part: str) -> None:
    column = people(1, 1).table.find(name)
    assert part in column_sql(f"`{name}`", column, found)
    assert found in spark.types_of(column)


def test_a_unit_s_column_is_a_number_or_a_text() -> None:
    assert column_sql("`who`", None, "int") == "CAST(`who` AS BIGINT)"
    assert column_sql("`who`", None, "varchar") == "CAST(`who` AS STRING)"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"secret": ""}, "secret_missing"),
        ({"tls": "require"}, "tls_refused"),  # the client never leaves a certificate unchecked
        ({"host": "127.0.0.1"}, "tls_refused"),  # the token would travel in clear
        ({"port": 1}, "connection_refused"),
        ({"host": "no-such-host.invalid", "tls": "verify-full"}, "host_unknown"),
    ],
)
def test_an_address_is_refused_before_the_client_is_loaded(changes: dict[str, Any], code: str) -> None:
    address = Address(**{**vars(ADDRESS), **changes})
    with pytest.raises(ConnectionFault) as fault, spark.connected(address, seconds=5):
        pass
    assert fault.value.code == code


def test_a_node_without_the_client_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql.connect.session", None)
    with socket.create_server(("localhost", 0)) as held:
        address = Address(**{**vars(ADDRESS), "port": held.getsockname()[1]})
        with pytest.raises(ConnectionFault) as fault, spark.connected(address, seconds=5):
            pass
    assert fault.value.code == "engine_absent"


class Broken(Exception):
    """What the client raises: its words quote a row."""

    def __init__(self, status: str = "", condition: str = "") -> None:
        super().__init__("canary")
        self.code = lambda: SimpleNamespace(name=status)
        self.getCondition = lambda: condition


class Session:
    """Stands in Spark's place: a catalogue of two tables and a view, and statements that answer, fail or hang."""

    version = "4.0"

    def __init__(self) -> None:
        self.done: list[str] = []
        self.catalog = SimpleNamespace(
            currentCatalog=lambda: "spark_catalog",
            tableExists=lambda name: "gone" not in name,
            getTable=lambda name: SimpleNamespace(tableType="VIEW" if "seen" in name else "MANAGED"),
        )

    def table(self, name: str) -> Any:
        left = {**FOUND, "x": "string"} if "other" in name else FOUND
        fields = [
            (column, SimpleNamespace(simpleString=lambda kind=kind: kind)) for column, kind in left.items()
        ]
        kept = [SimpleNamespace(name=column, dataType=kind) for column, kind in fields]
        return SimpleNamespace(
            schema=SimpleNamespace(fields=[f for f in kept if f.name != "note" or "lacks" not in name])
        )

    def sql(self, statement: str) -> Any:
        if statement == "fail":
            raise Broken("INTERNAL")
        if statement == "hang":
            while "interruptAll" not in self.done:
                time.sleep(0.01)
            raise Broken("CANCELLED")
        answers = {
            "SHOW SCHEMAS": [("default",)],
            "SHOW TABLES IN `default`": [
                SimpleNamespace(tableName="b", isTemporary=False),
                SimpleNamespace(tableName="a", isTemporary=False),
                SimpleNamespace(tableName="t", isTemporary=True),
            ],
        }
        return SimpleNamespace(collect=lambda: answers.get(statement, [(1, 2)]))

    def interruptAll(self) -> None:
        self.done.append("interruptAll")

    def stop(self) -> None:
        self.done.append("stop")


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    made = Session()
    monkeypatch.setattr(spark, "_require_reachable", lambda address: None)
    monkeypatch.setattr(spark, "_session", lambda address: made)
    return made


def test_a_statement_s_rows_come_back_and_the_session_is_let_go(session: Session) -> None:
    assert spark.rows(ADDRESS, "SELECT", seconds=5) == [(1, 2)]
    assert session.done == ["stop"]


def test_a_failing_statement_leaves_one_code(session: Session) -> None:
    with pytest.raises(ConnectionFault) as fault:
        spark.rows(ADDRESS, "fail", seconds=5)
    assert (fault.value.code, fault.value.__cause__) == ("connection_failed", None)
    assert "canary" not in str(fault.value)
    assert session.done == ["stop"]


def test_a_statement_that_overruns_is_stopped_on_the_server(session: Session) -> None:
    began = time.monotonic()
    with pytest.raises(ConnectionFault):
        spark.rows(ADDRESS, "hang", seconds=0.05)
    assert time.monotonic() - began < 5
    assert session.done == ["interruptAll", "stop"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Broken("UNAUTHENTICATED"), "wrong_password"),
        (Broken("DEADLINE_EXCEEDED"), "connection_timed_out"),
        (Broken(condition="CATALOG_NOT_FOUND"), "database_missing"),
        (ValueError("canary"), "connection_failed"),
    ],
)
def test_what_the_client_raises_becomes_a_code(error: Exception, code: str) -> None:
    wrapped = RuntimeError("outer")
    wrapped.__cause__ = error
    assert spark._code(wrapped) == code


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("fits", ""),
        ("gone", "relation_missing"),
        ("seen", "relation_kind"),
        ("lacks", "column_missing"),
        ("other", "column_type"),
    ],
)
def test_a_probe_says_whether_a_table_fits(session: Session, name: str, code: str) -> None:
    table = people(2, 2).table
    spec = {"engine": "spark", "relation": f"default.{name}", "table": table.to_dict(), "seconds": 5}
    report = json.loads(probe.prepare(spec).run({**vars(ADDRESS)}))
    assert report.get("refused", "") == code
    if not code:
        assert report["relations"] == ["default.a", "default.b"]
        assert report["types"] == FOUND
        assert len(report["fingerprint"]) == 64
