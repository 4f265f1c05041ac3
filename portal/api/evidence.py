"""A project's evidence pack over REST."""

from __future__ import annotations

from django.http import FileResponse
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from domains.evidence import pack
from domains.projects import queries

_ZIP = {(200, "application/zip"): OpenApiResponse(OpenApiTypes.BINARY, "The pack; verify.py checks it.")}


class EvidenceView(APIView):
    @extend_schema(responses=_ZIP, summary="Download a project's evidence pack")
    def get(self, request: Request, pk: str) -> FileResponse:
        project = queries.project(pk, request.user)
        file = pack.build(project, request.user)
        return FileResponse(
            file, as_attachment=True, filename=f"evidence-{project.pk}.zip", content_type="application/zip"
        )


urlpatterns = [path("projects/<str:pk>/evidence/", EvidenceView.as_view())]
