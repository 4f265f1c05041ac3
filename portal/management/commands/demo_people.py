"""`manage.py demo_people`: found the demonstration node: its people, one research area and one population."""

from __future__ import annotations

import json
import secrets
from typing import Any

from django.core.management.base import BaseCommand

from domains.catalog import actions as catalog
from domains.people import actions as people
from domains.people.founding import first_administrator
from domains.people.models import User
from domains.people.permissions import TABLE, Role

CAST = {
    "ada": ("Ada Administrator", Role.ADMINISTRATOR),
    "alice": ("Alice Owner", Role.OWNER),
    "rita": ("Rita Reviewer", Role.REVIEWER),
    "sam": ("Sam Scientist", Role.SCIENTIST),
    "theo": ("Theo Auditor", Role.AUDITOR),
    "charlie": ("Charlie Stranger", Role.SCIENTIST),
}
SEATS = {"alice": Role.AREA_OWNER, "rita": Role.AREA_REVIEWER}
# What each person's token may be used for: everything that their roles could ever permit, themselves included.
OBJECT_ROLES = {
    "alice": (Role.AREA_OWNER, Role.DATASET_OWNER),
    "rita": (Role.AREA_REVIEWER,),
    "sam": (Role.PROJECT_LEAD, Role.AUTHOR),
    "charlie": (Role.PROJECT_LEAD, Role.AUTHOR),
}


class Command(BaseCommand):
    help = "Found the demonstration node and print its people, with generated passwords and tokens, as JSON."

    def handle(self, **options: Any) -> None:
        cast: dict[str, User] = {}
        printed = {}
        for name, (title, role) in CAST.items():
            password = secrets.token_urlsafe(12)
            user = cast[name] = _join(name, title, role, password, inviter=cast.get("ada"))
            scopes = frozenset().union(*(TABLE[r] for r in (role, *OBJECT_ROLES.get(name, ()))))
            _, token = people.create_token(user, "demonstration", scopes, 30, by=user)
            printed[name] = {"email": user.email, "password": password, "role": role.value, "token": token}
        self.found(cast)
        self.stdout.write(json.dumps(printed))

    def found(self, cast: dict[str, User]) -> None:
        """Create the research area with its seats, and the population whose budget everything shares."""
        area = catalog.create_area(
            slug="intensive-care",
            name="Intensive care",
            description="Seriously ill adults in hospital.",
            by=cast["ada"],
        )
        for name, role in SEATS.items():
            catalog.seat(area, cast[name], role=role, by=cast["ada"])
        catalog.create_population(
            area=area, name="SUPPORT2 patients", unit_label="one patient", by=cast["alice"]
        )


def _join(name: str, title: str, role: Role, password: str, *, inviter: User | None) -> User:
    """Make a person the way a node does: the first administrator is founded, everyone else is invited."""
    email = f"{name}@hospital.example"
    if inviter is None:
        return first_administrator(email, title, password)
    _, secret = people.invite(email, title, role, by=inviter)
    return people.accept_invitation(secret, title, password)
