"""What people see of projects and grants; lists cost a constant number of queries."""

from __future__ import annotations

from django.db.models import Prefetch, Q, QuerySet

from domains.catalog.models import Dataset, ResearchArea
from domains.errors import NotFound
from domains.people.models import User
from domains.people.permissions import Permission, Role, allows
from domains.projects.guards import on_project
from domains.projects.lifecycle import AmendmentStatus, GrantStatus, ProjectStatus
from domains.projects.models import AccessGrant, Amendment, FormVersion, Project, ProjectReview

_GRANTS = (
    AccessGrant.objects.select_related("project", "dataset__area", "dataset__population", "granted_by")
    .prefetch_related("dataset__stewards", "dataset__area__seats", "dataset__versions")
    .order_by("created_at", "id")
)


def _projects() -> QuerySet[Project]:
    """Return projects with all that `roles_of` reads, so that it does not ask again for each row."""
    return Project.objects.select_related("area", "created_by", "decided_by").prefetch_related(
        "area__seats", "members__user", Prefetch("grants", _GRANTS)
    )


def _seated(user: User) -> QuerySet[ResearchArea]:
    seats = {"seats__user": user, "seats__role": Role.AREA_REVIEWER, "seats__ended_at": None}
    return ResearchArea.objects.filter(**seats)


def visible_to(user: User) -> QuerySet[Project]:
    """Return the projects that `user` may read, as member, reviewer, steward or the node's staff.

    The same answer as `allows(user, PROJECT_READ, on=project)` for each; a test holds the two together.
    """
    rows = _projects()
    if allows(user, Permission.PROJECT_READ):
        return rows
    if not allows(user, Permission.PROJECT_READ, on=_Anything()):
        return rows.none()
    member = Project.objects.filter(members__user=user, members__ended_at=None).values("pk")
    mine = Q(pk__in=member)
    if Role.REVIEWER in user.node_roles:
        mine |= Q(area__in=_seated(user).values("pk"))
    kinds = [Role.DATASET_OWNER] if Role.OWNER in user.node_roles else []
    if user.node_roles & {Role.OWNER, Role.REVIEWER}:
        kinds.append(Role.DATASET_REVIEWER)
    stewarded = Project.objects.filter(
        grants__dataset__stewards__user=user,
        grants__dataset__stewards__ended_at=None,
        grants__dataset__stewards__role__in=kinds,
    )
    return rows.filter(mine | Q(pk__in=stewarded.values("pk")))


class _Anything:
    """Stands for any project, to ask whether the credential in use may read projects at all (S9)."""

    def roles_of(self, user: User) -> set[Role]:
        return {Role.PROJECT_MEMBER}


def projects(user: User, *, search: str = "", status: str | None = None) -> QuerySet[Project]:
    """Return what `user` may read, newest first; `search` looks in title, summary and dataset titles."""
    rows = visible_to(user)
    if status:
        rows = rows.filter(status=status)
    for word in search.split()[:10]:
        titled = Project.objects.filter(grants__dataset__title__icontains=word).values("pk")
        rows = rows.filter(Q(title__icontains=word) | Q(lay_summary__icontains=word) | Q(pk__in=titled))
    return rows.order_by("-id")


def project(key: str, user: User) -> Project:
    """Return one project that `user` may read, with its reviews, or raise NotFound."""
    reviews = Prefetch("reviews", ProjectReview.objects.select_related("reviewer"))
    rows = visible_to(user).select_related("form", "in_force").prefetch_related(reviews)
    found = rows.filter(pk=key).first()
    if found is None:
        raise NotFound("There is no such project that you can see.")
    return found


def form_versions() -> QuerySet[FormVersion]:
    """Return the versions of the application form, newest first; none while no project was proposed."""
    return FormVersion.objects.select_related("published_by").order_by("-number")


def member(row: Project, key: str) -> User:
    """Return the person of that key who is on a project now, or raise NotFound."""
    for each in row.members.all():
        if each.user_id == key and each.ended_at is None:
            return each.user
    raise NotFound("This person is not on the project.", code="not_member")


def to_review(user: User) -> QuerySet[Project]:
    """Return the projects that wait for a decision which `user` may make, oldest first."""
    if not allows(user, Permission.PROJECT_REVIEW, on=_Reviewed(user)):
        return _projects().none()
    rows = _projects().filter(status=ProjectStatus.IN_REVIEW, area__in=_seated(user).values("pk"))
    own = Project.objects.filter(members__user=user).values("pk")
    return rows.exclude(pk__in=own).exclude(created_by=user).order_by("id")


class _Reviewed:
    """Stands for the areas that a person reviews, to ask whether role and credential still allow it."""

    def __init__(self, user: User) -> None:
        self.user = user

    def roles_of(self, user: User) -> set[Role]:
        return {Role.AREA_REVIEWER} if Role.REVIEWER in user.node_roles else set()


def may_review(row: Project, user: User) -> bool:
    """Answer whether the decision buttons are shown; the same table and guard that the action enforces."""
    return (
        row.status == ProjectStatus.IN_REVIEW
        and allows(user, Permission.PROJECT_REVIEW, on=row)
        and user.pk not in on_project(row)
    )


def your_turn(user: User) -> QuerySet[Project]:
    """Return the projects that `user` leads and that wait for them."""
    led = Project.objects.filter(members__user=user, members__role=Role.PROJECT_LEAD, members__ended_at=None)
    states = [ProjectStatus.DRAFT, ProjectStatus.CHANGES_REQUESTED]
    return _projects().filter(pk__in=led.values("pk"), status__in=states).order_by("-id")


def amendments_to_review(user: User) -> QuerySet[Amendment]:
    """Return the amendments that wait for a decision which `user` may make, oldest first."""
    rows = Amendment.objects.select_related("project__area").order_by("id")
    if not allows(user, Permission.PROJECT_REVIEW, on=_Reviewed(user)):
        return rows.none()
    rows = rows.filter(status=AmendmentStatus.IN_REVIEW, project__status=ProjectStatus.APPROVED)
    own = Project.objects.filter(members__user=user).values("pk")
    rows = rows.filter(project__area__in=_seated(user).values("pk")).exclude(project__in=own)
    return rows.exclude(project__created_by=user)


def own_amendments(user: User) -> QuerySet[Amendment]:
    """Return the amendments of projects that `user` leads which wait for them."""
    led = Project.objects.filter(members__user=user, members__role=Role.PROJECT_LEAD, members__ended_at=None)
    states = [AmendmentStatus.DRAFT, AmendmentStatus.CHANGES_REQUESTED]
    rows = Amendment.objects.select_related("project__area").filter(status__in=states)
    return rows.filter(project__in=led.values("pk")).order_by("-id")


def _grants() -> QuerySet[AccessGrant]:
    return AccessGrant.objects.select_related(
        "project__area", "project__created_by", "dataset__area", "dataset__population", "granted_by"
    ).prefetch_related(
        "project__members__user",
        "project__area__seats",
        "dataset__stewards",
        "dataset__area__seats",
        "dataset__versions__columns",
        "dataset__versions__tables__columns",
    )


def grants(user: User) -> QuerySet[AccessGrant]:
    """Return the grants of every project that `user` may read, newest first."""
    return _grants().filter(project__in=visible_to(user).values("pk")).order_by("-id")


def grant(key: str, user: User) -> AccessGrant:
    """Return one grant of a project that `user` may read, or raise NotFound."""
    found = grants(user).filter(pk=key).first()
    if found is None:
        raise NotFound("There is no such grant that you can see.")
    return found


def grants_of(user: User) -> QuerySet[AccessGrant]:
    """Return the live grants of the projects that `user` is on now, for whoever wants to ask."""
    on = Project.objects.filter(members__user=user, members__ended_at=None).values("pk")
    return _grants().filter(project__in=on, status=GrantStatus.GRANTED).order_by("-id")


def grants_on(row: Dataset, user: User) -> QuerySet[AccessGrant]:
    """Return the grants on one dataset that `user` may read, newest first."""
    return grants(user).filter(dataset=row)


def grants_to_allocate(user: User) -> QuerySet[AccessGrant]:
    """Return the grants of approved projects that wait for a budget, without those of the user's own."""
    if not allows(user, Permission.BUDGET_ALLOCATE):
        return _grants().none()
    rows = _grants().filter(status=GrantStatus.REQUESTED, project__status=ProjectStatus.APPROVED)
    own = Project.objects.filter(members__user=user).values("pk")
    return rows.exclude(project__in=own).exclude(project__created_by=user).order_by("id")
