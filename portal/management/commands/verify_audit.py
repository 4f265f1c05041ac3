"""Checks the audit log from the leaves up, and writes what an auditor needs to check it elsewhere."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from domains.audit import checkpoints, queries
from domains.audit.verify import verify_database


class Command(BaseCommand):
    help = "Verify the audit log against itself and its witness; exit 1 when anything does not hold."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--export",
            type=Path,
            metavar="FOLDER",
            help="also write events.jsonl, checkpoint and public_key there, for the offline verifier",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        findings = verify_database()
        if options["export"]:
            self._export(options["export"])
        for finding in findings:
            self.stdout.write(f"FOUND: {finding}")
        if findings:
            raise CommandError(f"The audit log does not hold: {len(findings)} findings.")
        head = checkpoints.head()
        self.stdout.write(f"OK: {head.size} events, root {head.root.hex()[:16]}…, and the witness agrees.")

    def _export(self, folder: Path) -> None:
        """Write the checkpoint first, so that the events that follow cover it."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "checkpoint").write_text(checkpoints.current(), encoding="utf-8")
        (folder / "public_key").write_text(checkpoints.public_key() + "\n", encoding="utf-8")
        with (folder / "events.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(queries.export_lines())
        self.stdout.write(f"Written to {folder}: events.jsonl, checkpoint, public_key.")
