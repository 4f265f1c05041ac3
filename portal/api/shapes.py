"""Small serializers that several resources share, and how the outside reads a loss."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from privacy.loss import DELTA_UNIT, PURE_UNIT, RHO_UNIT


def valid(shape: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """Return the body of `request` as `shape` reads it, or raise ValidationError naming each field."""
    given = shape(data=request.data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


class LossOut(serializers.Serializer[Any]):
    """A privacy loss: exact integers as the ledger counts them, and the same as plain numbers for reading."""

    rho_units = serializers.IntegerField(source="rho", help_text="ρ in units of 1e-12; exact.")
    delta_units = serializers.IntegerField(source="delta", help_text="δ in units of 1e-18; exact.")
    pure_units = serializers.IntegerField(source="pure", help_text="Pure ε in units of 1e-12; exact.")
    rho = serializers.SerializerMethodField(help_text="ρ as a number, for reading.")
    delta = serializers.SerializerMethodField(help_text="δ as a number, for reading.")
    pure = serializers.SerializerMethodField(help_text="Pure ε as a number, for reading.")

    def get_rho(self, loss: Any) -> float:
        return float(loss.rho / RHO_UNIT)

    def get_delta(self, loss: Any) -> float:
        return float(loss.delta / DELTA_UNIT)

    def get_pure(self, loss: Any) -> float:
        return float(loss.pure / PURE_UNIT)


class PersonShort(serializers.Serializer[Any]):
    """A person as others see them in a list."""

    id = serializers.CharField(source="pk")
    name = serializers.CharField()


class ProjectShort(serializers.Serializer[Any]):
    """A project as a reference."""

    id = serializers.CharField(source="pk")
    title = serializers.CharField()


class DatasetShort(serializers.Serializer[Any]):
    """A dataset as a reference."""

    slug = serializers.CharField()
    title = serializers.CharField()


class BalanceOut(serializers.Serializer[Any]):
    """One account's cap and what is left under it; the ε figures are for reading, the losses count.

    Each ε is the total: pure ε, and the least that ρ implies.
    """

    account = serializers.CharField(
        allow_null=True, help_text="Key; null before the first charge opens a person's account."
    )
    scope = serializers.ChoiceField(choices=["population", "dataset", "grant", "person"])
    label = serializers.CharField()  # type: ignore[assignment]  # a field of that name, not its own label
    limit = LossOut()
    reserved = LossOut()
    spent = LossOut()
    left = LossOut()
    epsilon_limit = serializers.FloatField()
    epsilon_used = serializers.FloatField()
    epsilon_left = serializers.FloatField()


class EffectOut(serializers.Serializer[Any]):
    """What a loss would do to one account."""

    balance = BalanceOut()
    epsilon_before = serializers.FloatField()
    epsilon_after = serializers.FloatField()
    fits = serializers.BooleanField()
    similar_left = serializers.IntegerField(
        help_text="How many questions of this cost still fit, this one included."
    )


class RuleOut(serializers.Serializer[Any]):
    """One policy rule's outcome."""

    rule = serializers.CharField()
    outcome = serializers.ChoiceField(choices=["pass", "warn", "fail"])
    text = serializers.CharField()
    version = serializers.IntegerField(allow_null=True, help_text="Of the policy; null where there is none.")
