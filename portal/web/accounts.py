"""Signing in: what allauth does for this node, and what it may not do here."""

from __future__ import annotations

import base64
import math
import time
from typing import Any

from allauth.account import signals as account_signals
from allauth.account import views as account
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.internal import ratelimit
from allauth.mfa import signals as mfa_signals
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base import views as mfa
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes import views as recovery
from allauth.mfa.totp import views as totp
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.generic import RedirectView

from domains.audit.events import Event
from domains.people.models import User
from domains.people.signin import credentials_changed, signed_in
from portal.recency import signed_in_recently


class AccountAdapter(DefaultAccountAdapter):
    """Closes sign-up and bounds how fast passwords can be tried."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Refuse: people are invited."""
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the attempt against its account and its address BEFORE any hash is computed (LEDGER §4).

        Known and unknown e-mail addresses are counted alike. Raise ValidationError with the minutes to wait.
        """
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError as error:
            minutes = math.ceil(self._wait(request, credentials) / 60)
            unit = "minute" if minutes == 1 else "minutes"
            raise ValidationError(
                f"Too many attempts. Try again in {minutes} {unit}.", code="too_many_login_attempts"
            ) from error

    def _wait(self, request: HttpRequest, credentials: dict[str, Any]) -> float:
        """Return the seconds until the limits let one more attempt through; at least one."""
        name = {"app": "allauth.account", "action": "login_failed"}
        login = self._get_login_attempts_cache_key(request, **credentials)
        waits = [1.0]
        for rate in ratelimit.get_rates(**name):
            tries = cache.get(ratelimit.get_cache_key(request, rate=rate, key=login, **name), [])
            if len(tries) >= rate.amount:  # newest first: room comes when the amount-th newest has aged out
                waits.append(tries[rate.amount - 1] + rate.duration - time.time())
        return max(waits)

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        """Record the sign-in, then go where allauth sends a person who has signed in."""
        signed_in(user)
        return super().post_login(request, user, **kwargs)

    def is_reauthentication_required(self, app: str) -> bool:
        """Ask again under the one definition of a recent sign-in; allauth's own would not count the sign-in itself."""
        return not signed_in_recently(self.request)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """Return to the account page."""
        return "/account/"


class MfaAdapter(DefaultMFAAdapter):
    """Keeps second-factor secrets encrypted, so that a copy of the database alone signs nobody in."""

    def encrypt(self, text: str) -> str:
        """Return `text` under a key derived from SECRET_KEY."""
        return _box().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Return what `encrypt` was given."""
        return _box().decrypt(encrypted_text.encode()).decode()


def _box() -> Fernet:
    key = HKDF(SHA256(), length=32, salt=None, info=b"gridhouse second factor").derive(
        settings.SECRET_KEY.encode()
    )
    return Fernet(base64.urlsafe_b64encode(key))


@receiver([account_signals.password_changed, account_signals.password_set])
def _password_changed(request: HttpRequest, user: User, **kwargs: Any) -> None:
    credentials_changed(user, Event.PASSWORD_CHANGED)


@receiver(mfa_signals.authenticator_added)
def _factor_added(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    is_totp = authenticator.type == Authenticator.Type.TOTP
    credentials_changed(user, Event.SECOND_FACTOR_ADDED if is_totp else Event.RECOVERY_CODES_MADE)


@receiver(mfa_signals.authenticator_reset)
def _codes_made(request: HttpRequest, user: User, **kwargs: Any) -> None:
    credentials_changed(user, Event.RECOVERY_CODES_MADE)


@receiver(mfa_signals.authenticator_removed)
def _factor_removed(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    if authenticator.type == Authenticator.Type.TOTP:
        credentials_changed(user, Event.SECOND_FACTOR_REMOVED)


# Only what this node offers: no sign-up, no change of address, no reset by mail.
urlpatterns = [
    path("account/login/", account.login, name="account_login"),
    path("account/logout/", account.logout, name="account_logout"),
    path("account/inactive/", account.account_inactive, name="account_inactive"),
    path("account/reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("account/password/change/", account.password_change, name="account_change_password"),
    path("account/2fa/", RedirectView.as_view(pattern_name="account"), name="mfa_index"),
    path("account/2fa/authenticate/", mfa.authenticate, name="mfa_authenticate"),
    path("account/2fa/reauthenticate/", mfa.reauthenticate, name="mfa_reauthenticate"),
    path("account/2fa/totp/activate/", totp.activate_totp, name="mfa_activate_totp"),
    path("account/2fa/totp/deactivate/", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path("account/2fa/recovery-codes/", recovery.view_recovery_codes, name="mfa_view_recovery_codes"),
    path(
        "account/2fa/recovery-codes/generate/",
        recovery.generate_recovery_codes,
        name="mfa_generate_recovery_codes",
    ),
    path(
        "account/2fa/recovery-codes/download/",
        recovery.download_recovery_codes,
        name="mfa_download_recovery_codes",
    ),
]
