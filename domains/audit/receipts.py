"""What somebody can keep: one leaf, its proof and a signed checkpoint, verifiable without this node."""

from __future__ import annotations

import base64
from typing import Any

from domains.audit import checkpoints, keys, notes, proofs
from domains.audit.models import AuditEvent
from domains.errors import NotFound

KIND = "gridhouse-receipt/1"


def receipt(index: int) -> dict[str, Any]:
    """Return the receipt of one leaf under the log's newest checkpoint; raise NotFound if there is none.

    Binary values are base64. The leaf's own time was rounded by whoever recorded it (DECISIONS 25).
    """
    row = AuditEvent.objects.filter(pk=index).first()
    if row is None:
        raise NotFound("The log has no such leaf.")
    head = checkpoints.head()
    return {
        "kind": KIND,
        "origin": head.origin,
        "index": index,
        "size": head.size,
        "leaf": base64.b64encode(bytes(row.body)).decode(),
        "proof": [base64.b64encode(step).decode() for step in proofs.inclusion(index, head.size)],
        "checkpoint": notes.sign(head, keys.log_key()),
        "public_key": checkpoints.public_key(),
    }
