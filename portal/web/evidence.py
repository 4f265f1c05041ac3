"""A project's evidence pack: what is in it, how to check it, and the file."""

from __future__ import annotations

from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from domains.audit import checkpoints
from domains.evidence import pack
from domains.people.permissions import Permission, allows, require
from domains.projects import queries


@require_GET
def page(request: HttpRequest, key: str) -> HttpResponse:
    """Say what the pack of a project holds and how to check it."""
    project = queries.project(key, request.user)
    if not pack.may_have(request.user, project):
        require(request.user, Permission.AUDIT_READ)
    values = {
        "project": project,
        "is_auditor": allows(request.user, Permission.AUDIT_READ),
        "size": checkpoints.head().size,
    }
    return render(request, "projects/evidence.html", values)


@require_GET
def download(request: HttpRequest, key: str) -> FileResponse:
    """Offer the pack as the log stands now."""
    project = queries.project(key, request.user)
    file = pack.build(project, request.user)
    return FileResponse(file, as_attachment=True, filename=f"evidence-{project.pk}.zip")


urlpatterns = [
    path("projects/<str:key>/evidence/", page, name="project_evidence"),
    path("projects/<str:key>/evidence.zip", download, name="project_evidence_file"),
]
