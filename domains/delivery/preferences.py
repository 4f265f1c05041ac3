"""What people choose: which notices, on which channel, at once or in a digest of their own morning."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from domains.delivery import policy, rhythm
from domains.delivery.models import Channel, Mode, Preference, Rhythm
from domains.errors import InvalidInput
from domains.notices.kinds import BY_KEY, KINDS
from domains.people.models import Membership, User
from domains.people.permissions import Permission, require

Choices = Mapping[tuple[str, str], str]  # mode by kind and channel


@dataclass(frozen=True)
class Settings:
    """What holds for one person now, chosen or by default."""

    modes: Choices
    timezone: str
    hour: int
    weekday: int

    def due(self, kind: str, now: datetime) -> datetime | None:
        """Return when a notice of `kind` is to be mailed, or None if it is not."""
        mode = self.modes[kind, Channel.MAIL]
        if mode in (Mode.OFF, Mode.AT_ONCE):
            return now if mode == Mode.AT_ONCE else None
        weekday = self.weekday if mode == Mode.WEEKLY else None
        return rhythm.next_digest(now, self.timezone, self.hour, weekday)

    def is_digest(self, kind: str) -> bool:
        return self.modes[kind, Channel.MAIL] in (Mode.DAILY, Mode.WEEKLY)

    def is_quiet(self, kind: str) -> bool:
        return self.modes[kind, Channel.INBOX] == Mode.OFF


def of(user: User) -> Settings:
    """Return one person's settings."""
    return of_all([user.pk])[user.pk]


def of_all(people: Iterable[str]) -> dict[str, Settings]:
    """Return the settings of these people, in three queries whatever their number."""
    keys = list(people)
    roles: dict[str, set[str]] = defaultdict(set)
    chosen: dict[str, dict[tuple[str, str], str]] = defaultdict(dict)
    for person, role in Membership.objects.filter(user__in=keys, ended_at=None).values_list("user", "role"):
        roles[person].add(role)
    rows = Preference.objects.filter(person__in=keys)
    for person, kind, channel, mode in rows.values_list("person", "kind", "channel", "mode"):
        chosen[person][kind, channel] = mode
    times = {row.person_id: row for row in Rhythm.objects.filter(person__in=keys)}
    return {
        key: _settings(frozenset(roles[key]), chosen[key], times.get(key) or Rhythm(person_id=key))
        for key in keys
    }


def _settings(roles: frozenset[str], chosen: Choices, times: Rhythm) -> Settings:
    modes = {(kind.key, Channel.MAIL.value): policy.default_mail(kind.key, roles) for kind in KINDS}
    modes |= {(kind.key, Channel.INBOX.value): policy.AT_ONCE for kind in KINDS}
    return Settings(modes | dict(chosen), times.timezone, times.hour, times.weekday)


@transaction.atomic(durable=True)
def choose(chosen: Choices, *, timezone: str, hour: int, weekday: int, by: User) -> Settings:
    """Keep what a person chose for themselves; kinds and channels that are not named stay as they are."""
    require(by, Permission.NOTICE_MANAGE)
    rhythm.zone(timezone)
    if not (0 <= hour <= 23 and 0 <= weekday <= 6):
        raise InvalidInput("A digest comes at an hour from 0 to 23, on a weekday from 0 (Monday) to 6.")
    for (kind, channel), mode in chosen.items():
        _check(kind, channel, mode)
    for (kind, channel), mode in chosen.items():
        Preference.objects.update_or_create(person=by, kind=kind, channel=channel, defaults={"mode": mode})
    times = {"timezone": timezone, "hour": hour, "weekday": weekday}
    Rhythm.objects.update_or_create(person=by, defaults=times)
    return of(by)


def _check(kind: str, channel: str, mode: str) -> None:
    if kind not in BY_KEY or channel not in (Channel.INBOX, Channel.MAIL):
        raise InvalidInput("There is no such kind of notice or channel.", code="notice_kind")
    if mode not in policy.allowed_modes(kind, channel):
        label = BY_KEY[kind].label
        raise InvalidInput(f"“{label}” cannot be “{mode[:12]}” in this channel.", code="notice_mode")
