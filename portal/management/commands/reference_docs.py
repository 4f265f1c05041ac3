"""`manage.py reference_docs`: write docs/reference/ from the code, or say which pages have drifted."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.manual import pages


class Command(BaseCommand):
    help = "Write docs/reference/ from the code; with --check, fail and name the pages that differ."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail if a page differs")

    def handle(self, **options: Any) -> None:
        if options["check"]:
            if stale := pages.stale():
                raise CommandError(
                    f"These pages differ from the code: {', '.join(stale)}. Run `make reference`."
                )
            self.stdout.write("Every reference page is what the code says.")
            return
        for name in pages.write():
            self.stdout.write(f"docs/reference/{name}")
