"""Signatures of webhooks in the Standard Webhooks format: HMAC-SHA256 over `id.timestamp.body`.

A secret is derived from a key file of this node and the webhook's salt: the database alone betrays none, and any
process of the node that holds the key can sign.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime

from domains.audit import keys
from domains.delivery.models import Webhook

PREFIX = "whsec_"


def new_salt() -> str:
    """Return a salt for a new secret."""
    return secrets.token_hex(32)


def secret(salt: str) -> str:
    """Return the secret of a salt as its receiver is shown it, once: `whsec_` and 32 bytes in base64."""
    return PREFIX + base64.b64encode(keys.derived("webhook-secret", salt)).decode()


def headers(webhook: Webhook, message: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return a message's headers; while a secret is rotated, the old one signs beside the new one."""
    salts = [webhook.salt]
    if webhook.old_until is not None and now < webhook.old_until:
        salts.append(webhook.old_salt)
    stamp = str(int(now.timestamp()))
    return {
        "webhook-id": message,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(signature(secret(salt), message, stamp, body) for salt in salts),
    }


def signature(whsec: str, message: str, stamp: str, body: bytes) -> str:
    """Return one signature, `v1,` and the MAC in base64, as any receiver computes it from its secret."""
    key = base64.b64decode(whsec.removeprefix(PREFIX))
    mac = hmac.new(key, f"{message}.{stamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(mac.digest()).decode()}"
