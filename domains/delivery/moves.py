"""Who moves a delivery and a webhook, from where to where."""

from __future__ import annotations

from domains.base import Machine, Move, arrows
from domains.delivery.lifecycle import DELIVERY, WEBHOOK, DeliveryStatus, WebhookStatus
from domains.people.permissions import Permission

_D, _W = DeliveryStatus, WebhookStatus
_OWN = "owner"  # of the node's webhooks, whoever operates the node

_ENDED = arrows(_D.DELIVERED, _D.GIVEN_UP, _D.DROPPED)
DELIVERY_MOVES = (
    Move(
        "delivery.trying.settle",
        "Try",
        "worker",
        arrows(_D.WAITING, to=(_D.WAITING, _D.DELIVERED, _D.GIVEN_UP)),
    ),
    Move("delivery.trying.drop", "Drop", "worker", arrows(_D.WAITING, to=_D.DROPPED)),
    Move("delivery.actions.redeliver", "Send it again", Permission.NOTICE_MANAGE, _ENDED, only=_OWN),
    Move("delivery.actions.redeliver", "Send it again", Permission.NODE_OPERATE, _ENDED),
)

WEBHOOK_MOVES = (
    Move(
        "delivery.actions.rotate",
        "Give it a new secret",
        Permission.NOTICE_MANAGE,
        arrows(_W.ACTIVE, _W.PAUSED),
        only=_OWN,
    ),
    Move("delivery.actions.send_test", "Send a test", Permission.NOTICE_MANAGE, arrows(_W.ACTIVE), only=_OWN),
    Move(
        "delivery.actions.pause",
        "Pause",
        Permission.NOTICE_MANAGE,
        arrows(_W.ACTIVE, to=_W.PAUSED),
        only=_OWN,
    ),
    Move(
        "delivery.actions.resume",
        "Resume",
        Permission.NOTICE_MANAGE,
        arrows(_W.PAUSED, to=_W.ACTIVE),
        only=_OWN,
    ),
    Move(
        "delivery.actions.remove",
        "Remove",
        Permission.NOTICE_MANAGE,
        arrows(_W.ACTIVE, _W.PAUSED, to=_W.ENDED),
        only=_OWN,
    ),
    Move("delivery.calls._pause", "Pause what is gone", "worker", arrows(_W.ACTIVE, to=_W.PAUSED)),
)

MACHINES = (
    Machine("Delivery", "Delivery", _D.WAITING, DELIVERY, DELIVERY_MOVES),
    Machine("Webhook", "Webhook", _W.ACTIVE, WEBHOOK, WEBHOOK_MOVES),
)
