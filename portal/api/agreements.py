"""Agreements: what concerns the caller, accepting it, and writing and publishing it."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.agreements import actions, queries, standing
from domains.agreements.models import Agreement, AgreementVersion, Kind
from domains.catalog import queries as catalog
from portal.api.auth import RecentSignIn
from portal.api.datasets import StatedReasonIn
from portal.api.shapes import PersonShort, valid

STANDINGS = ["accepted", "expired", "outdated", "missing"]


class AgreementVersionOut(serializers.Serializer[Any]):
    """One immutable version of an agreement; `sha256` is of the text's exact bytes in UTF-8."""

    number = serializers.IntegerField()
    sha256 = serializers.CharField()
    changes = serializers.CharField(allow_blank=True)
    effective_from = serializers.DateTimeField()
    valid_days = serializers.IntegerField(allow_null=True, help_text="How long an acceptance lasts.")
    published_by = PersonShort()


class AcceptanceOut(serializers.Serializer[Any]):
    """That the caller accepted exact bytes."""

    version = serializers.IntegerField(source="version.number")
    sha256 = serializers.CharField()
    accepted_at = serializers.DateTimeField(source="created_at")
    expires_at = serializers.DateTimeField(allow_null=True)
    through = serializers.ChoiceField(choices=["page", "api"])


class AgreementOut(serializers.Serializer[Any]):
    """An agreement, and whether it waits for the caller."""

    id = serializers.CharField(source="pk")
    title = serializers.CharField()
    kind = serializers.ChoiceField(choices=Kind.values)
    about = serializers.CharField(help_text="What it is for, in words.")
    path = serializers.CharField(help_text="Its page, where it can be read and accepted.")
    is_due = serializers.SerializerMethodField(help_text="Whether the caller cannot go on without it.")
    retired_at = serializers.DateTimeField(allow_null=True)
    versions = AgreementVersionOut(source="versions.all", many=True)

    def get_is_due(self, row: Agreement) -> bool:
        return row.pk in self.context["due"]


class AgreementDetailOut(AgreementOut):
    """An agreement with the text that is to be accepted, and the caller's own acceptance of it."""

    text = serializers.SerializerMethodField(help_text="Of the version in force, or else of the newest.")
    version = serializers.SerializerMethodField(help_text="The number of the version that `text` is of.")
    acceptance = serializers.SerializerMethodField(help_text="The caller's, of that version.")

    def get_text(self, row: Agreement) -> str:
        found = _shown(row)
        return "" if found is None else found.text

    def get_version(self, row: Agreement) -> int | None:
        found = _shown(row)
        return None if found is None else found.number

    def get_acceptance(self, row: Agreement) -> dict[str, Any] | None:
        found = _shown(row)
        mine = None if found is None else queries.latest(found, self.context["user"])
        return None if mine is None else dict(AcceptanceOut(mine).data)


class AcceptIn(serializers.Serializer[Any]):
    """Which version is accepted, by the hash of the bytes that were read."""

    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    sha256 = serializers.RegexField("^[0-9a-f]{64}$")


class WordsIn(serializers.Serializer[Any]):
    """What a version says."""

    text = serializers.CharField(max_length=actions.MOST_TEXT, source="body", help_text="In Markdown.")
    valid_days = serializers.IntegerField(
        min_value=1, max_value=actions.MOST_DAYS, allow_null=True, default=None
    )


class AgreementIn(WordsIn):
    """A new agreement: for a research area, for a dataset, or with neither for the node."""

    title = serializers.CharField(max_length=160)
    area = serializers.SlugField(required=False)
    dataset = serializers.SlugField(required=False)


class AgreementDraftIn(WordsIn):
    """The next version; `edition` is the draft's that was read, 0 where there was none."""

    changes = serializers.CharField(max_length=1000, allow_blank=True, default="")
    edition = serializers.IntegerField(min_value=0, max_value=2**31 - 1, default=0)


class AgreementDraftOut(serializers.Serializer[Any]):
    """The next version while it is being written."""

    text = serializers.CharField()
    changes = serializers.CharField(allow_blank=True)
    valid_days = serializers.IntegerField(allow_null=True)
    edition = serializers.IntegerField()
    edited_by = PersonShort()


class AgreementPublishIn(serializers.Serializer[Any]):
    """Which edition of the draft is published, and from when on it is demanded."""

    edition = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    effective_from = serializers.DateTimeField(required=False, allow_null=True)


class StandingOut(serializers.Serializer[Any]):
    """One person and their newest acceptance."""

    person = PersonShort()
    is_concerned = serializers.BooleanField()
    code = serializers.ChoiceField(choices=STANDINGS)
    acceptance = AcceptanceOut(allow_null=True)


def _shown(row: Agreement) -> AgreementVersion | None:
    return queries.current(row, timezone.now()) or row.versions.first()


def _context(request: Request) -> dict[str, Any]:
    return {
        "user": request.user,
        "due": {row.pk for row in queries.waiting_for(request.user, timezone.now())},
    }


def _detail(pk: str, request: Request, code: int = status.HTTP_200_OK) -> Response:
    row = queries.agreement(pk, request.user)
    return Response(AgreementDetailOut(row, context=_context(request)).data, status=code)


class Agreements(GenericViewSet[Agreement]):
    """Agreements that the caller may read."""

    queryset = Agreement.objects.none()
    serializer_class = AgreementOut
    filter_backends = []

    @extend_schema(
        responses=AgreementOut(many=True), summary="List agreements, and which wait for the caller"
    )
    def list(self, request: Request) -> Response:
        rows = self.paginate_queryset(queries.agreements(request.user))
        return self.get_paginated_response(AgreementOut(rows, many=True, context=_context(request)).data)

    @extend_schema(responses=AgreementDetailOut, summary="Read an agreement's text")
    def retrieve(self, request: Request, pk: str) -> Response:
        return _detail(pk, request)

    @extend_schema(request=AgreementIn, responses={201: AgreementDetailOut}, summary="Begin an agreement")
    def create(self, request: Request) -> Response:
        given = valid(AgreementIn, request)
        if "area" in given:
            given["area"] = catalog.area(given["area"], request.user)
        if "dataset" in given:
            given["dataset"] = catalog.dataset(given["dataset"], request.user)
        made = actions.create(**given, by=request.user)
        return _detail(made.pk, request, status.HTTP_201_CREATED)

    @extend_schema(request=AcceptIn, responses=AgreementDetailOut, summary="Accept a version")
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def accept(self, request: Request, pk: str) -> Response:
        given = valid(AcceptIn, request)
        found = queries.version(queries.agreement(pk, request.user), given["version"])
        actions.accept(found, sha256=given["sha256"], through="api", by=request.user)
        return _detail(pk, request)

    @extend_schema(responses=AgreementDraftOut, summary="Read the draft of the next version")
    @action(detail=True, methods=["get"])
    def draft(self, request: Request, pk: str) -> Response:
        row = queries.agreement(pk, request.user)
        actions.require_managed(row, request.user)
        return Response(AgreementDraftOut(queries.draft(row)).data)

    @extend_schema(
        request=AgreementDraftIn, responses=AgreementDraftOut, summary="Keep the draft of the next version"
    )
    @draft.mapping.put
    def write(self, request: Request, pk: str) -> Response:
        row = queries.agreement(pk, request.user)
        return Response(
            AgreementDraftOut(actions.draft(row, **valid(AgreementDraftIn, request), by=request.user)).data
        )

    @extend_schema(
        request=AgreementPublishIn,
        responses=AgreementDetailOut,
        summary="Publish the draft as the next version",
    )
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def publish(self, request: Request, pk: str) -> Response:
        row = queries.agreement(pk, request.user)
        actions.publish(row, **valid(AgreementPublishIn, request), by=request.user)
        return _detail(pk, request)

    @extend_schema(
        request=StatedReasonIn, responses=AgreementDetailOut, summary="Stop demanding an agreement, for good"
    )
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def retire(self, request: Request, pk: str) -> Response:
        row = queries.agreement(pk, request.user)
        actions.retire(row, **valid(StatedReasonIn, request), by=request.user)
        return _detail(pk, request)

    @extend_schema(responses=StandingOut(many=True), summary="List who accepted an agreement and who has not")
    @action(detail=True, methods=["get"])
    def people(self, request: Request, pk: str) -> Response:
        row = queries.agreement(pk, request.user)
        rows = self.paginate_queryset(standing.people(row, request.user))
        lines = standing.standings(row, rows or [], timezone.now())
        return self.get_paginated_response(StandingOut(lines, many=True).data)


router = SimpleRouter()
router.register("agreements", Agreements, basename="agreements")
