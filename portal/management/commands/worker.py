"""`manage.py worker`: one process that takes jobs from the table, computes in children, and sweeps."""

from __future__ import annotations

import os
import socket
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from domains.jobs.keeper import keeper
from portal.celery import app


class Command(BaseCommand):
    help = "Run a worker: Celery with a thread pool, the dispatcher, and the fork server."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--concurrency", type=int, default=2, help="Jobs at once (default 2).")
        parser.add_argument(
            "--queues",
            default="default,query,workloads",
            help="Comma-separated (default: default,query,workloads; workloads fits models).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until a signal; the first one lets running jobs end, and no child is left behind."""
        for folder in (settings.DATA_DIR, settings.SEAL_DIR, settings.STAGING_DIR, settings.RUN_DIR):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.umask(0o077)
        os.environ["CELERY_SKIP_CHECKS"] = "1"  # `manage.py check` is for that; a worker serves no pages
        name = f"worker-{os.getpid()}@{socket.gethostname()}"
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        pool = ["--pool=threads", f"--concurrency={options['concurrency']}"]
        try:
            app.worker_main(["worker", f"--queues={options['queues']}", f"--hostname={name}", *pool, *quiet])
        finally:
            keeper.stop()
