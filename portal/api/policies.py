"""A dataset's rules for automation: one person proposes, another tries them on past requests and activates them."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.catalog import actions, policy, queries
from domains.catalog import rules as rules_of
from domains.catalog.models import AccessPolicy, Dataset, DryRun
from domains.catalog.templates import TEMPLATES
from domains.errors import IllegalMove
from domains.people.permissions import Permission, require
from domains.requests import dry_runs
from portal.api.auth import RecentSignIn
from portal.api.policy_shapes import (
    ActivateIn,
    DryRunShort,
    LanguageOut,
    LinesOut,
    PolicyIn,
    PolicyOut,
    RulesIn,
    TriedOut,
    TryIn,
    WaitingOut,
    lines_out,
)
from portal.api.shapes import valid

_NUMBER = "policies/(?P<number>[0-9]{1,9})"
_KEY = f"{_NUMBER}/dry-runs/(?P<key>[0-9A-Z]{{26}})"
PAGE = 200
_PAGE = OpenApiParameter("page", int, description=f"Which {PAGE} lines, from 1.")


class Policies(GenericViewSet[Dataset]):
    """Policies of a dataset."""

    queryset = Dataset.objects.none()
    serializer_class = PolicyOut
    lookup_field = "slug"
    filter_backends = []

    @extend_schema(responses=PolicyOut(many=True), summary="List a dataset's policies, newest first")
    @action(detail=True, methods=["get"], pagination_class=None)
    def policies(self, request: Request, slug: str) -> Response:
        rows = queries.policies(queries.dataset(slug, request.user), request.user)
        return Response(PolicyOut(rows, many=True).data)

    @extend_schema(request=PolicyIn, responses={201: PolicyOut}, summary="Propose a policy")
    @policies.mapping.post
    def propose(self, request: Request, slug: str) -> Response:
        given = valid(PolicyIn, request)
        made = actions.propose_policy(queries.dataset(slug, request.user), **given, by=request.user)
        return Response(PolicyOut(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=LanguageOut, summary="Read what a dataset's policies may say, and templates")
    @action(detail=True, methods=["get"], url_path="policies/language", pagination_class=None)
    def language(self, request: Request, slug: str) -> Response:
        row = queries.dataset(slug, request.user)
        delta = row.population.conversion_delta
        made = [
            {"name": one.name, "title": one.title, "about": one.about, "document": one.make(delta)}
            for one in TEMPLATES.values()
        ]
        found = {"schema": policy.schema(), "columns": rules_of.columns_of(row), "templates": made}
        return Response(LanguageOut(found).data)

    @extend_schema(request=RulesIn, responses=TriedOut, summary="Try rules on past requests; nothing is kept")
    @action(detail=True, methods=["post"], url_path="policies/try")
    def try_draft(self, request: Request, slug: str) -> Response:
        given, row = valid(RulesIn, request), queries.dataset(slug, request.user)
        require(request.user, Permission.POLICY_PROPOSE, on=row)
        document = rules_of.read_document(row, given["document"])
        lines = dry_runs.try_document(document, row, days=given["days"], user=request.user)
        if lines is None:
            raise IllegalMove(
                "There are too many requests to try it at once: propose it, and a worker makes the dry run.",
                code="too_many_requests",
            )
        return Response(TriedOut({"counts": dry_runs.counts_of(lines), "results": lines[::-1][:PAGE]}).data)

    @extend_schema(responses=PolicyOut, summary="Read one version of a dataset's policy")
    @action(detail=True, methods=["get"], url_path=_NUMBER)
    def one(self, request: Request, slug: str, number: str) -> Response:
        return Response(PolicyOut(_policy(slug, number, request)).data)

    @extend_schema(
        request=ActivateIn, responses=PolicyOut, summary="Activate a policy that somebody else proposed"
    )
    @action(
        detail=True,
        methods=["post"],
        url_path=f"{_NUMBER}/activate",
        permission_classes=[IsAuthenticated, RecentSignIn],
    )
    def activate(self, request: Request, slug: str, number: str) -> Response:
        row = _policy(slug, number, request)
        require(request.user, Permission.POLICY_ACTIVATE, on=row)
        seen = dry_runs.dry_run(row, valid(ActivateIn, request)["dry_run"], request.user)
        actions.activate_policy(row, dry_run=seen, by=request.user)
        return Response(PolicyOut(row).data)

    @extend_schema(request=None, responses=PolicyOut, summary="End a policy; people decide everything again")
    @action(detail=True, methods=["post"], url_path=f"{_NUMBER}/end")
    def end(self, request: Request, slug: str, number: str) -> Response:
        row = _policy(slug, number, request)
        actions.end_policy(row, by=request.user)
        return Response(PolicyOut(row).data)

    @extend_schema(responses=DryRunShort(many=True), summary="List the last dry runs of a policy")
    @action(detail=True, methods=["get"], url_path=f"{_NUMBER}/dry-runs", pagination_class=None)
    def dry_runs(self, request: Request, slug: str, number: str) -> Response:
        rows = dry_runs.dry_runs(_policy(slug, number, request), request.user)
        return Response(DryRunShort(rows[:20], many=True).data)

    @extend_schema(
        request=TryIn,
        responses={201: DryRunShort, 202: WaitingOut},
        summary="Try a policy on past requests; a long dry run is left to a worker",
    )
    @dry_runs.mapping.post
    def try_one(self, request: Request, slug: str, number: str) -> Response:
        row = _policy(slug, number, request)
        made = dry_runs.try_policy(row, **valid(TryIn, request), by=request.user)
        if isinstance(made, DryRun):
            return Response(DryRunShort(made).data, status=status.HTTP_201_CREATED)
        waiting = {"status": "queued", "job": made.pk}
        return Response(WaitingOut(waiting).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(parameters=[_PAGE], responses=LinesOut, summary="Read a dry run, request by request")
    @action(detail=True, methods=["get"], url_path=_KEY)
    def dry_run(self, request: Request, slug: str, number: str, key: str) -> Response:
        made = dry_runs.dry_run(_policy(slug, number, request), key, request.user)
        lines, asked = dry_runs.lines_of(made), request.query_params.get("page", "1")
        page = int(asked) if asked.isascii() and asked.isdigit() and 0 < len(asked) < 6 else 1
        begin = (max(page, 1) - 1) * PAGE
        return Response(lines_out(made, lines[begin : begin + PAGE], len(lines)))


def _policy(slug: str, number: str, request: Request) -> AccessPolicy:
    return queries.policy(queries.dataset(slug, request.user), int(number), request.user)


router = SimpleRouter()
router.register("datasets", Policies, basename="policies")
