"""What a question would cost, how exact it would be and what policy would say; nothing is stored."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from domains.requests.estimates import Estimate
from domains.requests.policy import Allow, Refuse
from portal.api.shapes import EffectOut, LossOut


class EstimateIn(serializers.Serializer[Any]):
    """A question as it would be asked."""

    grant = serializers.CharField(max_length=26, help_text="Key of the access grant that would pay.")
    sql = serializers.CharField(max_length=20_000)
    epsilon = serializers.CharField(max_length=20, help_text="A decimal above 0, at most 10, such as 0.1.")


class ColumnPriceOut(serializers.Serializer[Any]):
    """What is known beforehand about one column of the answer."""

    name = serializers.CharField()
    kind = serializers.CharField()
    plus_minus_95 = serializers.CharField(
        allow_null=True,
        help_text="± at 95 %, as a decimal; null where it depends on the size of the data.",
    )
    note = serializers.CharField(allow_blank=True)


class RuleOut(serializers.Serializer[Any]):
    """One policy rule's outcome."""

    rule = serializers.CharField()
    outcome = serializers.ChoiceField(choices=["pass", "warn", "fail"])
    text = serializers.CharField()


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
    measures = serializers.SerializerMethodField(
        help_text="What is known beforehand of each figure of the answer."
    )
    deadline_seconds = serializers.CharField(source="specification.pricing.deadline_seconds")
    effects = EffectOut(many=True)
    fits = serializers.BooleanField()
    similar_left = serializers.IntegerField()
    is_repeat = serializers.BooleanField(
        help_text="It was answered before within this grant and would cost nothing."
    )
    verdict = serializers.SerializerMethodField(help_text="What the dataset's policy would answer.")
    rules = RuleOut(many=True, source="verdict.findings")
    usable = serializers.BooleanField(source="usable.ok")
    checks = CheckOut(many=True, source="usable.checks")
    in_words = serializers.ListField(child=serializers.CharField())
    columns = serializers.ListField(child=serializers.CharField())

    @extend_schema_field(ColumnPriceOut(many=True))
    def get_measures(self, estimate: Estimate) -> list[dict[str, Any]]:
        outputs = estimate.specification.pricing.outputs
        return [output.to_dict() for output in outputs if output.kind != "key"]

    @extend_schema_field(serializers.ChoiceField(choices=["allow", "refer", "refuse"]))
    def get_verdict(self, estimate: Estimate) -> str:
        if isinstance(estimate.verdict, Allow):
            return "allow"
        return "refuse" if isinstance(estimate.verdict, Refuse) else "refer"
