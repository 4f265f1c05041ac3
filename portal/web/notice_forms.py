"""Forms of the inbox: what is told where and when, and the webhooks."""

from __future__ import annotations

import calendar
from typing import Any

from django import forms

from domains.delivery import policy, rhythm
from domains.delivery.models import Mode
from domains.delivery.preferences import Settings
from domains.notices.kinds import KINDS

CHANNELS = ("inbox", "mail")
_INBOX = {Mode.AT_ONCE: "as new", Mode.OFF: "already read"}
_MAIL = {
    Mode.AT_ONCE: "at once",
    Mode.DAILY: "in a daily digest",
    Mode.WEEKLY: "in a weekly digest",
    Mode.OFF: "not at all",
}
_WORDS: dict[str, dict[Any, str]] = {"inbox": _INBOX, "mail": _MAIL}


class SettingsForm(forms.Form):
    """A choice for each kind and channel, and when digests come."""

    timezone = forms.ChoiceField(label="Your timezone")
    hour = forms.TypedChoiceField(
        label="Digests come at", coerce=int, choices=[(hour, f"{hour:02}:00") for hour in range(24)]
    )
    weekday = forms.TypedChoiceField(
        label="Weekly ones on", coerce=int, choices=list(enumerate(calendar.day_name))
    )

    def __init__(self, now: Settings, data: Any = None) -> None:
        given = {"timezone": now.timezone, "hour": now.hour, "weekday": now.weekday}
        modes = {f"{kind}-{channel}": mode for (kind, channel), mode in now.modes.items()}
        super().__init__(data, initial=given | modes)
        zones = self.fields["timezone"]
        zones.choices = [(name, name) for name in rhythm.timezones()]  # type: ignore[attr-defined]
        for kind in KINDS:
            for channel in CHANNELS:
                allowed = policy.allowed_modes(kind.key, channel)
                self.fields[f"{kind.key}-{channel}"] = forms.ChoiceField(
                    choices=[(mode, _WORDS[channel][mode]) for mode in allowed]
                )

    @property
    def chosen(self) -> dict[tuple[str, str], str]:
        """The mode chosen for each kind and channel."""
        return {
            (kind.key, channel): self.cleaned_data[f"{kind.key}-{channel}"]
            for kind in KINDS
            for channel in CHANNELS
        }


class WebhookForm(forms.Form):
    """Where a webhook goes and what it is told."""

    url = forms.CharField(
        label="Address",
        max_length=500,
        help_text="Begins with https:// and is reached over the public internet.",
        widget=forms.URLInput(attrs={"autocomplete": "off"}),
    )
    about = forms.CharField(
        label="What it is for", max_length=120, required=False, help_text="For the list on this page."
    )
    kinds = forms.MultipleChoiceField(
        label="It is told about",
        required=False,
        help_text="Everything, if none is ticked.",
        choices=[(kind.key, kind.label) for kind in KINDS],
        widget=forms.CheckboxSelectMultiple,
    )
    is_of_node = forms.BooleanField(
        label="It is the node’s: told about everybody’s events",
        required=False,
        help_text="Otherwise it is told only what you are told.",
    )

    def __init__(self, data: Any = None, *, is_operator: bool) -> None:
        super().__init__(data)
        if not is_operator:
            del self.fields["is_of_node"]
