"""Separation of duties, asked by every decision about a project (S1)."""

from __future__ import annotations

from collections.abc import Callable

from domains.errors import IllegalMove, InvalidInput, NotAllowed
from domains.people.models import User
from domains.people.permissions import Role
from domains.projects.models import Project, ProjectMember, ProjectReview

# Rooms above this one say who has decided about a project's requests: they must not join it afterwards (S1).
_deciders: list[Callable[[Project, User], bool]] = []


def bar(has_decided: Callable[[Project, User], bool]) -> None:
    """Keep from a project everyone of whom `has_decided(project, user)` says so."""
    if has_decided not in _deciders:
        _deciders.append(has_decided)


def on_project(project: Project) -> set[str]:
    """Return the keys of everyone who is, or ever was, on the project, read now; its creator among them."""
    members = ProjectMember.objects.filter(project=project).values_list("user_id", flat=True)
    return set(members) | {project.created_by_id}


def require_separate(project: Project, by: User) -> None:
    """Raise unless `by` may decide on the project: nobody who is or ever was on it may."""
    if by.pk in on_project(project):
        raise NotAllowed(
            "You are or were on this project, so somebody else must decide.", code="separation_of_duties"
        )


def require_version(project: Project, version: int) -> None:
    """Raise IllegalMove with the code "stale" unless the form was opened at the project's present version."""
    Project.objects.select_for_update().get(pk=project.pk)  # nothing about it changes until we are done
    if not Project.objects.filter(pk=project.pk, version=version).exists():
        raise stale()


def stale() -> IllegalMove:
    """Return the error for a form that somebody else overtook."""
    return IllegalMove("This project changed since you opened it. Look at it again.", code="stale")


def require_candidate(project: Project | None, user: User) -> None:
    """Raise InvalidInput unless `user` may join: active, a scientist, and never a judge of this project."""
    if not user.is_active:
        raise InvalidInput(f"{user.name}'s account is not active.", code="person_inactive")
    if Role.SCIENTIST not in user.node_roles:
        raise InvalidInput(f"{user.name} needs the role scientist on this node first.", code="role_missing")
    if project is not None and _has_decided(project, user):
        raise InvalidInput(
            f"{user.name} has voted on this project and cannot join it.", code="separation_of_duties"
        )


def _has_decided(project: Project, user: User) -> bool:
    votes = ProjectReview.objects.filter(project=project, reviewer=user)
    return votes.exists() or any(has_decided(project, user) for has_decided in _deciders)
