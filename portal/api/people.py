"""Who one is, one's tokens, and the people of the node.

Tokens and invitations are made on pages only: their secrets would otherwise pass through logs and kept answers.
"""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action, api_view
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from domains.people import actions, organisations, queries
from domains.people.models import ApiToken, User
from domains.people.permissions import NODE_ROLES, Permission
from portal.api.auth import RecentSignIn
from portal.api.shapes import valid

ROLES = [role.value for role in NODE_ROLES]


class MeOut(serializers.Serializer[Any]):
    """The caller."""

    id = serializers.CharField(source="pk")
    name = serializers.CharField()
    email = serializers.EmailField()
    institution = serializers.CharField()
    roles = serializers.SerializerMethodField()
    scopes = serializers.SerializerMethodField(
        help_text="What the token may be used for; null in a browser session."
    )

    def get_roles(self, user: User) -> list[str]:
        return sorted(user.node_roles)

    def get_scopes(self, user: User) -> list[str] | None:
        return None if user.token_scopes is None else sorted(user.token_scopes)


class TokenOut(serializers.Serializer[Any]):
    """A token as it is kept: never its text."""

    id = serializers.CharField(source="pk")
    name = serializers.CharField()
    prefix = serializers.CharField()
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=[known.value for known in Permission])
    )
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)


class OrganisationShort(serializers.Serializer[Any]):
    """An organisation by address and name."""

    slug = serializers.CharField()
    name = serializers.CharField()


class PersonOut(serializers.Serializer[Any]):
    """A person, with the node-wide roles held now."""

    id = serializers.CharField(source="pk")
    name = serializers.CharField()
    email = serializers.EmailField()
    institution = serializers.CharField(help_text="As the person puts it.")
    organisation = OrganisationShort(
        allow_null=True, help_text="As an administrator set it; what quorums count."
    )
    is_active = serializers.BooleanField()
    roles = serializers.SerializerMethodField()

    def get_roles(self, user: User) -> list[str]:
        held = getattr(user, "held", None)
        return sorted(user.node_roles if held is None else {membership.role for membership in held})


class BelongingIn(serializers.Serializer[Any]):
    """Where a person belongs."""

    organisation = serializers.SlugField(max_length=50, allow_null=True, help_text="Null for none.")


class RoleIn(serializers.Serializer[Any]):
    """A node-wide role."""

    role = serializers.ChoiceField(choices=ROLES)


@extend_schema(responses=MeOut, summary="Who the caller is")
@api_view(["GET"])
def me(request: Request) -> Response:
    """Answer with the caller, their roles and what their token may be used for."""
    return Response(MeOut(request.user).data)


class Tokens(GenericViewSet[ApiToken]):
    """The caller's own tokens; they are made on the account page."""

    queryset = ApiToken.objects.none()
    serializer_class = TokenOut
    filter_backends = []

    @extend_schema(responses=TokenOut(many=True), summary="List the caller's tokens")
    def list(self, request: Request) -> Response:
        rows = self.paginate_queryset(queries.tokens(request.user))
        return self.get_paginated_response(TokenOut(rows, many=True).data)

    @extend_schema(responses={204: None}, summary="Revoke a token")
    def destroy(self, request: Request, pk: str) -> Response:
        actions.revoke_token(queries.token(pk, request.user), by=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class People(GenericViewSet[User]):
    """The people of the node, for those who may read or manage them."""

    queryset = User.objects.none()
    serializer_class = PersonOut
    filter_backends = []

    @extend_schema(
        responses=PersonOut(many=True),
        summary="List people",
        parameters=[OpenApiParameter("search", str), OpenApiParameter("role", str, enum=ROLES)],
    )
    def list(self, request: Request) -> Response:
        asked = request.query_params
        rows = queries.rows(request.user, asked.get("search", ""), asked.get("role", ""))
        return self.get_paginated_response(PersonOut(self.paginate_queryset(rows), many=True).data)

    @extend_schema(responses=PersonOut, summary="Read one person")
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(PersonOut(queries.person(pk, request.user)).data)

    @extend_schema(request=RoleIn, responses=PersonOut, summary="Give a role")
    @action(
        detail=True,
        methods=["post"],
        url_path="grant-role",
        permission_classes=[IsAuthenticated, RecentSignIn],
    )
    def grant_role(self, request: Request, pk: str) -> Response:
        found = queries.person(pk, request.user)
        actions.grant_role(found, valid(RoleIn, request)["role"], by=request.user)
        return Response(PersonOut(found).data)

    @extend_schema(request=RoleIn, responses=PersonOut, summary="End a role")
    @action(
        detail=True, methods=["post"], url_path="end-role", permission_classes=[IsAuthenticated, RecentSignIn]
    )
    def end_role(self, request: Request, pk: str) -> Response:
        found = queries.person(pk, request.user)
        actions.end_role(found, valid(RoleIn, request)["role"], by=request.user)
        return Response(PersonOut(found).data)

    @extend_schema(request=BelongingIn, responses=PersonOut, summary="Set a person's organisation")
    @action(
        detail=True,
        methods=["post"],
        url_path="set-organisation",
        permission_classes=[IsAuthenticated, RecentSignIn],
    )
    def set_organisation(self, request: Request, pk: str) -> Response:
        found, slug = queries.person(pk, request.user), valid(BelongingIn, request)["organisation"]
        where = queries.organisation(slug, request.user) if slug else None
        organisations.set_organisation(found, where, by=request.user)
        return Response(PersonOut(found).data)

    @extend_schema(request=None, responses=PersonOut, summary="Close an account")
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def deactivate(self, request: Request, pk: str) -> Response:
        found = queries.person(pk, request.user)
        actions.deactivate(found, by=request.user)
        return Response(PersonOut(found).data)

    @extend_schema(request=None, responses=PersonOut, summary="Open a closed account")
    @action(detail=True, methods=["post"], permission_classes=[IsAuthenticated, RecentSignIn])
    def reactivate(self, request: Request, pk: str) -> Response:
        found = queries.person(pk, request.user)
        actions.reactivate(found, by=request.user)
        return Response(PersonOut(found).data)


router = SimpleRouter()
router.register("tokens", Tokens, basename="token")
router.register("people", People, basename="person")
urlpatterns = [path("me/", me, name="me")]
