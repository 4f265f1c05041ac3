"""Requests: write, price, check, submit, follow, take back. Votes are in `reviews`, answers in `results`."""

from __future__ import annotations

import json
from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.errors import NotFound
from domains.jobs import queries as jobs
from domains.projects import queries as projects
from domains.requests import actions, queries
from domains.requests.accounting import Accounting
from domains.requests.estimates import estimate_revision
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest
from portal.api.estimates import EstimateIn, EstimateOut, answered
from portal.api.request_shapes import CommentOut, MockResultOut, ProgressOut, RequestDetailOut, RequestOut
from portal.api.shapes import valid


class RequestFilter(django_filters.FilterSet):
    """Narrows the list of requests."""

    status = django_filters.MultipleChoiceFilter(choices=[(value, value) for value in Status.values])
    project = django_filters.CharFilter(field_name="grant__project_id", help_text="Key of the project.")
    dataset = django_filters.CharFilter(field_name="grant__dataset__slug", help_text="Slug of the dataset.")
    search = django_filters.CharFilter(method="find", help_text="Words of the title or of the query.")

    def find(self, rows: QuerySet[AnalysisRequest], name: str, words: str) -> QuerySet[AnalysisRequest]:
        """Keep requests whose title or current text holds the words."""
        return rows.filter(Q(title__icontains=words) | Q(draft_sql__icontains=words))


class DraftIn(serializers.Serializer[Any]):
    """A new request; nothing is checked yet, so that nothing that was typed is lost."""

    grant = serializers.CharField(max_length=26)
    title = serializers.CharField(max_length=160)
    sql = serializers.CharField(max_length=actions.MOST_SQL, allow_blank=True)
    epsilon = serializers.CharField(max_length=20, allow_blank=True)
    accounting = serializers.ChoiceField(
        choices=[kind.value for kind in Accounting],
        default=Accounting.ZCDP.value,
        help_text="What the ε is paid in: zcdp (ρ), pure (pure ε, Laplace noise) or auto (the more exact one).",
    )


class EditIn(serializers.Serializer[Any]):
    """What changes; a field left out stays as it is."""

    title = serializers.CharField(max_length=160, required=False)
    sql = serializers.CharField(max_length=actions.MOST_SQL, allow_blank=True, required=False)
    epsilon = serializers.CharField(max_length=20, allow_blank=True, required=False)
    accounting = serializers.ChoiceField(
        choices=[kind.value for kind in Accounting],
        required=False,
        help_text="What the ε is paid in: zcdp (ρ), pure (pure ε, Laplace noise) or auto (the more exact one).",
    )


class SubmitIn(serializers.Serializer[Any]):
    """Which revision is meant, so that a change in between is noticed."""

    revision = serializers.IntegerField(min_value=1)


class CommentIn(serializers.Serializer[Any]):
    """A line for the thread; never a place for private values."""

    text = serializers.CharField(max_length=4000)


def shown(analysis: AnalysisRequest, request: Request, code: int = status.HTTP_200_OK) -> Response:
    """Answer with the request as it is now."""
    found = queries.detail(analysis.pk, request.user)
    return Response(RequestDetailOut(found, context={"user": request.user}).data, status=code)


class Requests(GenericViewSet[AnalysisRequest]):
    """Requests that the caller may see."""

    queryset = AnalysisRequest.objects.none()
    filterset_class = RequestFilter
    serializer_class = RequestDetailOut

    @extend_schema(responses=RequestOut(many=True), summary="List requests", filters=True)
    def list(self, request: Request) -> Response:
        rows = self.filter_queryset(queries.visible_to(request.user))
        return self.get_paginated_response(RequestOut(self.paginate_queryset(rows), many=True).data)

    @extend_schema(request=DraftIn, responses={201: RequestDetailOut}, summary="Start a draft")
    def create(self, request: Request) -> Response:
        given = valid(DraftIn, request)
        grant = projects.grant(given.pop("grant"), request.user)
        return shown(actions.draft(grant, **given, by=request.user), request, status.HTTP_201_CREATED)

    @extend_schema(responses=RequestDetailOut, summary="Read a request")
    def retrieve(self, request: Request, pk: str) -> Response:
        found = queries.detail(pk, request.user)
        return Response(RequestDetailOut(found, context={"user": request.user}).data)

    @extend_schema(request=EditIn, responses=RequestDetailOut, summary="Edit a draft")
    def partial_update(self, request: Request, pk: str) -> Response:
        analysis = queries.detail(pk, request.user)
        written = {"title": analysis.title, "sql": analysis.draft_sql, "epsilon": analysis.draft_epsilon}
        actions.edit(analysis, **(written | valid(EditIn, request)), by=request.user)
        return shown(analysis, request)

    @extend_schema(request=EstimateIn, responses=EstimateOut, summary="Price a question; nothing is stored")
    @action(detail=False, methods=["post"], url_path="estimate")
    def estimate(self, request: Request) -> Response:
        given = valid(EstimateIn, request)
        grant = projects.grant(given.pop("grant"), request.user)
        return Response(answered(grant, given, request.user))

    @extend_schema(responses=EstimateOut, summary="Price the current revision")
    @action(detail=True, methods=["get"], url_path="estimate")
    def estimate_revision(self, request: Request, pk: str) -> Response:
        revision = queries.detail(pk, request.user).revision
        if revision is None:
            raise NotFound("This request has not passed a check yet.", code="no_revision")
        return Response(EstimateOut(estimate_revision(revision, by=request.user)).data)

    @extend_schema(request=None, responses=RequestDetailOut, summary="Check a draft: a revision, or findings")
    @action(detail=True, methods=["post"])
    def check(self, request: Request, pk: str) -> Response:
        analysis = queries.detail(pk, request.user)
        actions.check(analysis, by=request.user)
        return shown(analysis, request)

    @extend_schema(request=SubmitIn, responses=RequestDetailOut, summary="Submit a checked revision")
    @action(detail=True, methods=["post"])
    def submit(self, request: Request, pk: str) -> Response:
        given = valid(SubmitIn, request)
        analysis = queries.detail(pk, request.user)
        actions.submit(analysis, revision=given["revision"], by=request.user)
        return shown(analysis, request)

    @extend_schema(request=None, responses=RequestDetailOut, summary="Take a request back")
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        analysis = queries.detail(pk, request.user)
        actions.withdraw(analysis, by=request.user)
        return shown(analysis, request)

    @extend_schema(request=CommentIn, responses={201: CommentOut}, summary="Write into the thread")
    @action(detail=True, methods=["post"])
    def comments(self, request: Request, pk: str) -> Response:
        given = valid(CommentIn, request)
        line = actions.comment(queries.detail(pk, request.user), given["text"], by=request.user)
        return Response(CommentOut(line).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=ProgressOut, summary="Where the request stands, and why")
    @action(detail=True, methods=["get"])
    def progress(self, request: Request, pk: str) -> Response:
        analysis = queries.detail(pk, request.user)
        return Response(ProgressOut(queries.progress(analysis, timezone.now())).data)

    @extend_schema(request=None, responses={202: RequestDetailOut}, summary="Run the revision on mock data")
    @action(detail=True, methods=["post"], url_path="mock-run")
    def mock_run(self, request: Request, pk: str) -> Response:
        analysis = queries.detail(pk, request.user)
        actions.run_on_mock(analysis, by=request.user)
        return shown(analysis, request, status.HTTP_202_ACCEPTED)

    @extend_schema(responses=MockResultOut, summary="Read the last run on mock data")
    @action(detail=True, methods=["get"], url_path="mock-result")
    def mock_result(self, request: Request, pk: str) -> Response:
        job = queries.detail(pk, request.user).mock_job
        if job is None:
            raise NotFound("This request has not run on mock data yet.", code="no_mock_run")
        payload = jobs.result(job)
        answer = None if payload is None else json.loads(payload)
        state = jobs.public_status(job, timezone.now())
        return Response(MockResultOut({"mock_run": state, "answer": answer}).data)


router = SimpleRouter()
router.register("requests", Requests, basename="requests")
