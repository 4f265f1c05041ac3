"""How access policies look from outside: documents, what they were tried on, and the language itself."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from domains.catalog import policy
from domains.catalog.models import AccessPolicy, DryRun
from domains.catalog.policy import ANSWERS
from domains.requests.dry_runs import PERIODS
from portal.api.shapes import PersonShort


class DocumentField(serializers.JSONField):
    """A policy as it is written; what is wrong in it is said rule by rule."""


extend_schema_field(policy.schema())(DocumentField)


class PolicyIn(serializers.Serializer[Any]):
    """Rules to propose."""

    document = DocumentField(
        help_text='Where a loss is asked for, an `epsilon` such as "0.1" may be written in place of `rho`.'
    )


class TryIn(serializers.Serializer[Any]):
    """How far a dry run looks back."""

    days = serializers.ChoiceField(choices=PERIODS, default=90)


class RulesIn(PolicyIn, TryIn):
    """Rules to try before they are proposed."""


class ActivateIn(serializers.Serializer[Any]):
    """What the person who activates has seen."""

    dry_run = serializers.CharField(
        max_length=26, help_text="Key of a dry run of this policy that you made within the last day."
    )


class DryRunShort(serializers.Serializer[Any]):
    """A dry run without its lines."""

    id = serializers.CharField(source="pk")
    days = serializers.IntegerField()
    until = serializers.DateTimeField()
    made_by = PersonShort()
    counts = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="Requests in all, with another answer than then, by what would be answered, and by the change, "
        "such as `refer>allow`.",
    )
    sha256 = serializers.CharField(help_text="Over the policy, the period and every line.")


class TriedLine(serializers.Serializer[Any]):
    """One past request: what automation answered then, what became of it, and what this policy would answer."""

    request = serializers.CharField()
    revision = serializers.CharField(help_text="SHA-256 of the revision.")
    at = serializers.DateTimeField(help_text="When it was submitted.")
    then = serializers.ChoiceField(choices=ANSWERS)
    became = serializers.CharField()
    now = serializers.ChoiceField(choices=ANSWERS)
    rules = serializers.ListField(child=serializers.CharField(), help_text="The rules that made it so.")
    is_changed = serializers.BooleanField()


class LinesOut(serializers.Serializer[Any]):
    """A dry run with one page of its lines, newest first."""

    dry_run = DryRunShort()
    count = serializers.IntegerField(help_text="Lines in all.")
    results = TriedLine(many=True)


class TriedOut(serializers.Serializer[Any]):
    """What rules that nobody has proposed yet would have answered; the newest 200 lines."""

    counts = serializers.DictField(child=serializers.IntegerField())
    results = TriedLine(many=True)


class WaitingOut(serializers.Serializer[Any]):
    """A dry run that a worker makes; ask for the list of dry runs in a moment."""

    status = serializers.ChoiceField(choices=["queued"])
    job = serializers.CharField()


class PolicyOut(serializers.Serializer[Any]):
    """One version of a dataset's rules for automation."""

    number = serializers.IntegerField()
    phase = serializers.ChoiceField(choices=["proposed", "active", "ended"])
    document = serializers.SerializerMethodField()
    sha256 = serializers.CharField(help_text="Of the document in its one spelling.")
    in_words = serializers.SerializerMethodField(help_text="A sentence for each rule.")
    proposed_by = PersonShort()
    activated_by = PersonShort(allow_null=True)
    activated_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    dry_run_sha256 = serializers.SerializerMethodField(
        help_text="What the person who activated it had seen; empty before, and where there were none."
    )

    @extend_schema_field(policy.schema())
    def get_document(self, row: AccessPolicy) -> dict[str, Any]:
        return row.rules.to_dict()

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_in_words(self, row: AccessPolicy) -> list[str]:
        return row.rules.in_words(row.dataset.population.conversion_delta)

    @extend_schema_field(OpenApiTypes.STR)
    def get_dry_run_sha256(self, row: AccessPolicy) -> str:
        return row.dry_run.sha256 if row.dry_run else ""


class TemplateOut(serializers.Serializer[Any]):
    """A policy to begin with."""

    name = serializers.CharField()
    title = serializers.CharField()
    about = serializers.CharField()
    document = DocumentField()


class LanguageOut(serializers.Serializer[Any]):
    """What can be written for a dataset: the language, the columns that rules may name, and templates."""

    schema = serializers.DictField(help_text="The language as a JSON Schema.")
    columns = serializers.ListField(child=serializers.CharField())
    templates = TemplateOut(many=True)


def lines_out(made: DryRun, lines: list[Any], count: int) -> Any:
    """Return a dry run with a page of its lines."""
    return LinesOut({"dry_run": made, "count": count, "results": lines}).data
