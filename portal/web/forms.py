"""Forms of the scientists' and deciders' pages: they read what was typed and say how to mend it, no more."""

from __future__ import annotations

from decimal import Decimal

from django import forms

from domains.catalog.models import Dataset, ResearchArea
from domains.people.models import User
from domains.projects.models import Vote
from domains.requests.actions import MOST_SQL
from domains.requests.specification import MOST_EPSILON


class RequestForm(forms.Form):
    """A question: its title, its SQL and the ε offered for it."""

    title = forms.CharField(max_length=160, help_text="What you want to know, in a few words.")
    sql = forms.CharField(
        label="Query",
        max_length=MOST_SQL,
        widget=forms.Textarea(
            attrs={"rows": "9", "class": "form-control-code", "spellcheck": "false", "autocapitalize": "off"}
        ),
        help_text="One SELECT over this dataset, with WHERE and GROUP BY.",
    )
    epsilon = forms.CharField(
        label="ε to spend",
        max_length=20,
        initial="0.1",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "class": "form-short", "autocomplete": "off"}),
        help_text="A larger ε gives a more exact answer and uses more of the budget.",
    )
    accounting = forms.ChoiceField(
        label="Paid in",
        required=False,
        choices=[
            ("zcdp", "ρ (zCDP): Gaussian noise"),
            ("pure", "pure ε: Laplace noise"),
            ("auto", "whichever is more exact and can be paid"),
        ],
        help_text="Pure ε has a budget of its own beside the other.",
    )
    rows = forms.IntegerField(
        label="Rows in a group",
        required=False,
        min_value=1,
        max_value=10**12,
        widget=forms.NumberInput(attrs={"class": "form-short", "autocomplete": "off"}),
        help_text="Your own guess, for the error of means. It is never compared with the data.",
    )
    error = forms.CharField(
        label="The ± you need",
        required=False,
        max_length=20,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "class": "form-short", "autocomplete": "off"}),
        help_text="Finds the least ε that keeps the error within it, at 95 %.",
    )
    of = forms.CharField(
        label="For the figure named",
        required=False,
        max_length=128,
        widget=forms.TextInput(attrs={"class": "form-short", "autocomplete": "off"}),
        help_text="Left empty, for every figure.",
    )


class SimilarForm(forms.Form):
    """What a similar question costs."""

    epsilon = forms.DecimalField(
        label="Count questions of ε",
        min_value=Decimal("0.000001"),
        max_value=MOST_EPSILON,
        max_digits=8,
        decimal_places=6,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "class": "form-short", "autocomplete": "off"}),
    )


class CommentForm(forms.Form):
    """A line in a request's thread."""

    text = forms.CharField(
        label="Write to the others",
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": "3"}),
        help_text="Markdown; HTML is shown as text. Never put values from the private data here.",
    )


class VoteForm(forms.Form):
    """A vote with its reason."""

    vote = forms.ChoiceField(label="What do you decide?", choices=Vote.choices, widget=forms.RadioSelect)
    reason = forms.CharField(
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": "3"}),
        help_text="Whoever asked sees it. Needed unless you approve.",
    )

    def clean(self) -> dict[str, object]:
        data = super().clean() or {}
        if data.get("vote") in {Vote.DENY, Vote.REQUEST_CHANGES} and not str(data.get("reason", "")).strip():
            self.add_error("reason", "Say why: whoever asked sees your reason.")
        return data


class DecisionForm(VoteForm):
    """A vote on the revision that the page was opened at."""

    revision = forms.IntegerField(widget=forms.HiddenInput)


class ReasonForm(forms.Form):
    """Why something is stopped, ended or taken back."""

    reason = forms.CharField(max_length=300, widget=forms.Textarea(attrs={"rows": "2"}))


class EmailsField(forms.CharField):
    """Addresses of people with an account here, one a line; becomes a list of users."""

    def __init__(self, **kwargs: object) -> None:
        kwargs.setdefault("widget", forms.Textarea(attrs={"rows": "3"}))
        super().__init__(**kwargs)  # type: ignore[arg-type]

    def clean(self, value: str | None) -> list[User]:  # type: ignore[override]
        text = super().clean(value) or ""
        emails = [part.strip().lower() for part in text.replace(",", "\n").splitlines() if part.strip()]
        found = {user.email: user for user in User.objects.filter(email__in=emails, is_active=True)}
        unknown = [email for email in emails if email not in found]
        if unknown:
            raise forms.ValidationError(
                f"Nobody here has the address {', '.join(unknown)}. Ask for an invitation first."
            )
        return [found[email] for email in dict.fromkeys(emails)]


class ProjectForm(forms.Form):
    """A project's purpose in words that its reviewers, and anyone, can follow."""

    version = forms.IntegerField(widget=forms.HiddenInput, required=False)
    area = forms.ModelChoiceField(
        label="Research area", queryset=ResearchArea.objects.none(), empty_label="Choose …"
    )
    title = forms.CharField(max_length=160)
    lay_summary = forms.CharField(
        label="Summary for everyone",
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": "4"}),
        help_text="What you want to find out, and who gains by it, without technical words.",
    )
    purpose = forms.CharField(
        max_length=8000,
        widget=forms.Textarea(attrs={"rows": "5"}),
        help_text="The research question, the method and what will be published.",
    )
    datasets = forms.ModelMultipleChoiceField(
        queryset=Dataset.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        help_text="A budget is allocated for each one after the project is approved.",
    )
    members = EmailsField(
        required=False,
        help_text="E-mail addresses of the people who work with you, one a line. You are the lead.",
    )

    def __init__(self, *args: object, datasets: object, areas: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["datasets"].queryset = datasets  # type: ignore[attr-defined]
        self.fields["area"].queryset = areas  # type: ignore[attr-defined]


class ProjectReviewForm(VoteForm):
    """A vote on the version of a project that the page was opened at."""

    version = forms.IntegerField(widget=forms.HiddenInput)


class MemberForm(forms.Form):
    """Somebody to join a project."""

    people = EmailsField(
        label="E-mail address", widget=forms.EmailInput(), help_text="Of a person with an account here."
    )


class AllocateForm(forms.Form):
    """A budget for a project on a dataset."""

    epsilon = forms.DecimalField(
        label="ε for the project",
        min_value=0,
        max_digits=9,
        decimal_places=6,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "class": "form-short"}),
        help_text="All its answers on this dataset together may cost this much.",
    )
    pure_epsilon = forms.DecimalField(
        label="Pure ε (Laplace)",
        required=False,
        min_value=0,
        max_digits=9,
        decimal_places=6,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "class": "form-short"}),
        help_text="A second budget beside it, for answers with Laplace noise. Left empty, there is none.",
    )
    person_epsilon = forms.DecimalField(
        label="ε for each person",
        required=False,
        min_value=0,
        max_digits=9,
        decimal_places=6,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "class": "form-short"}),
        help_text="Caps what one person may spend on this dataset. Left empty, the dataset's own cap is theirs too.",
    )
    valid_days = forms.IntegerField(
        label="Valid for (days)",
        initial=365,
        min_value=1,
        max_value=3650,
        widget=forms.NumberInput(attrs={"class": "form-short"}),
    )

    def clean_pure_epsilon(self) -> Decimal:
        return self.cleaned_data["pure_epsilon"] or Decimal(0)
