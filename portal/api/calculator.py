"""The calculator: what an ε buys and what an error costs, without data."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from domains.requests.accounting import Accounting
from domains.requests.calculator import Figure, Statistic, calculate
from portal.api.shapes import LossOut


class CalculatorIn(serializers.Serializer[Any]):
    """A figure over bounds that you make up; give an ε or the error that you need."""

    statistic = serializers.ChoiceField(choices=[each.value for each in Statistic])
    lower = serializers.DecimalField(max_digits=18, decimal_places=6, default=Decimal(0))
    upper = serializers.DecimalField(max_digits=18, decimal_places=6, default=Decimal(1))
    group = serializers.IntegerField(
        min_value=1, max_value=10**9, default=1000, help_text="How many values you suppose; means need it."
    )
    rows_each = serializers.IntegerField(
        min_value=1, max_value=10**6, default=1, help_text="How many of them may be one person's."
    )
    epsilon = serializers.CharField(max_length=20, default="", allow_blank=True)
    error = serializers.CharField(
        max_length=20, default="", allow_blank=True, help_text="Instead of ε: the ± at 95 % to keep within."
    )
    accounting = serializers.ChoiceField(
        choices=[Accounting.ZCDP.value, Accounting.PURE.value], default=Accounting.ZCDP.value
    )


class CalculationOut(serializers.Serializer[Any]):
    """What the figure costs and how exact it is."""

    epsilon = serializers.CharField()
    accounting = serializers.CharField()
    loss = LossOut()
    plus_minus_95 = serializers.CharField()
    delta = serializers.FloatField(help_text="The δ at which ε is read.")


class Calculator(APIView):
    @extend_schema(
        parameters=[CalculatorIn],
        responses=CalculationOut,
        summary="From an ε to the error, or from an error to the least ε; no data are involved",
    )
    def get(self, request: Request) -> Response:
        given = CalculatorIn(data=request.query_params)
        given.is_valid(raise_exception=True)
        data = dict(given.validated_data)
        choice = {name: data.pop(name) for name in ("epsilon", "error")}
        kind, statistic = Accounting(data.pop("accounting")), Statistic(data.pop("statistic"))
        found = calculate(Figure(statistic, **data), **choice, accounting=kind)
        return Response(CalculationOut(found).data)


urlpatterns = [path("calculator/", Calculator.as_view())]
