"""What the tests of accounts and people pages begin with: people by invitation, and browsers that sign in."""

from __future__ import annotations

import time

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from domains.people import actions
from domains.people.founding import first_administrator
from domains.people.models import User
from domains.people.permissions import Role

PASSWORD = "a long walk by the sea"


def ada() -> User:
    """Return the first administrator."""
    found = User.objects.filter(email="ada@example.org").first()
    return found or first_administrator("ada@example.org", "Ada", PASSWORD)


def join(name: str, role: Role) -> User:
    """Return somebody who was invited and accepted."""
    _, secret = actions.invite(f"{name}@example.org", name.title(), role, by=ada())
    return actions.accept_invitation(secret, name.title(), PASSWORD)


def sign_in(client: Client, email: str, password: str = PASSWORD, **extra: str) -> HttpResponse:
    """Post the sign-in form."""
    return client.post(reverse("account_login"), {"login": email, "password": password}, **extra)


def browser(user: User, *, hours_ago: float = 0) -> Client:
    """Return a browser in which `user` signed in so long ago."""
    client = Client()
    assert sign_in(client, user.email).status_code == 302
    if hours_ago:
        session = client.session
        session[AUTHENTICATION_METHODS_SESSION_KEY] = [
            {**record, "at": time.time() - hours_ago * 3600}
            for record in session[AUTHENTICATION_METHODS_SESSION_KEY]
        ]
        session.save()
    return client
