"""What an amendment would change, as people read it: before and after, only what differs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from domains.catalog.models import Dataset
from domains.people.models import User
from domains.projects import changes, questions
from domains.projects.amendments import WRITTEN, spec_of, standing
from domains.projects.application import answers_of
from domains.projects.application_forms import spec_of as form_of
from domains.projects.changes import Part, Piece
from domains.projects.models import Amendment

Names = tuple[str, ...]


@dataclass(frozen=True)
class Wish:
    """The differences; `lists` are (label, added, removed)."""

    title: tuple[Piece, ...]
    valid_until: date | None
    lists: tuple[tuple[str, Names, Names], ...]
    parts: tuple[Part, ...]

    @property
    def is_empty(self) -> bool:
        changed = any(line.is_changed for part in self.parts for line in part.lines)
        return not (self.title or self.valid_until or self.lists or changed)


def wish_of(amendment: Amendment) -> Wish:
    """Compare an amendment with what was in force when it was begun; while it is written, with the project now."""
    frozen = None if amendment.status in WRITTEN else amendment.frozen
    before = frozen.content["before"] if frozen is not None else standing(amendment.project)
    return Wish(
        title=changes.by_word(_title(amendment), amendment.title),
        valid_until=amendment.valid_until,
        lists=_lists(amendment, before),
        parts=tuple(_parts(amendment)),
    )


def _title(amendment: Amendment) -> str:
    base = amendment.base
    return str(base.content["title"]) if base is not None else amendment.project.title


def _parts(amendment: Amendment) -> list[Part]:
    base, spec = amendment.base, spec_of(amendment)
    asked = {one.id for one in questions.asked(spec, amendment.answers)}
    answers = {name: value for name, value in amendment.answers.items() if name in asked}
    if base is not None:
        old = questions.parse(base.form.text)
        return changes.compared(spec, answers, before=base.content["answers"], spec_before=old)
    project = amendment.project
    return changes.compared(spec, answers, before=answers_of(project), spec_before=form_of(project))


def _lists(amendment: Amendment, before: dict[str, list[str]]) -> tuple[tuple[str, Names, Names], ...]:
    people = {*before["people"], *amendment.people}
    slugs = {*before["datasets"], *amendment.datasets}
    names = {
        **dict(User.objects.filter(pk__in=people).values_list("pk", "name")),
        **dict(Dataset.objects.filter(slug__in=slugs).values_list("slug", "title")),
    }
    pairs = (("People", "people", amendment.people), ("Datasets", "datasets", amendment.datasets))
    found = []
    for label, key, now in pairs:
        new = tuple(names.get(one, one) for one in now if one not in before[key])
        gone = tuple(names.get(one, one) for one in before[key] if one not in now)
        if new or gone:
            found.append((label, new, gone))
    return tuple(found)
