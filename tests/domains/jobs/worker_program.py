"""A worker with planted handlers, for tests that kill it: `python worker_program.py VARIANT DRAWS`.

Each QUERY job opens data and then draws: one line in the file DRAWS, which stands for noise. The variant `wrong`
draws before it opens data, which is the mistake that the harness must be able to see.
"""

# ruff: noqa: E402 - Django is set up before its models are imported

import os
import sys
import time

sys.path.insert(0, os.getcwd())
os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"

import django

django.setup()

from django.core.management import call_command

from domains.jobs import actions, handlers, sweeps
from domains.jobs.children import Child
from domains.jobs.keeper import keeper
from domains.jobs.models import JobKind


def draw(path: str, claim: actions.Claim) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, f"{claim.job.pk} {os.getpid()}\n".encode())
    os.close(handle)


def handler(variant: str, path: str):
    def run(claim: actions.Claim) -> None:
        with Child("planted", {"deed": "echo"}, memory_mb=256, seconds=20) as child:
            child.prepared(20)
            actions.to_running(claim)
            if variant == "wrong":
                draw(path, claim)
                time.sleep(0.5)
            actions.open_data(claim, tick=0.05)
            child.go({}, timeout=10)
            if variant == "right":
                draw(path, claim)
            time.sleep(0.02)
        actions.finish(claim, "succeeded")

    return run


if __name__ == "__main__":
    variant, path = sys.argv[1:]
    keeper._entries["planted"] = "tests.domains.jobs.planted:prepare"
    handlers.register(JobKind.QUERY, handler(variant, path))
    sweeps._registry[:] = [actions.expire]
    call_command("worker")
