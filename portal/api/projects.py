"""Projects: propose, hand in, decide, stop, close, and who is on them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.catalog import queries as catalog
from domains.catalog.models import Dataset
from domains.catalog.purposes import CODES
from domains.catalog.using import conditions_of
from domains.people.models import User
from domains.people.permissions import Role
from domains.projects import actions, queries
from domains.projects.fitness import fit
from domains.projects.lifecycle import ProjectStatus
from domains.projects.models import Project, Vote
from portal.api.auth import RecentSignIn
from portal.api.catalog_shapes import AreaShort
from portal.api.datasets import StatedReasonIn
from portal.api.grants import GrantOut
from portal.api.shapes import PersonShort, valid

MEMBERS = (Role.PROJECT_LEAD.value, Role.PROJECT_MEMBER.value)


class MemberOut(serializers.Serializer[Any]):
    """Who is on a project now."""

    user = PersonShort()
    role = serializers.ChoiceField(choices=MEMBERS)


class ProjectReviewOut(serializers.Serializer[Any]):
    """One person's vote on one version."""

    reviewer = PersonShort()
    version = serializers.IntegerField()
    vote = serializers.ChoiceField(choices=Vote.values)
    reason = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()


class ProjectOut(serializers.Serializer[Any]):
    """A purpose, its people and the datasets it asks for."""

    id = serializers.CharField(source="pk")
    title = serializers.CharField()
    lay_summary = serializers.CharField()
    status = serializers.ChoiceField(choices=ProjectStatus.values)
    version = serializers.IntegerField(help_text="Send it back when editing or voting.")
    area = AreaShort()
    lead = PersonShort(source="created_by")
    members = serializers.SerializerMethodField()
    grants = GrantOut(many=True)
    valid_until = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()

    @extend_schema_field(MemberOut(many=True))
    def get_members(self, project: Project) -> Any:
        return MemberOut([row for row in project.members.all() if row.ended_at is None], many=True).data


class FitOut(serializers.Serializer[Any]):
    """What one condition of use makes of the project's purpose."""

    dataset = serializers.CharField()
    code = serializers.CharField(source="fit.condition.code")
    in_words = serializers.CharField(source="fit.condition.in_words")
    outcome = serializers.ChoiceField(source="fit.outcome", choices=["pass", "warn", "fail"])
    reason = serializers.CharField(source="fit.reason")


class ProjectDetailOut(ProjectOut):
    """A project with its purpose and the votes on it."""

    purpose = serializers.CharField()
    purpose_codes = serializers.ListField(child=serializers.ChoiceField(choices=CODES))
    fits = serializers.SerializerMethodField(
        help_text="Each dataset's conditions of use, compared with the purpose codes; advisory."
    )
    reviews = ProjectReviewOut(many=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    decided_by = PersonShort(allow_null=True)
    may_review = serializers.SerializerMethodField(help_text="Whether it waits for the caller's vote.")

    @extend_schema_field(FitOut(many=True))
    def get_fits(self, project: Project) -> Any:
        today, found = timezone.now().date(), []
        for grant in project.grants.all():
            rows = fit(conditions_of(grant.dataset), project.purpose_codes, today=today)
            found += [{"dataset": grant.dataset.slug, "fit": row} for row in rows]
        return FitOut(found, many=True).data

    def get_may_review(self, project: Project) -> bool:
        return queries.may_review(project, self.context["user"])


class ListIn(serializers.Serializer[Any]):
    """Narrows the list of projects."""

    search = serializers.CharField(required=False)
    status = serializers.ChoiceField(choices=ProjectStatus.values, required=False)


def _slugs(**words: Any) -> serializers.ListField:
    return serializers.ListField(child=serializers.SlugField(), max_length=20, **words)


class ProjectIn(serializers.Serializer[Any]):
    """A new project, led by the caller; still a draft."""

    area = serializers.SlugField(help_text="Short name of the research area.")
    title = serializers.CharField(max_length=160)
    lay_summary = serializers.CharField(max_length=8000)
    purpose = serializers.CharField(max_length=8000)
    datasets = _slugs(min_length=1, help_text="Short names of the datasets it asks for.")
    members = serializers.ListField(
        child=serializers.CharField(max_length=254),
        max_length=50,
        default=list,
        help_text="Keys or e-mail addresses.",
    )
    answers = serializers.DictField(
        child=serializers.JSONField(allow_null=True),
        default=dict,
        help_text="To further questions of the application form, by the question's id.",
    )


class ProjectEditIn(serializers.Serializer[Any]):
    """What changes; a field left out stays as it is. `version` is the one that was read."""

    version = serializers.IntegerField(min_value=1)
    title = serializers.CharField(max_length=160, required=False)
    lay_summary = serializers.CharField(max_length=8000, required=False)
    purpose = serializers.CharField(max_length=8000, required=False)
    datasets = _slugs(min_length=1, required=False)


class ProjectVoteIn(serializers.Serializer[Any]):
    """A vote on the version that was read; anything but an approval says why."""

    version = serializers.IntegerField(min_value=1)
    vote = serializers.ChoiceField(choices=Vote.values)
    reason = serializers.CharField(max_length=4000, allow_blank=True, default="")


class ReportIn(serializers.Serializer[Any]):
    """What came of a project."""

    report = serializers.CharField(max_length=4000)


class MemberIn(serializers.Serializer[Any]):
    """Who joins."""

    user = serializers.CharField(max_length=254, help_text="Key or e-mail address.")


def shown(key: str, request: Request, code: int = status.HTTP_200_OK) -> Response:
    """Answer with the project as it is now."""
    project = queries.project(key, request.user)
    return Response(ProjectDetailOut(project, context={"user": request.user}).data, status=code)


def _datasets(slugs: list[str], user: User) -> list[Dataset]:
    return [catalog.dataset(slug, user) for slug in slugs]


class Projects(GenericViewSet[Project]):
    """Projects that the caller may see."""

    queryset = Project.objects.none()
    serializer_class = ProjectDetailOut
    filter_backends = []

    @extend_schema(parameters=[ListIn], responses=ProjectOut(many=True), summary="List projects")
    def list(self, request: Request) -> Response:
        given = ListIn(data=request.query_params)
        given.is_valid(raise_exception=True)
        rows = self.paginate_queryset(queries.projects(request.user, **given.validated_data))
        return self.get_paginated_response(ProjectOut(rows, many=True).data)

    @extend_schema(responses=ProjectDetailOut, summary="Read a project")
    def retrieve(self, request: Request, pk: str) -> Response:
        return shown(pk, request)

    @extend_schema(request=ProjectIn, responses={201: ProjectDetailOut}, summary="Propose a project")
    def create(self, request: Request) -> Response:
        given = valid(ProjectIn, request)
        area = catalog.area(given.pop("area"), request.user)
        datasets = _datasets(given.pop("datasets"), request.user)
        members = catalog.named(given.pop("members"), [Role.SCIENTIST])
        project = actions.propose(area=area, datasets=datasets, members=members, **given, by=request.user)
        return shown(project.pk, request, status.HTTP_201_CREATED)

    @extend_schema(
        request=ProjectEditIn, responses=ProjectDetailOut, summary="Edit a project that is being written"
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        project = queries.project(pk, request.user)
        given = {name: getattr(project, name) for name in ("title", "lay_summary", "purpose")}
        given |= valid(ProjectEditIn, request)
        slugs = given.pop("datasets", None)
        datasets = None if slugs is None else _datasets(slugs, request.user)
        actions.edit(project, datasets=datasets, **given, by=request.user)
        return shown(pk, request)

    @extend_schema(request=None, responses=ProjectDetailOut, summary="Hand a project in for review")
    @action(detail=True, methods=["post"])
    def submit(self, request: Request, pk: str) -> Response:
        actions.submit(queries.project(pk, request.user), by=request.user)
        return shown(pk, request)

    @extend_schema(request=None, responses=ProjectDetailOut, summary="Take a project back before a decision")
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        actions.withdraw(queries.project(pk, request.user), by=request.user)
        return shown(pk, request)

    @extend_schema(request=ProjectVoteIn, responses=ProjectDetailOut, summary="Vote on a project")
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def review(self, request: Request, pk: str) -> Response:
        given = valid(ProjectVoteIn, request)
        actions.review(queries.project(pk, request.user), **given, by=request.user)
        return shown(pk, request)

    @extend_schema(request=StatedReasonIn, responses=ProjectDetailOut, summary="Stop a project at once")
    @action(detail=True, methods=["post"])
    def suspend(self, request: Request, pk: str) -> Response:
        given = valid(StatedReasonIn, request)
        actions.suspend(queries.project(pk, request.user), **given, by=request.user)
        return shown(pk, request)

    @extend_schema(
        request=StatedReasonIn, responses=ProjectDetailOut, summary="Let go on what somebody else stopped"
    )
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def reinstate(self, request: Request, pk: str) -> Response:
        given = valid(StatedReasonIn, request)
        actions.reinstate(queries.project(pk, request.user), **given, by=request.user)
        return shown(pk, request)

    @extend_schema(request=ReportIn, responses=ProjectDetailOut, summary="Finish a project")
    @action(detail=True, methods=["post"])
    def close(self, request: Request, pk: str) -> Response:
        given = valid(ReportIn, request)
        actions.close(queries.project(pk, request.user), **given, by=request.user)
        return shown(pk, request)

    @extend_schema(request=MemberIn, responses={201: ProjectDetailOut}, summary="Add a person to a project")
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def members(self, request: Request, pk: str) -> Response:
        given = valid(MemberIn, request)
        project = queries.project(pk, request.user)
        (user,) = catalog.named([given["user"]], [Role.SCIENTIST])
        actions.add_member(project, user, by=request.user)
        return shown(pk, request, status.HTTP_201_CREATED)

    @extend_schema(request=None, responses={204: None}, summary="Take a person off a project, or leave it")
    @action(detail=True, methods=["post"], url_path="members/(?P<key>[0-9A-Z]+)/end")
    def end_member(self, request: Request, pk: str, key: str) -> Response:
        project = queries.project(pk, request.user)
        actions.end_member(project, queries.member(project, key), by=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


router = SimpleRouter()
router.register("projects", Projects, basename="projects")
