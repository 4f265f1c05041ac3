"""Home: what waits for this person first, then their work, then what to do if there is none yet."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_GET

from domains.catalog import queries as catalog
from domains.notices import tasks
from domains.people.permissions import Permission, Role, allows
from domains.projects import queries as projects
from domains.requests import queries as requests

MOST = 8


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Show the home page of whoever is signed in."""
    user, now = request.user, timezone.now()
    recent = requests.visible_to(user)[:MOST]
    values = {
        "turns": tasks.tasks(user),
        "recent": [(row, requests.progress(row, now)) for row in recent],
        "projects": projects.projects(user)[:MOST],
        "grants": projects.grants_of(user)[:MOST],
        "datasets": catalog.catalogue(user)
        .filter(stewards__user=user.pk, stewards__ended_at=None)
        .distinct()[:MOST],
        "is_scientist": allows(user, Permission.PROJECT_CREATE),
        "is_owner": Role.OWNER in user.node_roles,
        "is_reviewer": Role.REVIEWER in user.node_roles,
        "is_administrator": allows(user, Permission.BUDGET_ALLOCATE),
        "is_auditor": allows(user, Permission.AUDIT_READ),
    }
    return render(request, "home/home.html", values)


urlpatterns = [path("", home, name="home")]
