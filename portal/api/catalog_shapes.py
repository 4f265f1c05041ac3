"""How datasets, versions and policies look from outside; all of it is public or the caller's own."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from domains.catalog import queries
from domains.catalog.lifecycle import DatasetStatus, VersionStatus
from domains.catalog.models import BoundSource, Dataset, DatasetVersion
from domains.catalog.use import MOST_DETAIL, TERMS
from domains.ledger import queries as books
from domains.projects import queries as projects
from domains.synthetic import queries as synthetic
from portal.api.shapes import BalanceOut, ProjectShort
from privacy.schema import Kind, decimal_text

KINDS = [kind.value for kind in Kind]
TERM_CODES = list(TERMS)


class AreaShort(serializers.Serializer[Any]):
    """A research area as a reference."""

    slug = serializers.CharField()
    name = serializers.CharField()


class PopulationShort(serializers.Serializer[Any]):
    """A population as a reference."""

    id = serializers.CharField(source="pk")
    name = serializers.CharField()
    unit_label = serializers.CharField()


class ColumnOut(serializers.Serializer[Any]):
    """A declared column; numbers are exact decimal texts, and a date's bounds are ISO dates."""

    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=KINDS)
    description = serializers.CharField()
    lower = serializers.CharField(source="lower_text", allow_null=True)
    upper = serializers.CharField(source="upper_text", allow_null=True)
    step = serializers.SerializerMethodField(help_text="The grid on which sums are made.")
    codes = serializers.JSONField(help_text="The public code list: texts or whole numbers.")
    missing = serializers.ListField(
        child=serializers.CharField(), help_text="Raw values that mean “not known”."
    )
    nullable = serializers.BooleanField()
    source = serializers.ChoiceField(  # type: ignore[assignment]  # the stubs know another `source`
        choices=BoundSource.choices, help_text="Where bounds and codes come from."
    )

    def get_step(self, column: Any) -> str:
        return decimal_text(column.step)


class VersionShort(serializers.Serializer[Any]):
    """A version as a line of a list."""

    number = serializers.IntegerField()
    status = serializers.ChoiceField(choices=VersionStatus.values)
    published_at = serializers.DateTimeField(allow_null=True)
    declared_rows = serializers.IntegerField(allow_null=True, help_text="The size its owner publishes.")
    is_in_place = serializers.BooleanField(
        help_text="Whether its rows stay in a database of their own, where they may change."
    )


class TableOut(serializers.Serializer[Any]):
    """A table that a version has beside its main one, as it was declared."""

    name = serializers.CharField(help_text="Its name in SQL.")
    is_public = serializers.BooleanField(
        help_text="Whether it is a look-up table that holds nothing private."
    )
    key = serializers.CharField(
        allow_blank=True, help_text="The public table's column whose values are all different."
    )
    unit_column = serializers.CharField(allow_blank=True, help_text="The private table's privacy unit.")
    max_groups = serializers.IntegerField()
    max_rows = serializers.IntegerField()
    max_units = serializers.IntegerField(
        help_text="A public bound on its units, or on a public table's rows."
    )
    declared_rows = serializers.IntegerField(allow_null=True)
    columns = ColumnOut(many=True)


class VersionOut(VersionShort):
    """A version with its declared schema; nothing here was measured from the data."""

    unit_column = serializers.CharField(
        allow_blank=True, help_text="Empty where one row is one privacy unit."
    )
    max_groups = serializers.IntegerField(
        help_text="In how many groups of an answer one unit counts at most."
    )
    max_rows = serializers.IntegerField(help_text="How many rows of one unit count in a group at most.")
    max_units = serializers.IntegerField(help_text="A public bound on how many units there are.")
    name = serializers.CharField(source="main_name", help_text="The main table's name in SQL.")
    columns = ColumnOut(many=True)
    tables = TableOut(many=True, help_text="The tables beside the main one.")
    mock_origin = serializers.CharField(
        source="get_mock_origin_display", help_text="How the mock data came about."
    )


class DatasetOut(serializers.Serializer[Any]):
    """A dataset as a line of the catalogue."""

    slug = serializers.CharField()
    title = serializers.CharField()
    summary = serializers.CharField()
    status = serializers.ChoiceField(choices=DatasetStatus.values)
    area = AreaShort()
    population = PopulationShort()
    licence = serializers.CharField()
    current = VersionShort(allow_null=True, help_text="The version that can be asked; null before the first.")


class AskGrantOut(serializers.Serializer[Any]):
    """A grant under which the caller may ask."""

    id = serializers.CharField(source="pk")
    project = ProjectShort()


class AskOut(serializers.Serializer[Any]):
    """How to ask this dataset."""

    table = serializers.CharField(help_text="Its name in SQL.")
    grants = AskGrantOut(many=True, help_text="Empty: propose a project first.")


class UseConditionIn(serializers.Serializer[Any]):
    """One condition of use: a code of the Data Use Ontology, and what belongs to it."""

    code = serializers.ChoiceField(choices=TERM_CODES)
    detail = serializers.CharField(
        max_length=MOST_DETAIL,
        allow_blank=True,
        default="",
        help_text="Disease, people, institutions or day.",
    )


class UseConditionOut(UseConditionIn):
    """A declared condition with its term."""

    iri = serializers.CharField(source="value.term.iri")
    in_words = serializers.CharField(source="value.in_words")


class DatasetDetailOut(DatasetOut):
    """A dataset with its schema, its budget and how to ask."""

    provenance = serializers.CharField()
    tick = serializers.CharField(help_text="Seconds to which every time told outside is rounded.")
    version = serializers.SerializerMethodField(help_text="The version that can be asked, with its schema.")
    has_mock = serializers.SerializerMethodField()
    synthetic = serializers.SerializerMethodField(
        help_text="What its second grade of mock is called, with its ε; null where there is none."
    )
    budget = serializers.SerializerMethodField(help_text="The dataset's cap; null before it is published.")
    use_conditions = UseConditionOut(
        many=True, source="use_conditions.all", help_text="For what it may be used, in codes of DUO."
    )
    roles = serializers.SerializerMethodField(help_text="What the caller is here, such as dataset_owner.")
    ask = serializers.SerializerMethodField()

    @extend_schema_field(VersionOut(allow_null=True))
    def get_version(self, dataset: Dataset) -> Any:
        return None if dataset.current is None else VersionOut(dataset.current).data

    def get_has_mock(self, dataset: Dataset) -> bool:
        return queries.mock_version(dataset) is not None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_synthetic(self, dataset: Dataset) -> str | None:
        found = synthetic.shown(dataset)
        return None if found is None else found.label

    @extend_schema_field(BalanceOut(allow_null=True))
    def get_budget(self, dataset: Dataset) -> Any:
        balance = books.dataset_balance(dataset)
        return None if balance is None else BalanceOut(balance).data

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_roles(self, dataset: Dataset) -> list[str]:
        return sorted(role.value for role in dataset.roles_of(self.context["user"]))

    @extend_schema_field(AskOut)
    def get_ask(self, dataset: Dataset) -> Any:
        grants = projects.grants_of(self.context["user"]).filter(dataset=dataset)
        return AskOut({"table": dataset.slug.replace("-", "_"), "grants": grants}).data


def detail(dataset: Dataset, user: Any) -> Any:
    """Return a dataset as its own address shows it to `user`."""
    return DatasetDetailOut(dataset, context={"user": user}).data


def version_out(version: DatasetVersion) -> Any:
    """Return a version with its columns."""
    return VersionOut(version).data
