"""Forms with which owners describe data in public terms. Nothing in them is ever filled in from the private rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms

from domains.catalog.declared import DeclaredColumn
from domains.catalog.models import BoundSource, DatasetVersion, Population, ResearchArea, VersionTable
from domains.intake.models import UploadFormat, UploadPurpose
from domains.people.permissions import Role
from portal.web.forms import EmailsField
from privacy.schema import Kind, decimal_text

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def _short(**attrs: str) -> forms.TextInput:
    return forms.TextInput(attrs={"class": "form-short", "autocomplete": "off", **attrs})


class DatasetForm(forms.Form):
    """What the catalogue says of a dataset."""

    area = forms.ModelChoiceField(
        label="Research area", queryset=ResearchArea.objects.none(), empty_label="Choose …"
    )
    title = forms.CharField(max_length=160)
    slug = forms.SlugField(
        label="Short name",
        max_length=50,
        widget=_short(),
        help_text="Letters, digits and hyphens. It is the address and, in queries, the table's name.",
    )
    summary = forms.CharField(required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": "3"}))
    provenance = forms.CharField(
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": "3"}),
        help_text="Who collected it, when and how.",
    )
    licence = forms.CharField(required=False, max_length=80)
    population = forms.ModelChoiceField(
        required=False,
        queryset=Population.objects.none(),
        empty_label="A new one, described below",
        help_text="Datasets about the same people share one budget: choose it if their data is here already.",
    )
    new_population = forms.CharField(
        label="New population", required=False, max_length=160, help_text="Who it is about."
    )
    unit_label = forms.CharField(
        label="One of them is called",
        required=False,
        max_length=80,
        initial="one patient",
        widget=_short(),
        help_text="Whom the answers protect.",
    )

    def __init__(self, *args: Any, areas: Any, populations: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["area"].queryset = areas  # type: ignore[attr-defined]
        self.fields["population"].queryset = populations  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not data.get("population") and not data.get("new_population"):
            self.add_error("new_population", "Choose a population above, or name a new one.")
        if not data.get("population") and not data.get("unit_label"):
            self.add_error("unit_label", "Say what one member of the new population is called.")
        return data


class UploadForm(forms.Form):
    """A file on its way in."""

    file = forms.FileField(widget=forms.ClearableFileInput(attrs={"accept": ".csv,.csv.gz,.parquet"}))
    format = forms.ChoiceField(choices=UploadFormat.choices)
    purpose = forms.ChoiceField(
        choices=UploadPurpose.choices,
        help_text="Mock data is shown to everyone after a second person has looked at it.",
    )
    table = forms.ChoiceField(required=False, help_text="Which table the file is for.")

    def __init__(self, *args: Any, tables: Sequence[str] = (), main: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", f"{main} (main)"), *((name, name) for name in tables)]
        self.fields["table"].choices = choices  # type: ignore[attr-defined]
        if not tables:
            del self.fields["table"]


class VersionForm(forms.Form):
    """The privacy unit and its contribution bound."""

    unit_column = forms.CharField(
        label="Column that names the privacy unit",
        required=False,
        max_length=63,
        widget=_short(),
        help_text="Such as patient_id. Left empty, one row is one unit.",
    )
    max_units = forms.IntegerField(
        label="At most how many units",
        min_value=1,
        max_value=10**12,
        widget=_short(inputmode="numeric"),
        help_text="A public upper bound, not the true number.",
    )
    max_rows = forms.IntegerField(
        label="Rows of one unit in a group",
        min_value=1,
        max_value=10**6,
        initial=1,
        widget=_short(inputmode="numeric"),
    )
    max_groups = forms.IntegerField(
        label="Groups that one unit counts in",
        min_value=1,
        max_value=10**6,
        initial=1,
        widget=_short(inputmode="numeric"),
    )
    declared_rows = forms.IntegerField(
        label="Size shown in the catalogue",
        required=False,
        min_value=1,
        widget=_short(inputmode="numeric"),
        help_text="Only if the size is public already.",
    )

    @staticmethod
    def of(version: DatasetVersion | VersionTable) -> dict[str, Any]:
        """Return the initial values for a version or its table; max_units starts empty before a declaration."""
        names = ("unit_column", "max_rows", "max_groups", "declared_rows")
        return {name: getattr(version, name) for name in names} | {
            "max_units": version.max_units if version.columns.all() else None
        }


class TableForm(forms.Form):
    """A further table's name, and whether it is private."""

    name = forms.RegexField(
        r"^[a-z][a-z0-9_]{0,62}\Z",
        max_length=63,
        widget=_short(),
        help_text="Small letters, digits and underscores: its name in queries.",
    )
    is_public = forms.BooleanField(
        label="A public look-up table that holds nothing private: everybody may download it", required=False
    )


class PrivateTableForm(VersionForm):
    """A private further table's unit and contribution bound."""

    unit_column = forms.CharField(
        label="Column that names the privacy unit",
        max_length=63,
        widget=_short(),
        help_text="It holds the same identifiers as the main table's, by which tables are joined.",
    )


class PublicTableForm(forms.Form):
    """A public look-up table's key and size."""

    key = forms.CharField(
        max_length=63,
        widget=_short(),
        help_text="The column that queries look rows up by. Every row has a value, and no two have the same.",
    )
    max_units = forms.IntegerField(
        label="At most how many rows", min_value=1, max_value=10**12, widget=_short(inputmode="numeric")
    )

    @staticmethod
    def of(table: VersionTable) -> dict[str, Any]:
        """Return the initial values for a table."""
        return {"key": table.key, "max_units": table.max_units if table.is_declared else None}


class BoundField(forms.CharField):
    """A bound as people write it: a decimal number, or for a date a day written YYYY-MM-DD."""

    number = forms.DecimalField(max_digits=24, decimal_places=6)

    def clean(self, value: Any) -> str | None:
        text = super().clean(value).strip()
        if not text or _DAY.fullmatch(text):
            return text or None
        return decimal_text(self.number.clean(text))


class ColumnForm(forms.Form):
    """One column, declared in public terms; bounds and codes start empty (DECISIONS 22)."""

    name = forms.CharField(max_length=63, required=False)
    kind = forms.ChoiceField(choices=[(kind.value, kind.value) for kind in Kind])
    lower = BoundField(required=False, max_length=32, widget=_short())
    upper = BoundField(required=False, max_length=32, widget=_short())
    step = forms.DecimalField(
        required=False, min_value=Decimal("0.000001"), decimal_places=6, widget=_short(inputmode="decimal")
    )
    codes = forms.CharField(
        required=False, widget=forms.Textarea(attrs={"rows": "1", "placeholder": "codes"})
    )
    missing = forms.CharField(
        required=False, widget=forms.TextInput(attrs={"placeholder": "missing, such as -9"})
    )
    source = forms.ChoiceField(required=False, choices=[("", "–"), *BoundSource.choices])
    description = forms.CharField(
        required=False, max_length=200, widget=forms.TextInput(attrs={"placeholder": "description"})
    )

    def value(self) -> dict[str, Any]:
        """Return the column as the catalogue's action takes it."""
        data = self.cleaned_data
        return {
            **{name: data[name] for name in ("name", "kind", "description", "lower", "upper")},
            "step": decimal_text(data["step"] or Decimal(1)),
            "codes": read_codes(data["codes"]),
            "missing": [part.strip() for part in data["missing"].split(",") if part.strip()],
            "nullable": True,
            **({"source": data["source"]} if data["source"] else {}),
        }

    @staticmethod
    def of(column: DeclaredColumn) -> dict[str, Any]:
        """Return the initial values for a column that was declared before."""
        numbers = {
            "lower": column.lower_text,
            "upper": column.upper_text,
            "step": decimal_text(column.step),
        }
        has_facts = column.lower is not None or column.codes
        return {
            **{name: getattr(column, name) for name in ("name", "kind", "description")},
            **numbers,
            "codes": "\n".join(str(code) for code in column.codes),
            "missing": ", ".join(column.missing),
            "source": column.source if has_facts else "",
        }


def read_codes(text: str) -> list[str | int]:
    """Read a code list, one a line; it is a list of numbers where every line is a plain whole number."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]

    def is_plain(line: str) -> bool:
        return line.lstrip("-").isdecimal() and str(int(line)) == line

    return [int(line) for line in lines] if lines and all(map(is_plain, lines)) else list(lines)


ColumnFormSet = forms.formset_factory(ColumnForm, extra=0, max_num=1000, absolute_max=1000)


def _epsilon(label: str, **options: Any) -> forms.DecimalField:
    widget = _short(inputmode="decimal")
    return forms.DecimalField(
        label=label, min_value=0, max_digits=9, decimal_places=6, widget=widget, **options
    )


class PublishForm(forms.Form):
    """The owner's attestation, and the caps when a dataset is first published."""

    dataset_epsilon = _epsilon(
        "ε for the dataset", help_text="All answers from it together may never cost more."
    )
    population_epsilon = _epsilon(
        "ε for the population",
        help_text="All answers about these people, from every dataset here, may never cost more.",
    )
    dataset_pure_epsilon = _epsilon(
        "Pure ε for the dataset (Laplace)",
        required=False,
        help_text="A second budget beside it, for answers with Laplace noise. Left empty, there is none.",
    )
    population_pure_epsilon = _epsilon(
        "Pure ε for the population (Laplace)",
        required=False,
        help_text="The same for all answers about these people.",
    )
    attested = forms.BooleanField(
        label="I attest that every bound, code list and size comes from a protocol, a code book or a charged query, "
        "and never from looking at the data."
    )

    def __init__(self, *args: Any, is_first: bool, needs_population: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not is_first:
            del self.fields["dataset_epsilon"], self.fields["dataset_pure_epsilon"]
        if not needs_population:
            del self.fields["population_epsilon"], self.fields["population_pure_epsilon"]

    def clean(self) -> dict[str, Any]:
        """Read an empty pure ε as none."""
        data = super().clean() or self.cleaned_data
        empty = [name for name, value in data.items() if name.endswith("pure_epsilon") and value is None]
        return data | dict.fromkeys(empty, Decimal(0))


class StewardForm(forms.Form):
    """Somebody to share the care of a dataset."""

    people = EmailsField(label="E-mail address", widget=forms.EmailInput())
    role = forms.ChoiceField(
        choices=[
            (Role.DATASET_REVIEWER.value, "reviewer: decides on requests"),
            (Role.DATASET_OWNER.value, "owner"),
        ]
    )
