"""The node's application form: its versions, and publishing another one."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from django.db import transaction

from domains.audit.events import Event
from domains.audit.recorder import record
from domains.errors import IllegalMove, InvalidInput
from domains.people.models import User
from domains.people.permissions import Permission, require
from domains.projects.models import FormVersion, Project
from domains.projects.questions import MOST_SPEC, Spec, parse
from domains.words import once, text


@cache
def bundled() -> str:
    """Return the form that comes with the software, as its JSON is kept."""
    return spelled(Path(__file__).with_name("default_form.json").read_text())


def spelled(form: str) -> str:
    """Return a form's JSON in the one spelling in which it is kept; raise InvalidInput unless it is a form."""
    parse(form)
    return json.dumps(json.loads(form), indent=2, ensure_ascii=False) + "\n"


def current() -> FormVersion:
    """Return the version that new applications begin with; a node without one takes the software's."""
    newest = FormVersion.objects.order_by("-number").first()
    if newest is not None:
        return newest
    words = {"text": bundled(), "sha256": hashlib.sha256(bundled().encode()).hexdigest()}
    return FormVersion.objects.get_or_create(number=1, defaults=words)[0]


def spec_of(project: Project) -> Spec:
    """Return the form that a project answers; one from before there were forms answers the software's."""
    return parse(project.form.text if project.form is not None else bundled())


@transaction.atomic(durable=True)
def publish_form(form: str, *, number: int, changes: str, by: User) -> FormVersion:
    """Make `form` version `number` of the application form: the one after the version that was looked at.

    Applications under way keep the version that they began with until they are sent back for changes.
    """
    require(by, Permission.FORM_MANAGE)
    if not isinstance(form, str) or len(form) > MOST_SPEC:
        raise InvalidInput(f"A form has at most {MOST_SPEC:,} characters.", code="form_invalid")
    body, newest = spelled(form), current()
    why = text(changes, "summary of changes", most=1000)
    if number != newest.number + 1:
        raise IllegalMove("The form changed since you opened it. Look at it again.", code="stale")
    if body == newest.text:
        raise IllegalMove("It is the form that is in use already.", code="form_unchanged")
    sha256 = hashlib.sha256(body.encode()).hexdigest()
    with once("Somebody has just published another version. Look at it first.", code="stale"):
        made = FormVersion.objects.create(
            number=number, text=body, sha256=sha256, changes=why, published_by=by
        )
    record(Event.FORM_PUBLISHED, by=by, on=made, version=number, sha256=sha256)
    return made
