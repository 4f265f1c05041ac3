"""The ledger over REST: its lines with filters, and the check of the books."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from domains.ledger import books, lines
from domains.ledger.lifecycle import Scope
from domains.people.permissions import Permission, require
from domains.requests import queries as requests
from portal.api.idempotency import keeping
from portal.api.paging import Cursor
from portal.api.shapes import LossOut
from privacy.loss import Loss


class LineIn(serializers.Serializer[Any]):
    """Which lines; what is left out filters nothing."""

    account = serializers.CharField(max_length=26, required=False, help_text="Key of the account.")
    kind = serializers.ChoiceField(choices=lines.KINDS, required=False)
    scope = serializers.ChoiceField(choices=[str(scope) for scope in Scope], required=False)
    dataset = serializers.CharField(max_length=60, required=False, help_text="Short name of the dataset.")
    project = serializers.CharField(max_length=26, required=False, help_text="Key of the project.")
    person = serializers.CharField(max_length=26, required=False, help_text="Key of the person.")
    since = serializers.DateField(required=False)
    until = serializers.DateField(required=False, help_text="The last day, included.")


class LedgerLineOut(serializers.Serializer[Any]):
    """One charge's effect on one account, and the account's balance after it."""

    seq = serializers.IntegerField()
    at = serializers.DateTimeField()
    kind = serializers.CharField()
    account = serializers.CharField(source="account_id")
    scope = serializers.CharField(source="account.scope")
    label = serializers.CharField()  # type: ignore[assignment]  # a field of that name, not its own label
    charge = serializers.CharField(source="charge_id")
    charge_state = serializers.CharField(source="charge.state")
    loss = serializers.SerializerMethodField()
    reserved = serializers.SerializerMethodField()
    spent = serializers.SerializerMethodField()

    def get_loss(self, row: Any) -> dict[str, Any]:
        return dict(LossOut(row).data)

    def get_reserved(self, row: Any) -> dict[str, Any]:
        return dict(LossOut(Loss(row.rho_reserved, row.delta_reserved, row.pure_reserved)).data)

    def get_spent(self, row: Any) -> dict[str, Any]:
        return dict(LossOut(Loss(row.rho_spent, row.delta_spent, row.pure_spent)).data)


class LedgerPageOut(serializers.Serializer[Any]):
    """A page of lines."""

    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = LedgerLineOut(many=True)


class LedgerLineDetailOut(LedgerLineOut):
    """One line with the request that its charge was for, where the caller may see it."""

    request = serializers.CharField(allow_null=True)


class NewestFirst(Cursor):
    """The order of the books, from their end."""

    ordering = "-seq"


class Lines(APIView):
    @extend_schema(
        operation_id="budgets_entries_list",
        parameters=[LineIn],
        responses=LedgerPageOut,
        summary="List lines of the ledger that the caller may see",
    )
    def get(self, request: Request) -> Response:
        given = LineIn(data=request.query_params)
        given.is_valid(raise_exception=True)
        pages = NewestFirst()
        found = pages.paginate_queryset(lines.rows(request.user, **given.validated_data), request, view=self)
        return pages.get_paginated_response(LedgerLineOut(found, many=True).data)


class Line(APIView):
    @extend_schema(responses=LedgerLineDetailOut, summary="Read one line of the ledger")
    def get(self, request: Request, seq: int) -> Response:
        row = lines.one(seq, request.user)
        analysis = requests.paid_by(row.charge_id, request.user)
        return Response(LedgerLineOut(row).data | {"request": analysis.pk if analysis else None})


class BooksCheckOut(serializers.Serializer[Any]):
    """What a check of the books found."""

    accounts = serializers.IntegerField()
    charges = serializers.IntegerField()
    entries = serializers.IntegerField()
    is_sound = serializers.BooleanField()
    differences = serializers.ListField(child=serializers.CharField())


class Books(APIView):
    @extend_schema(responses=BooksCheckOut, summary="Check the books now, as an auditor or administrator")
    def get(self, request: Request) -> Response:
        return Response(BooksCheckOut(books.look(request.user)).data)

    @extend_schema(
        request=None, responses=BooksCheckOut, summary="Check the books and record it, as an administrator"
    )
    def post(self, request: Request) -> Response:
        require(request.user, Permission.AUDIT_RECONCILE)
        return Response(BooksCheckOut(books.check(by=request.user)).data)


urlpatterns = [
    path("budgets/entries/", Lines.as_view()),
    path("budgets/entries/<int:seq>/", Line.as_view()),
    path("budgets/books/", keeping(Books).as_view()),
]
