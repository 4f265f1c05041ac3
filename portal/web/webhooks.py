"""Webhooks and the log of deliveries: one's own, and for the node's operators all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from domains.delivery import actions, queries
from domains.delivery.lifecycle import DELIVERY
from domains.delivery.models import Channel
from domains.people.permissions import Permission, allows
from portal.web.access import recent_sign_in
from portal.web.notice_forms import WebhookForm
from portal.web.pages import act, attempt, page_of


@require_http_methods(["GET", "POST"])
@recent_sign_in
def webhooks(request: HttpRequest) -> HttpResponse:
    """List the webhooks that one manages and add one; the answer shows its secret once."""
    is_operator = allows(request.user, Permission.NODE_OPERATE)
    form, secret = WebhookForm(request.POST or None, is_operator=is_operator), None
    if request.method == "POST" and form.is_valid():
        done, made = attempt(form, actions.add, **form.cleaned_data, by=request.user)
        secret = made[1] if done else None
    values = {
        "form": form,
        "secret": secret,
        "rows": list(queries.webhooks(request.user)),
        "is_operator": is_operator,
    }
    return render(request, "notices/webhooks.html", values, status=422 if form.errors else 200)


@require_GET
def webhook(request: HttpRequest, pk: str) -> HttpResponse:
    """Show one webhook and what was sent to it."""
    return _webhook(request, pk)


def _webhook(request: HttpRequest, pk: str, secret: str = "") -> HttpResponse:
    row = queries.webhook(pk, request.user)
    values = {"webhook": row, "page": page_of(request, queries.deliveries_of(row)), "secret": secret}
    return render(request, "notices/webhook.html", values)


@require_POST
@recent_sign_in
def rotate(request: HttpRequest, pk: str) -> HttpResponse:
    """Give a webhook a new secret and show it once."""
    made: list[str] = []
    row = queries.webhook(pk, request.user)
    if not act(request, "", lambda: made.append(actions.rotate(row, by=request.user))):
        return redirect("webhook", pk)
    return _webhook(request, pk, made[0])


def _doing(action: Callable[..., Any], done: str) -> Callable[..., HttpResponse]:
    """Return a view that does one thing to a webhook and goes back to it."""

    @require_POST
    @recent_sign_in
    def view(request: HttpRequest, pk: str) -> HttpResponse:
        act(request, done, action, queries.webhook(pk, request.user), by=request.user)
        return redirect("webhook", pk)

    return view


pause = _doing(actions.pause, "Paused. Nothing is sent to it until you resume it.")
resume = _doing(actions.resume, "Resumed.")
remove = _doing(actions.remove, "Removed. Nothing is sent to it any more.")
test = _doing(actions.send_test, "A test is on its way; look below in a moment.")


@require_GET
def deliveries(request: HttpRequest) -> HttpResponse:
    """Show all that left the node or could not, to its operators."""
    status = request.GET.get("status", "") if request.GET.get("status") in DELIVERY else ""
    channel = request.GET.get("channel", "") if request.GET.get("channel") in Channel.values else ""
    values = {
        "page": page_of(request, queries.deliveries(request.user, status=status, channel=channel)),
        "states": [(str(key), state.label) for key, state in DELIVERY.items()],
        "channels": [choice for choice in Channel.choices if choice[0] != Channel.INBOX],
        "chosen": {"status": status, "channel": channel},
    }
    return render(request, "notices/deliveries.html", values)


@require_POST
def redeliver(request: HttpRequest, pk: str) -> HttpResponse:
    """Send an ended delivery once more."""
    row = queries.delivery(pk, request.user)
    act(request, "It is being sent again.", actions.redeliver, row, by=request.user)
    if request.POST.get("to") == "deliveries" or row.webhook_id is None:
        return redirect("deliveries")
    return redirect("webhook", row.webhook_id)


urlpatterns = [
    path("webhooks/", webhooks, name="webhooks"),
    path("webhooks/<str:pk>/", webhook, name="webhook"),
    path("webhooks/<str:pk>/rotate/", rotate, name="webhook_rotate"),
    path("webhooks/<str:pk>/pause/", pause, name="webhook_pause"),
    path("webhooks/<str:pk>/resume/", resume, name="webhook_resume"),
    path("webhooks/<str:pk>/remove/", remove, name="webhook_remove"),
    path("webhooks/<str:pk>/test/", test, name="webhook_test"),
    path("deliveries/", deliveries, name="deliveries"),
    path("deliveries/<str:pk>/redeliver/", redeliver, name="delivery_redeliver"),
]
