"""Amendments of projects over REST: written, handed in, compared and decided on; and renewal."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.catalog import queries as catalog
from domains.errors import NotFound
from domains.people.models import User
from domains.people.permissions import Role
from domains.projects import amending, amendments, queries, wishes
from domains.projects.lifecycle import AmendmentStatus
from domains.projects.models import Amendment, Project, Vote
from portal.api.auth import RecentSignIn
from portal.api.shapes import PersonShort, valid

_ANSWERS = "By the question's id: text, or a list of values where several may be chosen; null for none."


class AmendmentListsOut(serializers.Serializer[Any]):
    """What is added to and taken from a list."""

    what = serializers.CharField()
    added = serializers.ListField(child=serializers.CharField())
    removed = serializers.ListField(child=serializers.CharField())


class AmendmentOut(serializers.Serializer[Any]):
    """A wished change of a running project; until it is approved, what was approved before stays in force."""

    id = serializers.CharField(source="pk")
    status = serializers.ChoiceField(choices=AmendmentStatus.values)
    version = serializers.IntegerField(help_text="Send it back when editing.")
    handed_in = serializers.IntegerField(
        source="frozen.number", default=None, allow_null=True, help_text="The version to vote on."
    )
    amends = serializers.IntegerField(source="base.number", default=None, allow_null=True)
    reason = serializers.CharField(allow_blank=True)
    title = serializers.CharField()
    answers = serializers.DictField(help_text=_ANSWERS)
    datasets = serializers.ListField(child=serializers.SlugField())
    people = serializers.ListField(child=serializers.CharField(), help_text="Keys, without the lead's.")
    valid_until = serializers.DateField(allow_null=True, help_text="Null: the end stays as it is.")
    created_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)
    decided_by = PersonShort(allow_null=True)
    changes = AmendmentListsOut(many=True, help_text="People and datasets that come and go, by name.")
    changed_answers = serializers.ListField(child=serializers.CharField(), help_text="Ids of questions.")


class AmendIn(serializers.Serializer[Any]):
    """What to keep; what is left out stays as it is. `version` is the one that was read."""

    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    reason = serializers.CharField(max_length=4000, required=False)
    title = serializers.CharField(max_length=160, required=False)
    datasets = serializers.ListField(
        child=serializers.SlugField(), min_length=1, max_length=20, required=False
    )
    people = serializers.ListField(
        child=serializers.CharField(max_length=254),
        max_length=50,
        required=False,
        help_text="Keys or e-mail addresses of everybody beside the lead.",
    )
    valid_until = serializers.DateField(required=False, allow_null=True)
    answers = serializers.DictField(
        child=serializers.JSONField(allow_null=True), required=False, help_text=_ANSWERS
    )


class AmendmentVoteIn(serializers.Serializer[Any]):
    """A vote on the version that was handed in; anything but an approval says why."""

    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    vote = serializers.ChoiceField(choices=Vote.values)
    reason = serializers.CharField(max_length=4000, allow_blank=True, default="")


class RenewIn(serializers.Serializer[Any]):
    """A later end, with what was done and what is left to do."""

    reason = serializers.CharField(max_length=4000)
    valid_until = serializers.DateField()


def _of(pk: str, request: Request) -> Amendment:
    project = queries.project(pk, request.user)
    found = amendments.latest(project)
    if found is None:
        raise NotFound("This project has no amendment.")
    found.project = project
    return found


def _shown(amendment: Amendment, code: int = status.HTTP_200_OK) -> Response:
    wish = wishes.wish_of(amendment)
    rows: Any = amendment
    rows.changes = [{"what": one[0], "added": one[1], "removed": one[2]} for one in wish.lists]
    rows.changed_answers = [line.id for part in wish.parts for line in part.lines if line.is_changed]
    return Response(AmendmentOut(rows).data, status=code)


def _people(amendment: Amendment, given: dict[str, Any]) -> list[User]:
    if "people" in given:
        return list(catalog.named(given["people"], [Role.SCIENTIST]))
    return list(User.objects.filter(pk__in=amendment.people))


class Amendments(GenericViewSet[Project]):
    """The amendment of a project that is under way, or its last one."""

    queryset = Project.objects.none()
    serializer_class = AmendmentOut
    pagination_class = None
    filter_backends = []

    @extend_schema(responses=AmendmentOut, summary="Read a project's amendment")
    @action(detail=True, methods=["get"], url_path="amendment")
    def amendment(self, request: Request, pk: str) -> Response:
        return _shown(_of(pk, request))

    @extend_schema(request=None, responses={201: AmendmentOut}, summary="Begin an amendment of a project")
    @amendment.mapping.post
    def begin(self, request: Request, pk: str) -> Response:
        amendments.begin(queries.project(pk, request.user), by=request.user)
        return _shown(_of(pk, request), status.HTTP_201_CREATED)

    @extend_schema(request=AmendIn, responses=AmendmentOut, summary="Change an amendment")
    @amendment.mapping.patch
    def edit(self, request: Request, pk: str) -> Response:
        amendment = _of(pk, request)
        given = valid(AmendIn, request)
        if "answers" in given:
            answers = given.pop("answers")
            amendments.answer(amendment, version=given["version"], answers=answers, by=request.user)
            given["version"] += 1
        if given.keys() - {"version"}:
            words = {name: getattr(amendment, name) for name in ("reason", "title", "valid_until")}
            slugs = given.pop("datasets", amendment.datasets)
            people = _people(amendment, given)
            words |= {name: value for name, value in given.items() if name != "people"}
            datasets = [catalog.dataset(slug, request.user) for slug in slugs]
            amendments.change(amendment, **words, datasets=datasets, people=people, by=request.user)
        return _shown(_of(pk, request))

    @extend_schema(request=None, responses=AmendmentOut, summary="Hand an amendment in")
    @action(detail=True, methods=["post"], url_path="amendment/submit")
    def submit_amendment(self, request: Request, pk: str) -> Response:
        amendments.submit(_of(pk, request), by=request.user)
        return _shown(_of(pk, request))

    @extend_schema(request=None, responses=AmendmentOut, summary="Take an amendment back")
    @action(detail=True, methods=["post"], url_path="amendment/withdraw")
    def withdraw_amendment(self, request: Request, pk: str) -> Response:
        amendments.withdraw(_of(pk, request), by=request.user)
        return _shown(_of(pk, request))

    @extend_schema(request=AmendmentVoteIn, responses=AmendmentOut, summary="Vote on an amendment")
    @action(
        detail=True,
        methods=["post"],
        url_path="amendment/review",
        permission_classes=[IsAuthenticated, RecentSignIn],
    )
    def review_amendment(self, request: Request, pk: str) -> Response:
        amendment = _of(pk, request)
        amending.review(amendment, **valid(AmendmentVoteIn, request), by=request.user)
        return _shown(_of(pk, request))

    @extend_schema(request=RenewIn, responses={201: AmendmentOut}, summary="Ask to renew a project")
    @action(detail=True, methods=["post"])
    def renew(self, request: Request, pk: str) -> Response:
        project = queries.project(pk, request.user)
        amendments.renew(project, **valid(RenewIn, request), by=request.user)
        return _shown(_of(pk, request), status.HTTP_201_CREATED)


router = SimpleRouter()
router.register("projects", Amendments, basename="amendments")
