"""`manage.py demo`: a whole node on this machine, the main job played once, then served until Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import gridhouse
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal.demo import processes, story


class Command(BaseCommand):
    help = "Set up a demonstration node, play the main job through the REST API, and serve it (ONCE=1: then stop)."
    requires_system_checks: list[str] = []

    def handle(self, **options: Any) -> None:
        port, once = int(os.environ.get("PORT", "8000")), os.environ.get("ONCE") == "1"
        epsilon = os.environ.get("DEMO_EPSILON", "0.5")
        try:
            processes.require_free(port)
            self.play(_fresh_home(), port, once=once, epsilon=epsilon)
        except (RuntimeError, story.StepFailed, gridhouse.GridhouseError) as error:
            raise CommandError(f"The demonstration failed: {error}") from error

    def play(self, home: Path, port: int, *, once: bool, epsilon: str) -> None:
        """Migrate, found the node, start web and worker, tell the story, and serve."""
        url, log = f"http://localhost:{port}", home / "demo.log"
        env = processes.environment(home, PUBLIC_URL=url, DISPATCH_INTERVAL_MS="50", DEADLINE_SLACK_MS="1500")
        # A shell's background job is born deaf to Ctrl-C: both signals end it, however it was started.
        for ending in (signal.SIGTERM, signal.SIGINT):
            signal.signal(ending, signal.default_int_handler)
        self.say("Making the database …")
        processes.run(["migrate", "--verbosity", "0"], env)
        processes.run(["collectstatic", "--noinput", "--verbosity", "0"], env)
        people = json.loads(processes.run(["demo_people"], env))
        with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
            children = [
                stack.enter_context(processes.running("web", processes.web(port), env, log)),
                stack.enter_context(processes.running("worker", processes.worker(), env, log)),
            ]
            processes.wait_until_ready(url, children, log)
            cast = {
                name: stack.enter_context(gridhouse.connect(url, token=people[name]["token"]))
                for name in ("alice", "rita", "sam", "ada")
            }
            story.tell(story.Cast(**cast), epsilon=epsilon, say=self.say)
            if not once:
                self.introduce(url, people)
                while all(child.poll() is None for child in children):
                    time.sleep(0.5)
                raise RuntimeError(f"A process of the node ended by itself; see {log}")
        self.say("Stopped: web and worker have ended.")

    def introduce(self, url: str, people: dict[str, Any]) -> None:
        """Print where the node is and how to sign in; the passwords were made for this run alone."""
        self.say(f"\nThe node is at {url} — sign in as any of these (passwords made for this demonstration):")
        for person in people.values():
            self.say(f"   {person['email']:<24} {person['password']:<24} {person['role']}")
        self.say("Ctrl-C stops it.")

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _fresh_home() -> Path:
    """Return an empty home for the demonstration; an earlier one is kept beside it as `demo.previous`."""
    home = settings.HOME / "demo"
    previous = settings.HOME / "demo.previous"
    if home.exists():
        shutil.rmtree(previous, ignore_errors=True)
        home.rename(previous)
    home.mkdir(parents=True, mode=0o700)
    return home
