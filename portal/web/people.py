"""The people of this node: who they are, their roles, and inviting them."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_POST

from domains.people import actions, organisations, queries
from domains.people.models import User
from domains.people.permissions import NODE_ROLES, Permission, Role, allows, label
from portal.web.access import open_to_all, recent_sign_in
from portal.web.pages import act, attempt, page_of

MEANING = {
    Role.SCIENTIST: "asks questions within projects",
    Role.OWNER: "publishes datasets and decides requests on them",
    Role.REVIEWER: "reviews projects and requests where assigned",
    Role.ADMINISTRATOR: "manages people and allocates budgets, decides nothing about data",
    Role.AUDITOR: "reads the trail",
}
ROLE_CHOICES = [(role.value, f"{label(role).capitalize()}: {MEANING[role]}") for role in NODE_ROLES]


class InviteForm(forms.Form):
    """Whom to invite, and as what."""

    email = forms.EmailField(label="E-mail address", widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    name = forms.CharField(max_length=120, required=False, help_text="They can change it when they accept.")
    role = forms.ChoiceField(choices=ROLE_CHOICES)


class AcceptForm(forms.Form):
    """What an invited person chooses."""

    name = forms.CharField(
        label="Your name", max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    password = forms.CharField(
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters, and not one of the common ones.",
    )


def people(request: HttpRequest) -> HttpResponse:
    """List everybody, with search and a filter by role; administrators also see open invitations."""
    search, role = request.GET.get("search", "").strip(), request.GET.get("role", "")
    found = queries.people(request.user, search, role)
    manages = allows(request.user, Permission.PEOPLE_MANAGE)
    context = {
        "page": page_of(request, found),
        "search": search,
        "role": role,
        "roles": [(known.value, label(known)) for known in NODE_ROLES],
        "manages": manages,
        "invitations": queries.invitations(request.user) if manages else [],
    }
    return render(request, "people/list.html", context)


@recent_sign_in
def invite(request: HttpRequest) -> HttpResponse:
    """Invite somebody; the answer shows the link once."""
    queries.invitations(request.user)  # asks for the permission before the form is shown
    form = InviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        done, made = attempt(
            form, actions.invite, given["email"], given["name"], given["role"], by=request.user
        )
        if done:
            invitation, secret = made
            link = request.build_absolute_uri(reverse("invitation", args=[secret]))
            return render(request, "people/invited.html", {"invitation": invitation, "link": link})
    return render(request, "people/invite.html", {"form": form}, status=422 if form.errors else 200)


@require_POST
def invitation_revoke(request: HttpRequest, pk: str) -> HttpResponse:
    """Take back an invitation."""
    found = queries.invitation(pk, request.user)
    act(
        request,
        f"The invitation of {found.email} is revoked.",
        actions.revoke_invitation,
        found,
        by=request.user,
    )
    return redirect("people")


@open_to_all
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """Let an invited person make their account; the secret in the address is the permission."""
    found = actions.open_invitation(secret)
    form = AcceptForm(request.POST or None, initial={"name": found.name})
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        done, _ = attempt(form, actions.accept_invitation, secret, given["name"], given["password"])
        if done:
            messages.success(request, "Your account is ready. Sign in with your e-mail address and password.")
            return redirect("account_login")
    context = {"form": form, "invitation": found, "role": label(found.role)}
    return render(request, "people/accept.html", context, status=422 if form.errors else 200)


def person(request: HttpRequest, pk: str) -> HttpResponse:
    """Show one person; administrators can give and end roles, close and open the account."""
    found = queries.person(pk, request.user)
    manages = allows(request.user, Permission.PEOPLE_MANAGE) and found.pk != request.user.pk
    held = sorted(found.node_roles)
    context = {
        "person": found,
        "held": [(role.value, label(role), MEANING[role]) for role in held],
        "free": [(role.value, label(role)) for role in NODE_ROLES if role not in held],
        "manages": manages,
        "organisations": queries.organisations(request.user, active=True) if manages else [],
    }
    return render(request, "people/detail.html", context)


@require_POST
@recent_sign_in
def role_grant(request: HttpRequest, pk: str) -> HttpResponse:
    """Give a role."""
    found, role = _subject(request, pk)
    act(
        request,
        f"{found.name} has the role {label(role)}.",
        actions.grant_role,
        found,
        role,
        by=request.user,
    )
    return redirect("person", pk)


@require_POST
@recent_sign_in
def role_end(request: HttpRequest, pk: str) -> HttpResponse:
    """End a role."""
    found, role = _subject(request, pk)
    act(request, f"The role {label(role)} is ended.", actions.end_role, found, role, by=request.user)
    return redirect("person", pk)


@require_POST
@recent_sign_in
def place(request: HttpRequest, pk: str) -> HttpResponse:
    """Set the organisation that a person belongs to; an empty choice means none."""
    found, _ = _subject(request, pk)
    slug = request.POST.get("organisation", "")
    where = queries.organisation(slug, request.user) if slug else None
    done = f"{found.name} belongs to {where}." if where else f"{found.name} belongs to no organisation."
    act(request, done, organisations.set_organisation, found, where, by=request.user)
    return redirect("person", pk)


@require_POST
@recent_sign_in
def deactivate(request: HttpRequest, pk: str) -> HttpResponse:
    """Close an account."""
    found, _ = _subject(request, pk)
    act(request, f"The account of {found.name} is closed.", actions.deactivate, found, by=request.user)
    return redirect("person", pk)


@require_POST
@recent_sign_in
def reactivate(request: HttpRequest, pk: str) -> HttpResponse:
    """Open a closed account."""
    found, _ = _subject(request, pk)
    act(request, f"The account of {found.name} is open again.", actions.reactivate, found, by=request.user)
    return redirect("person", pk)


def _subject(request: HttpRequest, pk: str) -> tuple[User, str]:
    return queries.person(pk, request.user), request.POST.get("role", "")


urlpatterns = [
    path("people/", people, name="people"),
    path("people/invite/", invite, name="person_invite"),
    path("people/invitations/<str:pk>/revoke/", invitation_revoke, name="invitation_revoke"),
    path("people/<str:pk>/", person, name="person"),
    path("people/<str:pk>/grant/", role_grant, name="role_grant"),
    path("people/<str:pk>/end/", role_end, name="role_end"),
    path("people/<str:pk>/organisation/", place, name="person_place"),
    path("people/<str:pk>/deactivate/", deactivate, name="person_deactivate"),
    path("people/<str:pk>/reactivate/", reactivate, name="person_reactivate"),
    path("invitations/<str:secret>/", invitation, name="invitation"),
]
