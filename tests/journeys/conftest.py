"""A node as people meet it: a web server and a worker as processes of their own, and a browser in front."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gridhouse
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from portal.demo import processes, story
from tests import services

# Chromium asks its maker's servers for this and that at every start; here it asks nobody.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
METRICS_TOKEN = "journeys-read-metrics-with-this"  # the key of nothing
SHOTS = os.environ.get("SCREENSHOTS")  # a folder to leave pictures in, for people to look at


@dataclass(frozen=True)
class LiveNode:
    """A running node: where it is, who is on it, its processes, and Sam's grant."""

    url: str
    home: Path
    people: dict[str, dict[str, str]]
    clients: dict[str, gridhouse.Client]
    web_pid: int
    worker_pid: int
    grant: Any

    def sign_in(self, page: Page, name: str) -> None:
        """Sign in through the page, as a person does."""
        page.goto(f"{self.url}/account/login/")
        page.locator("#id_login").fill(self.people[name]["email"])
        page.locator("#id_password").fill(self.people[name]["password"])
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{self.url}/")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _silent(line: str) -> None:
    """Tell the story without printing it."""


@pytest.fixture(scope="session")
def live(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """A node on embedded defaults with SUPPORT2 published, a project approved and a budget allocated."""
    home = tmp_path_factory.mktemp("live")
    port = _free_port()
    url, log = f"http://localhost:{port}", home / "node.log"
    env = processes.environment(
        home,
        PUBLIC_URL=url,
        DISPATCH_INTERVAL_MS="50",
        UNDO_SECONDS="2",
        DEADLINE_SLACK_MS="3000",
        WEBHOOK_HTTP="1",  # journeys receive webhooks on this machine
        WEBHOOK_NETWORKS="127.0.0.0/8",
        METRICS_TOKEN=METRICS_TOKEN,
    )
    shutil.copy(sqlite_template, home / "node.sqlite3")
    processes.run(["collectstatic", "--noinput", "--verbosity", "0"], env)
    people = json.loads(processes.run(["demo_people"], env))
    with ExitStack() as stack:
        web = stack.enter_context(processes.running("web", processes.web(port), env, log))
        worker = stack.enter_context(processes.running("worker", processes.worker(), env, log))
        processes.wait_until_ready(url, [web, worker], log)
        clients = {
            name: stack.enter_context(gridhouse.connect(url, token=person["token"]))
            for name, person in people.items()
        }
        cast = story.Cast(**{name: clients[name] for name in ("alice", "rita", "sam", "ada")})
        dataset = story.publish(cast, _silent)
        grant = story.allocate(cast, story.propose(cast, dataset, _silent), _silent)
        yield LiveNode(url, home, people, clients, web.pid, worker.pid, grant)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, driven; nothing is downloaded.

    For one file only: while it is driven an event loop runs, in which Django refuses to reach the database.
    """
    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=services.chromium(), args=list(QUIET))
        yield found
        found.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A person's own browser window."""
    made = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    made.set_default_timeout(20_000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page that fails the test when a script fails on it."""
    made = context.new_page()
    made.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
    return made


def shoot(page: Page, name: str) -> None:
    """Leave a picture of the page where SCREENSHOTS says, for people to look at."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)
