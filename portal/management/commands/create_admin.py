"""Makes the first administrator of a new node and prints a generated password once."""

from __future__ import annotations

import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from domains.errors import DomainError
from domains.people.founding import first_administrator


class Command(BaseCommand):
    """`manage.py create_admin EMAIL --name NAME`; refuses once the node has an administrator."""

    help = "Make the first administrator; prints a generated password, which is kept nowhere."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the e-mail address and the name."""
        parser.add_argument("email")
        parser.add_argument("--name", default="Administrator")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the account, or fail with the rule's own words."""
        password = secrets.token_urlsafe(18)
        try:
            user = first_administrator(options["email"], options["name"], password)
        except DomainError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Administrator: {user.email}")
        self.stdout.write(f"Password:      {password}")
        self.stdout.write(
            "Sign in, change the password and set up an authenticator app on your account page."
        )
