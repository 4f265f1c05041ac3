"""Descriptions of datasets for other catalogues, over REST: Croissant and DCAT-AP as JSON-LD."""

from __future__ import annotations

from django.http import JsonResponse
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from portal import metadata

_LINKED = {(200, "application/ld+json"): OpenApiResponse(OpenApiTypes.OBJECT, "JSON-LD.")}


class DescriptionView(APIView):
    @extend_schema(responses=_LINKED, summary="Describe a dataset as Croissant or DCAT-AP")
    def get(self, request: Request, slug: str, form: str) -> JsonResponse:
        return metadata.described(slug, form, request.user)


class CatalogueView(APIView):
    @extend_schema(responses=_LINKED, summary="Describe all published datasets as one DCAT-AP catalogue")
    def get(self, request: Request) -> JsonResponse:
        return metadata.catalogue(request.user)


urlpatterns = [
    path("catalogue/dcat/", CatalogueView.as_view()),
    path("datasets/<slug:slug>/metadata/<slug:form>/", DescriptionView.as_view()),
]
