"""What waits for the caller's decision: requests in review, and answers held back."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.errors import InvalidInput
from domains.requests import queries
from domains.requests.models import AnalysisRequest
from portal.api.paging import Cursor
from portal.api.request_shapes import QueueOut, RequestOut


class OldestFirst(Cursor):
    """A queue's order: whoever waits longest comes first."""

    ordering = ("submitted_at", "id")


class Queue(GenericViewSet[AnalysisRequest]):
    """The review queue."""

    queryset = AnalysisRequest.objects.none()
    serializer_class = RequestOut
    pagination_class = OldestFirst
    filter_backends = []

    @extend_schema(
        responses=QueueOut(many=True),
        parameters=[OpenApiParameter("assigned", enum=["all", *queries.ASSIGNED], default="all")],
        summary="Requests that wait for the caller's vote, oldest first",
    )
    def list(self, request: Request) -> Response:
        assigned = request.query_params.get("assigned", "all")
        if assigned not in {"all", *queries.ASSIGNED}:
            raise InvalidInput("Choose all, mine or unassigned.", code="assigned_invalid")
        rows = self.paginate_queryset(queries.queue(request.user, assigned=assigned))
        return self.get_paginated_response(QueueOut(rows, many=True).data)

    @extend_schema(
        responses=RequestOut(many=True), summary="Requests whose answer waits for a release by the caller"
    )
    @action(detail=False, methods=["get"])
    def releases(self, request: Request) -> Response:
        rows = self.paginate_queryset(queries.held_releases(request.user))
        return self.get_paginated_response(RequestOut(rows, many=True).data)


router = SimpleRouter()
router.register("queue", Queue, basename="queue")
