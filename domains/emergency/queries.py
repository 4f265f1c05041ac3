"""Who opened an emergency access when, why, and what they did under it."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils import timezone

from domains.catalog.lifecycle import DatasetStatus
from domains.catalog.models import Dataset
from domains.emergency.models import EmergencyAccess
from domains.errors import NotFound
from domains.people.models import User
from domains.people.permissions import Permission, require
from domains.projects.lifecycle import ProjectStatus
from domains.projects.models import Project


def accesses(user: User) -> QuerySet[EmergencyAccess]:
    """Return every emergency access there was, the newest first, for auditors and administrators."""
    require(user, Permission.BREAK_GLASS_READ)
    return EmergencyAccess.objects.select_related("opened_by").prefetch_related("acts")


def access(key: str, user: User) -> EmergencyAccess:
    """Return one emergency access, or raise NotFound."""
    found = accesses(user).filter(pk=key).first()
    if found is None:
        raise NotFound("There is no such emergency access.")
    return found


def own_open(user: User) -> EmergencyAccess | None:
    """Return the access that this person can use now, or None."""
    rows = EmergencyAccess.objects.filter(opened_by=user, closed_at=None, expires_at__gt=timezone.now())
    return rows.first()


def datasets(user: User) -> QuerySet[Dataset]:
    """Return the datasets that could be frozen."""
    require(user, Permission.BREAK_GLASS_OPEN)
    return Dataset.objects.filter(status=DatasetStatus.PUBLISHED).order_by("title")


def projects(user: User) -> QuerySet[Project]:
    """Return the projects that could be suspended."""
    require(user, Permission.BREAK_GLASS_OPEN)
    return Project.objects.filter(status=ProjectStatus.APPROVED).order_by("title")


def people(user: User) -> QuerySet[User]:
    """Return the people who could be signed out: everybody but oneself."""
    require(user, Permission.BREAK_GLASS_OPEN)
    return User.objects.filter(is_active=True).exclude(pk=user.pk).order_by("name")
