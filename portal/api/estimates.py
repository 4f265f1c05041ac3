"""What a question would cost, how exact it would be and what policy would say; nothing is stored."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from domains.catalog.policy import ANSWERS
from domains.people.models import User
from domains.projects.models import AccessGrant
from domains.requests.accounting import Accounting
from domains.requests.estimates import Estimate, estimate
from domains.requests.policy import Allow, Refuse
from domains.requests.targets import least_epsilon
from portal.api.shapes import EffectOut, LossOut, RuleOut
from privacy.query.target import known_errors
from privacy.schema import decimal_text


class EstimateIn(serializers.Serializer[Any]):
    """A question as it would be asked."""

    grant = serializers.CharField(max_length=26, help_text="Key of the access grant that would pay.")
    sql = serializers.CharField(max_length=20_000)
    epsilon = serializers.CharField(
        max_length=20, required=False, help_text="A decimal above 0, at most 10, such as 0.1."
    )
    accounting = serializers.ChoiceField(
        choices=[kind.value for kind in Accounting],
        default=Accounting.ZCDP.value,
        help_text="What the ε is paid in: zcdp (ρ), pure (pure ε, Laplace noise) or auto (the more exact one).",
    )
    error = serializers.CharField(
        max_length=20,
        required=False,
        help_text="Instead of ε: the ± at 95 % that the figures must keep within, such as 50.",
    )
    figure = serializers.CharField(
        max_length=128, required=False, allow_blank=True, default="", help_text="Which figure must; else all."
    )
    rows = serializers.IntegerField(
        min_value=1,
        max_value=10**12,
        required=False,
        allow_null=True,
        default=None,
        help_text="How many rows you suppose a group has; the errors of means depend on it.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("epsilon" in attrs) == ("error" in attrs):
            raise serializers.ValidationError({"epsilon": "Give either an ε or the error that you need."})
        return attrs


class ColumnPriceOut(serializers.Serializer[Any]):
    """What is known beforehand about one column of the answer."""

    name = serializers.CharField()
    kind = serializers.CharField()
    plus_minus_95 = serializers.CharField(
        allow_null=True,
        help_text="± at 95 %, as a decimal; null where it depends on the size of the data.",
    )
    expected_95 = serializers.CharField(
        allow_null=True, help_text="± at 95 % in groups of the `rows` that you supposed; null without."
    )
    note = serializers.CharField(allow_blank=True)


class MeasureOut(serializers.Serializer[Any]):
    """One exact figure, how it is made private, and its share of the loss."""

    name = serializers.CharField()
    mechanism = serializers.CharField()
    plus_minus_95 = serializers.CharField(allow_null=True)


class CheckOut(serializers.Serializer[Any]):
    """One condition under which a grant may be used now."""

    code = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field of that name, not its own label
    ok = serializers.BooleanField()
    hint = serializers.CharField(allow_blank=True)


class EstimateOut(serializers.Serializer[Any]):
    """The whole estimate; public values only."""

    loss = LossOut(source="specification.loss")
    epsilon = serializers.CharField(source="specification.epsilon")
    accounting = serializers.CharField(
        source="specification.accounting",
        help_text="What it would be paid in: zcdp or pure; auto has chosen.",
    )
    measures = serializers.SerializerMethodField(
        help_text="What is known beforehand of each figure of the answer."
    )
    mechanisms = serializers.SerializerMethodField(help_text="How each exact figure is made private.")
    deadline_seconds = serializers.CharField(source="specification.pricing.deadline_seconds")
    effects = EffectOut(many=True)
    fits = serializers.BooleanField()
    similar_left = serializers.IntegerField()
    is_repeat = serializers.BooleanField(
        help_text="It was answered before within this grant and would cost nothing."
    )
    covered_by = serializers.SerializerMethodField(
        help_text="Requests of this grant whose fitted models answer it at no charge."
    )
    verdict = serializers.SerializerMethodField(help_text="What the dataset's policy would answer.")
    rules = RuleOut(many=True, source="verdict.findings")
    usable = serializers.BooleanField(source="usable.ok")
    checks = CheckOut(many=True, source="usable.checks")
    in_words = serializers.ListField(child=serializers.CharField())
    columns = serializers.ListField(child=serializers.CharField())

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_covered_by(self, estimate: Estimate) -> list[str]:
        return [analysis.pk for analysis in estimate.covered_by]

    @extend_schema_field(ColumnPriceOut(many=True))
    def get_measures(self, estimate: Estimate) -> list[dict[str, Any]]:
        pricing, rows = estimate.specification.pricing, self.context.get("rows")
        supposed = known_errors(pricing, rows) if rows else {}
        return [
            output.to_dict() | {"expected_95": _text(supposed.get(output.name))}
            for output in pricing.outputs
            if output.kind != "key"
        ]

    @extend_schema_field(MeasureOut(many=True))
    def get_mechanisms(self, estimate: Estimate) -> list[dict[str, Any]]:
        names = ("name", "mechanism", "plus_minus_95")
        found = [measure.to_dict() for measure in estimate.specification.pricing.measures]
        return [{name: measure[name] for name in names} for measure in found]

    @extend_schema_field(serializers.ChoiceField(choices=ANSWERS))
    def get_verdict(self, estimate: Estimate) -> str:
        if isinstance(estimate.verdict, Allow):
            return "allow"
        return "refuse" if isinstance(estimate.verdict, Refuse) else "refer"


def _text(value: Decimal | None) -> str | None:
    return None if value is None else decimal_text(value)


def answered(grant: AccessGrant, given: dict[str, Any], by: User) -> Any:
    """Return the estimate of what an `EstimateIn` asks, at the ε that is offered or the least that is enough."""
    sql, rows, accounting = given["sql"], given["rows"], given["accounting"]
    error, epsilon = given.get("error"), given.get("epsilon", "")
    if error is not None:
        wanted = {"error": error, "figure": given["figure"], "rows": rows, "accounting": accounting}
        found = least_epsilon(grant, sql=sql, by=by, **wanted)
        epsilon, accounting = format(found.epsilon, "f"), found.accounting.value
    priced = estimate(grant, sql=sql, epsilon=epsilon, accounting=accounting, by=by)
    return EstimateOut(priced, context={"rows": rows}).data
