"""A Spark Connect server for tests: Debian's Java, one core, an empty catalogue in memory, and a token."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from privacy.engines import spark
from privacy.engines.address import Address
from tests.services import lacking

START_SECONDS = 180
SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"


@dataclass(frozen=True)
class SparkServer:
    """A running server: where it is, and the token that it asks for."""

    port: int
    token: str

    def where(self, **changes: Any) -> dict[str, Any]:
        """Return the address as people type it, without the token."""
        known = {"host": "localhost", "port": self.port, "database": "spark_catalog", "role": "reader"}
        return known | {"tls": "disable"} | changes

    def address(self, **changes: Any) -> Address:
        """Return the address as a child gets it."""
        return Address.from_dict({**self.where(), "secret": self.token} | changes)

    def run(self, *statements: str) -> None:
        """Do statements of the test's own."""
        with spark.connected(self.address(), seconds=300) as session:
            for statement in statements:
                session.sql(statement).collect()


@contextmanager
def server(folder: Path) -> Iterator[SparkServer]:
    """Run a server that keeps its files in `folder`; skip the test, or fail it in CI, where Spark is lacking."""
    if importlib.util.find_spec("pyspark") is None or shutil.which("java") is None:
        lacking("Spark: the extras (`make extras`) and a Java runtime")
    made = SparkServer(_free_port(), secrets.token_hex(8))
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(_command(made, folder), env=_environment(), stdout=log, stderr=log)
    try:
        _wait(made.port, process, folder / "server.log")
        yield made
    finally:
        process.terminate()
        process.wait(30)


def _home() -> Path:
    found = importlib.util.find_spec("pyspark")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def _environment() -> dict[str, str]:
    return {**os.environ, "SPARK_HOME": str(_home()), "SPARK_LOCAL_IP": "127.0.0.1"}


def _command(made: SparkServer, folder: Path) -> list[str]:
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": made.port,
        "spark.connect.authenticate.token": made.token,
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.local.dir": folder,
        # A handful of rows: compiling each plan would take a hundred times as long as reading them.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.shuffle.partitions": 1,
        "spark.sql.warehouse.dir": folder / "warehouse",
        "spark.ui.enabled": "false",
    }
    words = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    return [
        str(_home() / "bin/spark-submit"),
        "--class",
        SERVER,
        "--master",
        "local[1]",
        *words,
        "spark-internal",
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("localhost", port), 1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError("the Spark server did not start: " + log.read_text(errors="replace")[-2000:])
