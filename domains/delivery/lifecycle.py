"""How a delivery and a webhook live."""

from django.db import models

from domains.base import State


class DeliveryStatus(models.TextChoices):
    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"
    DROPPED = "dropped"


class WebhookStatus(models.TextChoices):
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


_D, _W = DeliveryStatus, WebhookStatus

DELIVERY = {
    _D.WAITING: State(
        "Waiting",
        "worker",
        frozenset({_D.DELIVERED, _D.GIVEN_UP, _D.DROPPED}),
        "Tried at its time, and again later if that fails.",
    ),
    _D.DELIVERED: State("Delivered", None, frozenset(), "The other side took it."),
    _D.GIVEN_UP: State("Given up", None, frozenset(), "Every try failed; somebody may send it again."),
    _D.DROPPED: State("Dropped", None, frozenset(), "Nobody needs it any more."),
}

WEBHOOK = {
    _W.ACTIVE: State("Active", None, frozenset({_W.PAUSED, _W.ENDED}), "Events are sent to it."),
    _W.PAUSED: State(
        "Paused",
        None,
        frozenset({_W.ACTIVE, _W.ENDED}),
        "Nothing is sent; what happens meanwhile is not kept for it.",
    ),
    _W.ENDED: State("Removed", None, frozenset(), "Nothing is sent to it any more."),
}
