"""The audit log: public checkpoint and proofs, events and export for auditors, and the verifier itself."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from gridhouse import verify
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from domains.audit import checkpoints, proofs, queries, search
from domains.errors import InvalidInput
from domains.evidence import verification
from domains.people.permissions import Permission, require
from portal import audit_export
from portal.api.idempotency import keeping
from portal.api.paging import Cursor
from portal.api.throttles import StrangerThrottle
from portal.audit_search import Chosen

MOST = 2**62  # no log is longer; keeps numbers within what databases compare


class InclusionIn(serializers.Serializer[Any]):
    """Which leaf, in the log at which size; now, where no size is given."""

    index = serializers.IntegerField(min_value=0, max_value=MOST)
    size = serializers.IntegerField(min_value=0, max_value=MOST, required=False)


class ConsistencyIn(serializers.Serializer[Any]):
    """From which size to which; to now, where no newer size is given."""

    old = serializers.IntegerField(min_value=0, max_value=MOST)
    new = serializers.IntegerField(min_value=0, max_value=MOST, required=False)


class InclusionOut(serializers.Serializer[Any]):
    """Hashes, in base64, that lead from a leaf to the root (RFC 9162)."""

    index = serializers.IntegerField()
    size = serializers.IntegerField()
    proof = serializers.ListField(child=serializers.CharField())


class ConsistencyOut(serializers.Serializer[Any]):
    """Hashes, in base64, that show that a log extends an older one (RFC 9162)."""

    old = serializers.IntegerField()
    new = serializers.IntegerField()
    proof = serializers.ListField(child=serializers.CharField())


class LogKeyOut(serializers.Serializer[Any]):
    """The name and public key under which this node signs its log."""

    origin = serializers.CharField()
    public_key = serializers.CharField(help_text="In the form name+key id+key, as signed notes use.")


class EventsIn(serializers.Serializer[Any]):
    """Which events; each filter that is given must match."""

    event = serializers.CharField(
        required=False, help_text="Such as request.approved, or a prefix such as request."
    )
    actor = serializers.CharField(
        required=False,
        help_text="A key, an automaton's name, or a part of people's names or e-mail addresses.",
    )
    subject_type = serializers.CharField(required=False)
    subject = serializers.CharField(required=False)
    project = serializers.CharField(required=False, help_text="Key: the project and all that hangs on it.")
    dataset = serializers.CharField(required=False, help_text="Short name: the same of a dataset.")
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
    text = serializers.CharField(
        required=False, help_text="Words anywhere in an event; narrow it otherwise too."
    )


class EventOut(serializers.Serializer[Any]):
    """One event, as recorded."""

    index = serializers.IntegerField()
    event = serializers.CharField()
    at = serializers.DateTimeField()
    actor = serializers.CharField()
    subject_type = serializers.CharField()
    subject = serializers.CharField()
    details = serializers.SerializerMethodField()

    def get_details(self, row: Any) -> dict[str, Any]:
        return dict(queries.body(row)["details"])


class NewestFirst(Cursor):
    """The log's order, from its end."""

    ordering = ("-index",)


def _asked(shape: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    given = shape(data=request.query_params)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def _chosen(request: Request) -> Chosen:
    """Read the filters as the auditor's page does; what cannot be used is refused."""
    _asked(EventsIn, request)
    chosen = Chosen(request.query_params, request.user)
    if chosen.problems:
        raise InvalidInput(" ".join(chosen.problems), code="filter_invalid")
    return chosen


def _base64(hashes: list[bytes]) -> list[str]:
    return [base64.b64encode(hash_).decode() for hash_ in hashes]


class PublicView(APIView):
    """What anyone may read, signed in or not: nothing here says more than that the log is whole."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (StrangerThrottle,)


_NOTE = {
    (200, "text/plain"): OpenApiResponse(OpenApiTypes.STR, "Signed note: origin, size, root, signature.")
}
_LINES = {(200, "application/x-ndjson"): OpenApiResponse(OpenApiTypes.STR, "One JSON object a line.")}
_PROGRAM = {(200, "text/x-python"): OpenApiResponse(OpenApiTypes.STR, "The verifier's source.")}


class CheckpointView(PublicView):
    @extend_schema(responses=_NOTE, summary="Read the log's signed checkpoint", auth=[])
    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(checkpoints.current(), content_type="text/plain; charset=utf-8")


class InclusionView(PublicView):
    @extend_schema(
        parameters=[InclusionIn], responses=InclusionOut, summary="Prove that a leaf is in the log", auth=[]
    )
    def get(self, request: Request) -> Response:
        asked = _asked(InclusionIn, request)
        index, size = asked["index"], asked.get("size", proofs.length())
        proof = _base64(proofs.inclusion(index, size))
        return Response(InclusionOut({"index": index, "size": size, "proof": proof}).data)


class ConsistencyView(PublicView):
    @extend_schema(
        parameters=[ConsistencyIn], responses=ConsistencyOut, summary="Prove that the log only grew", auth=[]
    )
    def get(self, request: Request) -> Response:
        asked = _asked(ConsistencyIn, request)
        old, new = asked["old"], asked.get("new", proofs.length())
        proof = _base64(proofs.consistency(old, new))
        return Response(ConsistencyOut({"old": old, "new": new, "proof": proof}).data)


class LogKeyView(PublicView):
    @extend_schema(responses=LogKeyOut, summary="Read the log's public key", auth=[])
    def get(self, request: Request) -> Response:
        key = {"origin": checkpoints.origin(), "public_key": checkpoints.public_key()}
        return Response(LogKeyOut(key).data)


class VerifierView(PublicView):
    @extend_schema(responses=_PROGRAM, summary="Download the one-file offline verifier", auth=[])
    def get(self, request: Request) -> HttpResponse:
        response = HttpResponse(
            Path(verify.__file__).read_bytes(), content_type="text/x-python; charset=utf-8"
        )
        response["Content-Disposition"] = 'attachment; filename="verify.py"'
        return response


class EventsView(GenericAPIView[Any]):
    serializer_class = EventOut
    pagination_class = NewestFirst
    filter_backends = ()

    @extend_schema(parameters=[EventsIn], responses=EventOut(many=True), summary="List events, newest first")
    def get(self, request: Request) -> Response:
        require(request.user, Permission.AUDIT_READ)
        rows = self.paginate_queryset(search.matching(_chosen(request).filters))
        return self.get_paginated_response(EventOut(rows, many=True).data)


class ExportView(APIView):
    @extend_schema(responses=_LINES, summary="Export the whole log for the verifier")
    def get(self, request: Request) -> StreamingHttpResponse:
        require(request.user, Permission.AUDIT_READ)
        response = StreamingHttpResponse(queries.export_lines(), content_type="application/x-ndjson")
        response["Content-Disposition"] = 'attachment; filename="audit.jsonl"'
        return response


class SelectionIn(EventsIn):
    """Which events, and in which form."""

    kind = serializers.ChoiceField(choices=["jsonl", "csv"], default="jsonl")


_SELECTION = _LINES | {(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, "One event a line.")}


class SelectionView(APIView):
    @extend_schema(
        parameters=[SelectionIn], responses=_SELECTION, summary="Export the events that match, streamed"
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        require(request.user, Permission.AUDIT_READ)
        kind = _asked(SelectionIn, request)["kind"]
        chosen = _chosen(request)
        return audit_export.response(kind, chosen.filters, chosen.typed)


class LogCheckOut(serializers.Serializer[Any]):
    """One check of everything; `report` is empty until it is finished."""

    id = serializers.CharField(source="key")
    status = serializers.CharField(help_text="queued, running, finished or failed.")
    is_whole = serializers.BooleanField()
    asked_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    report = serializers.DictField(help_text="Counts, the checkpoint, and a sentence for each fault.")


class ChecksView(APIView):
    @extend_schema(responses=LogCheckOut(many=True), summary="List the newest checks of log and ledger")
    def get(self, request: Request) -> Response:
        return Response(LogCheckOut(verification.latest(request.user), many=True).data)

    @extend_schema(request=None, responses={202: LogCheckOut}, summary="Have a worker check log and ledger")
    def post(self, request: Request) -> Response:
        return Response(LogCheckOut(verification.ask(by=request.user)).data, status=202)


class WitnessOut(serializers.Serializer[Any]):
    """The anti-rollback checkpoint, and how the log stands to it."""

    standing = serializers.CharField(source="comparison.standing")
    place = serializers.CharField()
    written_at = serializers.DateTimeField(allow_null=True)
    size = serializers.IntegerField(source="comparison.size")
    log_root = serializers.CharField(source="comparison.root")
    witnessed_size = serializers.IntegerField(source="comparison.witnessed_size", allow_null=True)
    behind_by = serializers.IntegerField(allow_null=True, help_text="Events since it was written.")


class WitnessView(APIView):
    @extend_schema(responses=WitnessOut, summary="Read where the witness stands")
    def get(self, request: Request) -> Response:
        require(request.user, Permission.AUDIT_READ)
        return Response(WitnessOut(checkpoints.witness_status()).data)


urlpatterns = [
    path("audit/checkpoint/", CheckpointView.as_view()),
    path("audit/proofs/inclusion/", InclusionView.as_view()),
    path("audit/proofs/consistency/", ConsistencyView.as_view()),
    path("audit/key/", LogKeyView.as_view()),
    path("audit/verifier/", VerifierView.as_view()),
    path("audit/events/", EventsView.as_view()),
    path("audit/export/", ExportView.as_view()),
    path("audit/selection/", SelectionView.as_view()),
    path("audit/checks/", keeping(ChecksView).as_view()),
    path("audit/witness/", WitnessView.as_view()),
]
