"""Figures of the dashboards, and what nobody can move on."""

from __future__ import annotations

from typing import Any

from django.urls import path
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from domains.delivery import queries as delivery
from domains.jobs import queries as jobs
from domains.notices import stuck
from domains.people.permissions import Permission, require
from domains.requests import figures
from domains.requests.lifecycle import Status


class LineOut(serializers.Serializer[Any]):
    """One row that is stuck."""

    title = serializers.CharField()
    about = serializers.CharField()
    path = serializers.CharField()
    since = serializers.DateTimeField(allow_null=True)


class StuckOut(serializers.Serializer[Any]):
    """One kind of trouble: how many have it, the first of them, and what to do."""

    kind = serializers.CharField()
    what = serializers.CharField()
    remedy = serializers.CharField()
    number = serializers.IntegerField()
    lines = LineOut(many=True)


class StateCount(serializers.Serializer[Any]):
    """How many requests are in a state."""

    status = serializers.ChoiceField(choices=Status.values)
    number = serializers.IntegerField()


class AgeCount(serializers.Serializer[Any]):
    """How many requests have waited so long."""

    age = serializers.CharField()
    number = serializers.IntegerField()


class FiguresOut(serializers.Serializer[Any]):
    """One's own requests by state; what waits for one's decision by age; how long decisions took in 90 days."""

    own = StateCount(many=True)
    waiting = AgeCount(many=True)
    decided = serializers.IntegerField()
    median_seconds = serializers.FloatField(allow_null=True)
    p90_seconds = serializers.FloatField(allow_null=True)


class JobQueueOut(serializers.Serializer[Any]):
    """A queue of jobs: what waits, how long, and who serves it."""

    name = serializers.CharField()
    waiting = serializers.IntegerField()
    oldest_seconds = serializers.FloatField()
    workers = serializers.IntegerField()
    heartbeat_seconds = serializers.FloatField(allow_null=True)


class ChannelOut(serializers.Serializer[Any]):
    """Deliveries that wait in a channel, and how many of them failed before."""

    channel = serializers.CharField()
    waiting = serializers.IntegerField()
    failing = serializers.IntegerField()


class NodeOut(serializers.Serializer[Any]):
    """The node as its operators see it."""

    workers = serializers.IntegerField()
    queues = JobQueueOut(many=True)
    deliveries = ChannelOut(many=True)
    requests = StateCount(many=True)


@extend_schema(responses=FiguresOut, summary="The caller's own figures")
@api_view(["GET"])
def own_figures(request: Request) -> Response:
    """Answer with what the caller's dashboard shows of requests."""
    now = timezone.now()
    took = figures.turnaround(request.user, now)
    ages = figures.queue_ages(request.user, now)
    found = {
        "own": [{"status": key, "number": n} for key, _, n in figures.own_states(request.user)],
        "waiting": [{"age": age, "number": number} for age, number in ages],
        "decided": took.number,
        "median_seconds": took.median,
        "p90_seconds": took.p90,
    }
    return Response(FiguresOut(found).data)


@extend_schema(responses=NodeOut, summary="How the node stands, for its operators")
@api_view(["GET"])
def node_figures(request: Request) -> Response:
    """Answer with workers, queues, deliveries and requests of the node."""
    require(request.user, Permission.NODE_OPERATE)
    now = timezone.now()
    found = {
        "workers": len(jobs.worker_health(now).workers),
        "queues": jobs.queue_states(now),
        "deliveries": [
            {"channel": channel, "waiting": waiting, "failing": failing}
            for channel, waiting, failing, _ in delivery.standing()
        ],
        "requests": [{"status": key, "number": n} for key, n in figures.state_counts().items()],
    }
    return Response(NodeOut(found).data)


@extend_schema(responses=StuckOut(many=True), summary="What nobody can move on, for the node's operators")
@api_view(["GET"])
def stuck_items(request: Request) -> Response:
    """Answer with every kind of trouble that there is now."""
    require(request.user, Permission.NODE_OPERATE)
    return Response(StuckOut(stuck.groups(timezone.now()), many=True).data)


urlpatterns = [
    path("figures/", own_figures, name="figures"),
    path("node/", node_figures, name="node"),
    path("stuck/", stuck_items, name="stuck"),
]
