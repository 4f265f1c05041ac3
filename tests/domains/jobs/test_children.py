"""A child computes, is limited, says nothing but an answer or a public code, and never outlives its worker."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from domains.jobs import frames
from domains.jobs.children import Child, ChildFailed
from domains.jobs.keeper import Keeper, NoForkServer, environment
from tests.domains.jobs import planted

ENTRIES = {"planted": "tests.domains.jobs.planted:prepare"}


@pytest.fixture(scope="module")
def keeper():
    keeper = Keeper(ENTRIES)
    yield keeper
    keeper.stop()


def child(keeper, deed, *, seconds=20.0, memory_mb=256, **kwargs):
    spec = {"deed": deed, "early": kwargs.pop("early", False)}
    return Child("planted", spec, memory_mb=memory_mb, seconds=seconds, by=keeper, **kwargs)


def run(keeper, deed, payload=None, *, timeout=15.0, **kwargs):
    with child(keeper, deed, **kwargs) as one:
        one.prepared(15)
        return one.go(payload or {}, timeout=timeout)


def failure(keeper, deed, **kwargs):
    with pytest.raises(ChildFailed) as caught:
        run(keeper, deed, **kwargs)
    return caught.value


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pid, within=5.0):
    end = time.monotonic() + within
    while time.monotonic() < end:
        if not is_alive(pid):
            return True
        time.sleep(0.02)
    return False


def test_a_child_that_was_ended_computes_nothing(keeper):
    with child(keeper, "echo") as one:
        one.prepared(15)
        assert one.kill()
        with pytest.raises(ChildFailed) as caught:
            one.go({}, timeout=5)
    assert (caught.value.code, caught.value.is_passing) == ("computation_failed", False)


def test_a_child_prepares_and_waits_for_the_word_before_it_runs(keeper):
    with child(keeper, "echo") as one:
        facts = one.prepared(15)
        assert facts["pid"] not in (os.getpid(), keeper.pid)
        assert one.go({"salt": 7, "path": "/data"}, timeout=5) == b"[('path', '/data'), ('salt', 7)]"


def test_each_job_has_a_child_and_a_session_of_its_own(keeper):
    with child(keeper, "echo") as one, child(keeper, "echo") as other:
        first, second = one.prepared(15), other.prepared(15)
        assert first["pid"] != second["pid"]
        assert first["group"] == first["pid"]


def test_the_child_is_dead_when_the_block_ends(keeper):
    with child(keeper, "sleep") as one:
        pid = one.prepared(15)["pid"]
        assert is_alive(pid)
    assert not is_alive(pid)  # at once: the socket ends only after the child was reaped


def test_what_a_child_forks_dies_with_it(keeper):
    grandchild = int(run(keeper, "spawn"))
    assert gone(grandchild)


def test_memory_is_bounded(keeper):
    assert failure(keeper, "hog").code == "computation_failed"


def test_an_answer_longer_than_any_answer_may_be_is_a_failure(keeper):
    assert failure(keeper, "long", memory_mb=1024).code == "computation_failed"


@pytest.mark.parametrize("deed", ["sleep", "spin"])
def test_a_run_beyond_its_deadline_is_killed(keeper, deed):
    with child(keeper, deed) as one:
        pid = one.prepared(15)["pid"]
        started = time.monotonic()
        with pytest.raises(ChildFailed) as caught:
            one.go({}, timeout=0.3)
        assert caught.value.code == "timed_out"
        assert time.monotonic() - started < 3
        assert not is_alive(pid)


def test_the_kernel_ends_a_child_whose_worker_forgot_it(keeper):
    with child(keeper, "sleep", seconds=0.5) as one:
        pid = one.prepared(15)["pid"]
        assert gone(pid)


def test_preparing_beyond_its_time_ends_too(keeper):
    with child(keeper, "sleep", early=True) as one:
        with pytest.raises(ChildFailed) as caught:
            one.prepared(0.3)
        assert caught.value.code == "timed_out"


def test_a_crash_is_told_as_a_failure_and_the_next_child_is_well(keeper):
    assert failure(keeper, "crash").code == "computation_failed"
    assert run(keeper, "echo") == b"[]"


def test_a_crash_while_preparing_may_pass(keeper):
    with child(keeper, "crash", early=True) as one:
        with pytest.raises(ChildFailed) as caught:
            one.prepared(15)
        assert caught.value.is_passing


@pytest.mark.parametrize(("deed", "code"), [("leak", "computation_failed"), ("forge", "computation_failed")])
def test_no_text_of_an_error_crosses_back(keeper, deed, code, capfd):
    failed = failure(keeper, deed)
    assert failed.code == code
    assert planted.SECRET not in f"{failed!r} {failed.__cause__!r} {failed.__context__!r}"
    assert planted.SECRET not in "".join(capfd.readouterr())


def test_our_own_errors_cross_back_as_their_code(keeper):
    failed = failure(keeper, "reject")
    assert failed.code == "unknown_column"
    assert planted.SECRET not in repr(failed)


def test_an_entry_that_is_not_on_the_list_is_refused(keeper):
    with Child("os:system", {}, memory_mb=256, seconds=5, by=keeper) as one:
        with pytest.raises(ChildFailed) as caught:
            one.prepared(15)
        assert caught.value.code == "computation_failed"


GARBAGE = [
    b"\0" * 9,
    frames.HEADER.pack(b"S", 1 << 62),
    frames.HEADER.pack(b"X", 2) + b"{}",
    frames.HEADER.pack(b"S", 4) + b"\xff\xfe{}",
    frames.HEADER.pack(b"S", 2) + b"[]",
]


@pytest.mark.parametrize("noise", GARBAGE)
def test_garbage_on_the_socket_hurts_nobody(keeper, noise):
    conn = keeper.connect()
    conn.sendall(noise)
    conn.settimeout(10)
    while conn.recv(4096):
        pass  # an error frame or nothing, then the end
    conn.close()
    assert run(keeper, "echo") == b"[]"


def test_files_written_are_bounded_and_by_default_none(keeper, tmp_path):
    target = {"path": str(tmp_path / "out"), "size": 2 << 20}
    assert failure(keeper, "write", payload=target).code == "computation_failed"
    assert failure(keeper, "write", payload=target, file_mb=1).code == "computation_failed"
    assert run(keeper, "write", target, file_mb=3) == b"written"


def test_a_child_knows_no_secret_no_framework_and_no_other_jobs_socket(keeper, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", planted.SECRET)
    other = Keeper(ENTRIES)
    try:
        with child(other, "sleep") as waiting:
            waiting.prepared(15)
            known = eval(run(other, "know"))
    finally:
        other.stop()
    assert known["modules"] == []
    assert planted.SECRET not in str(known["environ"])
    assert set(known["environ"]) <= {*environment(), "LC_CTYPE", "RUST_BACKTRACE"}  # the last is OpenDP's own
    assert len([name for name in known["handles"] if name.startswith("socket:")]) == 1


def test_the_fork_server_has_one_thread_and_has_imported_what_children_need(keeper):
    run(keeper, "echo")
    assert len(os.listdir(f"/proc/{keeper.pid}/task")) == 1
    maps = Path(f"/proc/{keeper.pid}/maps").read_text()
    assert "duckdb" in maps
    assert "opendp" in maps


def test_a_claim_that_is_lost_gives_its_child_up_at_once(keeper):
    lost = threading.Event()
    with child(keeper, "sleep", lost=lost) as one:
        pid = one.prepared(15)["pid"]
        threading.Timer(0.2, lost.set).start()
        started = time.monotonic()
        with pytest.raises(ChildFailed):
            one.go({}, timeout=30)
        assert time.monotonic() - started < 3
        assert not is_alive(pid)


def test_a_killed_fork_server_takes_its_children_along_and_is_started_again():
    keeper = Keeper(ENTRIES)
    try:
        with child(keeper, "sleep") as one:
            pid, server = one.prepared(15)["pid"], keeper.pid
            os.kill(server, signal.SIGKILL)
            with pytest.raises(ChildFailed) as caught:
                one.go({}, timeout=10)
            assert caught.value.code == "computation_failed"
            assert gone(pid)
        end = time.monotonic() + 15
        while time.monotonic() < end:
            try:
                assert run(keeper, "echo") == b"[]"
                break
            except ChildFailed as failed:
                assert failed.is_passing  # noqa: PT017 - until it is back, a job is told to try again
                time.sleep(0.1)
        assert keeper.pid != server
    finally:
        keeper.stop()


def test_a_stopped_keeper_leaves_nothing_behind():
    keeper = Keeper(ENTRIES)
    with child(keeper, "sleep") as one:
        pid, server = one.prepared(15)["pid"], keeper.pid
        keeper.stop()
        assert gone(pid)
        assert gone(server)


def test_without_a_server_a_job_is_told_to_try_again():
    keeper = Keeper(ENTRIES)
    keeper._thread, _ = threading.current_thread(), keeper._started.set()  # as if it were between two servers
    with pytest.raises(NoForkServer):
        keeper.connect()
    with pytest.raises(ChildFailed) as caught:
        child(keeper, "echo").__enter__()
    assert caught.value.is_passing


WORKER = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
from domains.jobs.keeper import Keeper
from domains.jobs.children import Child
keeper = Keeper({"planted": "tests.domains.jobs.planted:prepare"})
with Child("planted", {"deed": "sleep"}, memory_mb=256, seconds=60, by=keeper) as child:
    print(child.prepared(20)["pid"], keeper.pid, flush=True)
    child.go({}, timeout=60)
"""


def test_kill_9_of_the_worker_leaves_no_orphan(tmp_path):
    env = {**os.environ, "GRIDHOUSE_HOME": str(tmp_path), "PYTHONPATH": os.getcwd()}
    worker = subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE, env=env)
    try:
        pid, server = map(int, worker.stdout.readline().split())
        assert is_alive(pid)
        assert is_alive(server)
        worker.kill()
        worker.wait()
        assert gone(pid)
        assert gone(server)
    finally:
        worker.kill()
        worker.stdout.close()
        worker.wait()
