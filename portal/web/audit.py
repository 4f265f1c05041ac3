"""The auditor's pages: events with filters and proofs, the checkpoint, the log's own check, and its export."""

from __future__ import annotations

import json
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET, require_POST

from domains.audit import checkpoints, proofs, queries
from domains.audit.events import Event
from domains.audit.receipts import receipt as receipt_of
from domains.audit.verify import verify_database
from domains.people import queries as people
from domains.people.permissions import Permission, require
from portal.web import pages

VERIFIER = Path("client/gridhouse/verify.py")


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """Show the log, newest first, by happening, actor and subject."""
    require(request.user, Permission.AUDIT_READ)
    chosen = {name: request.GET.get(name, "").strip()[:80] for name in ("event", "actor", "subject")}
    page = pages.page_of(request, queries.events(**chosen), 50)
    names = {person.pk: person.name for person in people.people(request.user)}
    values = {
        "page": page,
        "lines": [(row, names.get(row.actor, row.actor), Event(row.event).label) for row in page],
        "chosen": chosen,
        "events": Event.choices,
        "actors": sorted(names.items(), key=lambda item: item[1]),
        "comparison": checkpoints.compare(),
    }
    return render(request, "audit/list.html", values)


@require_GET
def detail(request: HttpRequest, index: int) -> HttpResponse:
    """Show one event as it was hashed, with the proof that the log holds it."""
    require(request.user, Permission.AUDIT_READ)
    row = queries.one(index)
    head = checkpoints.head()
    values = {
        "row": row,
        "crumb": f"Event {row.index}",
        "label": Event(row.event).label,
        "body": json.dumps(queries.body(row), indent=2, ensure_ascii=False),
        "leaf": bytes(row.leaf).hex(),
        "proof": [step.hex() for step in proofs.inclusion(index, head.size)],
        "head": head,
        "root": head.root.hex(),
    }
    return render(request, "audit/detail.html", values)


@require_GET
def receipt(request: HttpRequest, index: int) -> HttpResponse:
    """Offer one event's receipt, which verifies without this node."""
    require(request.user, Permission.AUDIT_READ)
    text = json.dumps(receipt_of(index), indent=2)
    return pages.download(text, name=f"receipt-event-{index}.json", content_type="application/json")


@require_POST
def verify(request: HttpRequest) -> HttpResponse:
    """Recompute the whole log from its leaves up and show what does not fit."""
    require(request.user, Permission.AUDIT_READ)
    values = {
        "findings": verify_database(),
        "size": checkpoints.head().size,
        "comparison": checkpoints.compare(),
    }
    return render(request, "audit/verified.html", values)


@require_GET
def checkpoint(request: HttpRequest) -> HttpResponse:
    """Offer the signed checkpoint of the log as it is now."""
    require(request.user, Permission.AUDIT_READ)
    return pages.download(
        checkpoints.current(), name="checkpoint.txt", content_type="text/plain; charset=utf-8"
    )


@require_GET
def public_key(request: HttpRequest) -> HttpResponse:
    """Offer the key with which checkpoints are verified, to everyone here: receipts are checked with it."""
    text = checkpoints.public_key() + "\n"
    return pages.download(text, name="log-public-key.txt", content_type="text/plain; charset=utf-8")


@require_GET
def export(request: HttpRequest) -> StreamingHttpResponse:
    """Offer the whole log, one JSON object a line."""
    require(request.user, Permission.AUDIT_READ)
    response = StreamingHttpResponse(queries.export_lines(), content_type="application/x-ndjson")
    response["Content-Disposition"] = 'attachment; filename="audit-log.jsonl"'
    return response


@require_GET
def verifier(request: HttpRequest) -> HttpResponse:
    """Offer everyone here the offline verifier: one file, to be read and run without this node."""
    text = (settings.BASE_DIR / VERIFIER).read_text(encoding="utf-8")
    return pages.download(text, name="verify.py", content_type="text/x-python; charset=utf-8")


urlpatterns = [
    path("audit/", listing, name="audit"),
    path("audit/events/<int:index>/", detail, name="audit_event"),
    path("audit/events/<int:index>/receipt.json", receipt, name="audit_receipt"),
    path("audit/verify/", verify, name="audit_verify"),
    path("audit/checkpoint.txt", checkpoint, name="audit_checkpoint"),
    path("audit/public-key.txt", public_key, name="audit_key"),
    path("audit/export.jsonl", export, name="audit_export"),
    path("audit/verify.py", verifier, name="audit_verifier"),
]
