"""Forms with which owners describe data in public terms. Nothing in them is ever filled in from the private rows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms

from domains.catalog.models import BoundSource, Column, DatasetVersion, Population, ResearchArea
from domains.intake.models import UploadFormat, UploadPurpose
from domains.people.permissions import Role
from portal.web.forms import EmailsField
from privacy.schema import Kind, decimal_text


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
    def of(version: DatasetVersion) -> dict[str, Any]:
        """Return the initial values for a version; max_units starts empty until somebody declared columns."""
        names = ("unit_column", "max_rows", "max_groups", "declared_rows")
        return {name: getattr(version, name) for name in names} | {
            "max_units": version.max_units if version.columns.all() else None
        }


class ColumnForm(forms.Form):
    """One column, declared in public terms; bounds and codes start empty (DECISIONS 22)."""

    name = forms.CharField(max_length=63, required=False)
    kind = forms.ChoiceField(choices=[(kind.value, kind.value) for kind in Kind])
    lower = forms.DecimalField(
        required=False, max_digits=24, decimal_places=6, widget=_short(inputmode="decimal")
    )
    upper = forms.DecimalField(
        required=False, max_digits=24, decimal_places=6, widget=_short(inputmode="decimal")
    )
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
        bounds = {end: None if data[end] is None else decimal_text(data[end]) for end in ("lower", "upper")}
        return {
            **{name: data[name] for name in ("name", "kind", "description")},
            **bounds,
            "step": decimal_text(data["step"] or Decimal(1)),
            "codes": read_codes(data["codes"]),
            "missing": [part.strip() for part in data["missing"].split(",") if part.strip()],
            "nullable": True,
            **({"source": data["source"]} if data["source"] else {}),
        }

    @staticmethod
    def of(column: Column) -> dict[str, Any]:
        """Return the initial values for a column that was declared before."""
        numbers = {
            name: None if getattr(column, name) is None else decimal_text(getattr(column, name))
            for name in ("lower", "upper", "step")
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
    attested = forms.BooleanField(
        label="I attest that every bound, code list and size comes from a protocol, a code book or a charged query, "
        "and never from looking at the data."
    )

    def __init__(self, *args: Any, is_first: bool, needs_population: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not is_first:
            del self.fields["dataset_epsilon"]
        if not needs_population:
            del self.fields["population_epsilon"]


class StewardForm(forms.Form):
    """Somebody to share the care of a dataset."""

    people = EmailsField(label="E-mail address", widget=forms.EmailInput())
    role = forms.ChoiceField(
        choices=[
            (Role.DATASET_REVIEWER.value, "reviewer: decides on requests"),
            (Role.DATASET_OWNER.value, "owner"),
        ]
    )


class PolicyForm(forms.Form):
    """What automation may decide on a dataset."""

    auto_epsilon = _epsilon("ε approved without a person, per request", initial=0)
    auto_epsilon_per_month = _epsilon("ε approved without a person, per project in 30 days", initial=0)
    max_epsilon = _epsilon("Most ε of any request", required=False, help_text="Above it, nobody may approve.")
    allows_unknown_keys = forms.BooleanField(
        label="Grouping by values without a public code list is allowed", required=False, initial=True
    )
