"""Models and migrations agree, decisions are paired, and what happened is never deleted by accident."""

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import models

from domains import triggers
from domains.base import AppendOnly, HasLifecycle

OURS = [model for model in apps.get_models() if model.__module__.startswith("domains.")]
LABELS = [model._meta.label for model in OURS]


@pytest.mark.django_db
def test_no_migration_is_missing():
    call_command("makemigrations", check=True, dry_run=True, verbosity=1)


@pytest.mark.parametrize("model", OURS, ids=LABELS)
def test_a_model_says_what_it_is(model):
    assert model.__doc__
    assert not model.__doc__.startswith(f"{model.__name__}(")  # Django's own filler
    assert model.__str__ is not models.Model.__str__


@pytest.mark.parametrize("model", [m for m in OURS if issubclass(m, AppendOnly)], ids=lambda m: m._meta.label)
def test_append_only_rows_are_guarded_by_the_database(model):
    table = model._meta.db_table
    names = {trigger.name for trigger in triggers.expected() if trigger.table == table}
    assert {f"{table}_no_update", f"{table}_no_delete"} <= names


@pytest.mark.parametrize("model", OURS, ids=LABELS)
def test_a_person_who_decided_is_never_deleted_with_the_decision(model):
    people = [field for field in model._meta.fields if getattr(field, "related_model", None) is not None]
    loose = {field.name for field in people if field.remote_field.on_delete is models.CASCADE}
    # A draft's tables and columns go with it, and notices with their reader.
    # A draft's tables and columns go with it, and notices with their reader.
    assert loose <= {"version", "table", "recipient"}


@pytest.mark.parametrize("model", OURS, ids=LABELS)
def test_times_and_people_of_a_decision_are_paired_by_constraint(model):
    names = {field.name for field in model._meta.fields}
    pairs = {name.removesuffix("_at") for name in names if name.endswith("_at")}
    pairs = {name for name in pairs if f"{name}_by" in names and model._meta.get_field(f"{name}_at").null}
    constraints = " ".join(constraint.name for constraint in model._meta.constraints)
    unpaired = {name for name in pairs if f"_{name}_paired" not in constraints}
    assert unpaired <= _DECIDED_BY_POLICY.get(model._meta.label, set())


# A policy may decide and release; then there is a time and no person, and the audit leaf names the policy.
_DECIDED_BY_POLICY = {"requests.AnalysisRequest": {"decided"}, "requests.Release": {"released"}}


@pytest.mark.parametrize(
    "model", [m for m in OURS if issubclass(m, HasLifecycle)], ids=lambda m: m._meta.label
)
def test_an_object_has_one_status(model):
    flags = {f.name for f in model._meta.fields if f.name.endswith("status") or f.name.endswith("state")}
    assert flags == {"status"}


@pytest.mark.parametrize("model", OURS, ids=LABELS)
def test_booleans_read_like_sentences(model):
    booleans = [f.name for f in model._meta.fields if isinstance(f, models.BooleanField)]
    assert [b for b in booleans if not b.startswith(("is_", "has_", "allows_", "nullable"))] == []
