"""Forms of the budget pages: they read what was typed and say how to mend it, no more."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django import forms

from domains.ledger.lifecycle import Scope
from domains.ledger.lines import BURNT

_SHORT = {"inputmode": "decimal", "class": "form-short", "autocomplete": "off"}


def _epsilon(label: str, help_text: str, *, required: bool = True) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        required=required,
        min_value=Decimal(0),
        max_digits=9,
        decimal_places=6,
        widget=forms.TextInput(attrs=_SHORT),
        help_text=help_text,
    )


class WhyForm(forms.Form):
    """Why something is declined."""

    reason = forms.CharField(max_length=300, widget=forms.Textarea(attrs={"rows": "2"}))


class ProposeForm(forms.Form):
    """The whole new limit that a second person will confirm."""

    epsilon = _epsilon("New limit, ε", "The whole budget from then on, not what is added.")
    pure_epsilon = _epsilon(
        "New limit, pure ε", "For answers with Laplace noise. Left empty, it stays as it is.", required=False
    )


class LimitForm(ProposeForm):
    """A new limit, and why."""

    reason = forms.CharField(
        max_length=300,
        widget=forms.Textarea(attrs={"rows": "3"}),
        help_text="Kept with the change; whoever it concerns reads it.",
    )


class _Filter(forms.Form):
    """A filter of a list; a value that does not fit filters nothing and says so."""

    def chosen(self) -> dict[str, Any]:
        """Return every filter by name, empty where it was left open or could not be read."""
        self.is_valid()
        return {name: self.cleaned_data.get(name) or "" for name in self.fields}

    def query(self) -> str:
        """Return the filters as an address keeps them."""
        return urlencode({name: str(value) for name, value in self.chosen().items() if value})


_SCOPES = [("", "All")] + [(str(scope), str(scope)) for scope in Scope]


class BudgetFilter(_Filter):
    """Which budgets are shown."""

    scope = forms.ChoiceField(required=False, choices=_SCOPES, label="Of a")
    dataset = forms.CharField(required=False, max_length=60, label="Dataset (short name)")
    project = forms.CharField(required=False, max_length=26, widget=forms.HiddenInput)
    person = forms.CharField(required=False, max_length=26, widget=forms.HiddenInput)


class LineFilter(BudgetFilter):
    """Which lines of the ledger are shown."""

    kind = forms.ChoiceField(
        required=False,
        label="What",
        choices=[
            ("", "All"),
            ("RESERVE", "reserved"),
            ("COMMIT", "spent"),
            ("VOID", "given back"),
            (BURNT, "spent without an answer"),
        ],
    )
    account = forms.CharField(required=False, max_length=26, label="Account (key)")
    project = forms.CharField(required=False, max_length=26, label="Project (key)")
    person = forms.CharField(required=False, max_length=26, label="Person (key)")
    since = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))


class CalculatorForm(forms.Form):
    """A figure over bounds that the reader makes up, and an ε or the error to keep within."""

    statistic = forms.ChoiceField(
        label="Figure", choices=[("count", "a count"), ("sum", "a sum"), ("mean", "a mean")]
    )
    lower = forms.DecimalField(
        label="Least value", initial=0, max_digits=18, decimal_places=6, widget=forms.TextInput(attrs=_SHORT)
    )
    upper = forms.DecimalField(
        label="Largest value",
        initial=100,
        max_digits=18,
        decimal_places=6,
        widget=forms.TextInput(attrs=_SHORT),
    )
    group = forms.IntegerField(
        label="Values in the group",
        initial=1000,
        min_value=1,
        max_value=10**9,
        widget=forms.NumberInput(attrs={"class": "form-short"}),
        help_text="Your own guess. Only a mean’s error depends on it.",
    )
    rows_each = forms.IntegerField(
        label="Of one person, at most",
        initial=1,
        min_value=1,
        max_value=10**6,
        widget=forms.NumberInput(attrs={"class": "form-short"}),
    )
    accounting = forms.ChoiceField(
        label="Paid in",
        choices=[("zcdp", "ρ (zCDP): Gaussian noise"), ("pure", "pure ε: Laplace noise")],
    )
    epsilon = forms.CharField(
        label="ε",
        required=False,
        max_length=20,
        widget=forms.TextInput(attrs=_SHORT),
        help_text="Gives the error.",
    )
    error = forms.CharField(
        label="Or the ± you need",
        required=False,
        max_length=20,
        widget=forms.TextInput(attrs=_SHORT),
        help_text="Gives the least ε that keeps within it, 19 times of 20.",
    )
