"""Gives a person who lost their password, or their second factor, a way back in; prints the password once."""

from __future__ import annotations

import secrets
from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand, CommandError, CommandParser

from domains.audit.events import Event
from domains.errors import DomainError
from domains.people.founding import reset_password
from domains.people.signin import credentials_changed


class Command(BaseCommand):
    """`manage.py reset_password EMAIL [--second-factor]`."""

    help = "Set a generated password for an account and print it once; --second-factor removes that too."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the e-mail address and whether the second factor goes as well."""
        parser.add_argument("email")
        parser.add_argument("--second-factor", action="store_true", help="remove authenticator app and codes")

    def handle(self, *args: Any, **options: Any) -> None:
        """Reset, or fail with the rule's own words."""
        password = secrets.token_urlsafe(18)
        try:
            user = reset_password(options["email"], password)
        except DomainError as error:
            raise CommandError(str(error)) from error
        if options["second_factor"] and Authenticator.objects.filter(user=user).delete()[0]:
            credentials_changed(user, Event.SECOND_FACTOR_REMOVED, by="system")
        self.stdout.write(f"Password of {user.email}: {password}")
