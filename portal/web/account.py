"""One's own account: name, how one signs in, and API tokens."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_POST

from domains.people import actions, queries, scopes
from domains.people.permissions import label
from portal.web.access import recent_sign_in
from portal.web.pages import act, attempt

LIVES = [("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "1 year")]


class NameForm(forms.Form):
    """What a person is called here."""

    name = forms.CharField(max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    institution = forms.CharField(
        max_length=160, required=False, widget=forms.TextInput(attrs={"autocomplete": "organization"})
    )


class TokenForm(forms.Form):
    """What a new token may do, and for how long."""

    name = forms.CharField(max_length=80, help_text="Where you will use it, such as “notebook on my laptop”.")
    days = forms.ChoiceField(label="Ends after", choices=LIVES, initial="90")
    usual = forms.MultipleChoiceField(
        label="It may",
        error_messages={"required": "Choose at least one thing that it may do."},
        choices=[(group.key, group.label) for group in scopes.GROUPS if not group.is_deciding],
        widget=forms.CheckboxSelectMultiple,
    )
    deciding = forms.MultipleChoiceField(
        label="It may also decide in your name",
        required=False,
        choices=[(group.key, group.label) for group in scopes.GROUPS if group.is_deciding],
        widget=forms.CheckboxSelectMultiple,
        help_text="Whoever holds the token can then do this without your password. Your roles still apply.",
    )


def account(request: HttpRequest) -> HttpResponse:
    """Show one's account, and change what it is called."""
    user = request.user
    form = NameForm(request.POST or None, initial={"name": user.name, "institution": user.institution})
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        if act(request, "Saved.", actions.rename, user, given["name"], given["institution"], by=user):
            return redirect("account")
    kinds = set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
    context = {
        "form": form,
        "roles": [label(role) for role in sorted(user.node_roles)],
        "has_totp": Authenticator.Type.TOTP in kinds,
        "has_codes": Authenticator.Type.RECOVERY_CODES in kinds,
    }
    return render(request, "people/account.html", context, status=422 if form.errors else 200)


@recent_sign_in
def tokens(request: HttpRequest) -> HttpResponse:
    """List one's tokens and make one; the answer shows its text once."""
    user = request.user
    form = TokenForm(request.POST or None, initial={"usual": list(scopes.default_groups(user))})
    plain = None
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        wanted = scopes.scopes_of({*given["usual"], *given["deciding"]})
        done, made = attempt(
            form, actions.create_token, user, given["name"], wanted, int(given["days"]), by=user
        )
        plain = made[1] if done else None
    rows = [(token, scopes.groups_of(frozenset(token.scopes))) for token in queries.tokens(user)]
    context = {"form": form, "plain": plain, "rows": rows}
    return render(request, "people/tokens.html", context, status=422 if form.errors else 200)


@require_POST
def token_revoke(request: HttpRequest, pk: str) -> HttpResponse:
    """End one of one's tokens at once."""
    found = queries.token(pk, request.user)
    act(request, f"The token “{found.name}” is revoked.", actions.revoke_token, found, by=request.user)
    return redirect("tokens")


urlpatterns = [
    path("account/", account, name="account"),
    path("account/tokens/", tokens, name="tokens"),
    path("account/tokens/<str:pk>/revoke/", token_revoke, name="token_revoke"),
]
