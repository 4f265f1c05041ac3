"""Applications over REST: the form, a project's answers, what was handed in, and reviews of its sections."""

from __future__ import annotations

import json
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.people.permissions import Permission, require
from domains.projects import actions, application, application_forms, queries, sections
from domains.projects.models import FormVersion, Project, ProjectVersion, SectionVerdict
from domains.projects.questions import MOST_SPEC
from portal.api.auth import RecentSignIn
from portal.api.shapes import PersonShort, valid

_ANSWERS = "By the question's id: text, or a list of values where several may be chosen; null for none."


class FormOut(serializers.Serializer[Any]):
    """One version of the application form; `sha256` is of `text`."""

    number = serializers.IntegerField()
    sha256 = serializers.CharField()
    text = serializers.CharField(help_text="The form as JSON: pages, sections by the Five Safes, questions.")
    changes = serializers.CharField(allow_blank=True)
    published_by = PersonShort(allow_null=True, help_text="Null for the form that comes with the software.")
    created_at = serializers.DateTimeField()


class FormIn(serializers.Serializer[Any]):
    """The next version; `number` is the newest version's, plus one."""

    number = serializers.IntegerField(min_value=2, max_value=2**31 - 1)
    form = serializers.JSONField(help_text="The form as an object.")
    changes = serializers.CharField(max_length=1000)

    def validate_form(self, value: Any) -> str:
        text = json.dumps(value)
        if len(text) > MOST_SPEC:
            raise serializers.ValidationError(f"A form has at most {MOST_SPEC:,} characters.")
        return text


class ApplicationProgressOut(serializers.Serializer[Any]):
    """How far a page of the application is."""

    page = serializers.CharField(source="page.id")
    answered = serializers.IntegerField()
    asked = serializers.IntegerField()
    missing = serializers.SerializerMethodField(help_text="Questions to answer before it can be handed in.")

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_missing(self, row: application.Progress) -> list[str]:
        return [question.id for question in row.missing]


class ApplicationOut(serializers.Serializer[Any]):
    """A project's application as it stands now."""

    version = serializers.IntegerField(help_text="Send it back with answers.")
    form = serializers.CharField(help_text="The form that it answers, as JSON.")
    answers = serializers.DictField(help_text=_ANSWERS)
    progress = ApplicationProgressOut(many=True)


class AnswersIn(serializers.Serializer[Any]):
    """Answers to keep; what is left out stays as it is. `version` is the one that was read."""

    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    answers = serializers.DictField(child=serializers.JSONField(allow_null=True), help_text=_ANSWERS)


class SectionReviewOut(serializers.Serializer[Any]):
    """What a reviewer thinks of a section."""

    section = serializers.CharField()
    reviewer = PersonShort()
    verdict = serializers.ChoiceField(choices=SectionVerdict.values)
    note = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()


class ProjectVersionOut(serializers.Serializer[Any]):
    """What was handed in, as it was; `sha256` is of `content` with sorted keys and no spaces, in UTF-8."""

    number = serializers.IntegerField()
    sha256 = serializers.CharField()
    content = serializers.DictField()
    submitted_by = PersonShort()
    created_at = serializers.DateTimeField()
    sections = serializers.SerializerMethodField(help_text="Each reviewer's last word on each section.")

    @extend_schema_field(SectionReviewOut(many=True))
    def get_sections(self, version: ProjectVersion) -> Any:
        rows = [row for each in sections.standing(version).values() for row in each]
        return SectionReviewOut(rows, many=True).data


class SectionReviewIn(serializers.Serializer[Any]):
    """What the caller thinks of a section of the version that was read; "change" says what."""

    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    section = serializers.CharField(max_length=40)
    verdict = serializers.ChoiceField(choices=SectionVerdict.values)
    note = serializers.CharField(max_length=4000, allow_blank=True, default="")


def _shown(project: Project) -> Response:
    text = application_forms.bundled() if project.form is None else project.form.text
    found = {
        "version": project.version,
        "form": text,
        "answers": application.answers_of(project),
        "progress": application.progress(project),
    }
    return Response(ApplicationOut(found).data)


class Applications(GenericViewSet[Project]):
    """Applications of projects that the caller may see."""

    queryset = Project.objects.none()
    serializer_class = ApplicationOut
    pagination_class = None
    filter_backends = []

    @extend_schema(responses=ApplicationOut, summary="Read a project's application")
    @action(detail=True, methods=["get"], url_path="application")
    def application(self, request: Request, pk: str) -> Response:
        return _shown(queries.project(pk, request.user))

    @extend_schema(request=AnswersIn, responses=ApplicationOut, summary="Answer questions of an application")
    @application.mapping.patch
    def answer(self, request: Request, pk: str) -> Response:
        project = queries.project(pk, request.user)
        actions.answer(project, **valid(AnswersIn, request), by=request.user)
        return _shown(queries.project(pk, request.user))

    @extend_schema(responses=ProjectVersionOut(many=True), summary="Read what of a project was handed in")
    @action(detail=True, methods=["get"])
    def versions(self, request: Request, pk: str) -> Response:
        rows = sections.versions_of(queries.project(pk, request.user))
        return Response(ProjectVersionOut(rows, many=True).data)

    @extend_schema(
        request=SectionReviewIn, responses={201: SectionReviewOut}, summary="Review a section of a project"
    )
    @action(detail=True, methods=["post"], url_path="sections")
    def review_section(self, request: Request, pk: str) -> Response:
        project = queries.project(pk, request.user)
        made = sections.review_section(project, **valid(SectionReviewIn, request), by=request.user)
        return Response(SectionReviewOut(made).data, status=status.HTTP_201_CREATED)


class Forms(GenericViewSet[FormVersion]):
    """The node's application form."""

    queryset = FormVersion.objects.none()
    serializer_class = FormOut
    filter_backends = []

    @extend_schema(responses=FormOut(many=True), summary="List the versions of the application form")
    def list(self, request: Request) -> Response:
        require(request.user, Permission.CATALOGUE_READ)
        rows = self.paginate_queryset(queries.form_versions())
        return self.get_paginated_response(FormOut(rows, many=True).data)

    @extend_schema(
        request=FormIn, responses={201: FormOut}, summary="Publish a version of the application form"
    )
    def create(self, request: Request) -> Response:
        given = valid(FormIn, request)
        made = application_forms.publish_form(given.pop("form"), **given, by=request.user)
        return Response(FormOut(made).data, status=status.HTTP_201_CREATED)

    def get_permissions(self) -> Any:
        kinds: Any = [IsAuthenticated, RecentSignIn] if self.action == "create" else [IsAuthenticated]
        return [kind() for kind in kinds]


router = SimpleRouter()
router.register("projects", Applications, basename="applications")
router.register("application-forms", Forms, basename="application-forms")
