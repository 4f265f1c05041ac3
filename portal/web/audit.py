"""The auditor's pages: events with filters and proofs, the checkpoint, the log's own check, and its export."""

from __future__ import annotations

import json
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods

from domains.audit import checkpoints, proofs, queries, search
from domains.audit.events import Event
from domains.audit.receipts import receipt as receipt_of
from domains.errors import InvalidInput, NotFound
from domains.evidence import verification
from domains.people import queries as people
from domains.people.permissions import Permission, require
from portal import audit_export
from portal.audit_search import FAMILIES, Chosen
from portal.web import audit_links, pages

VERIFIER = Path("client/gridhouse/verify.py")


@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """Show the log, newest first, narrowed by every filter that is given, a page by key at a time."""
    require(request.user, Permission.AUDIT_READ)
    chosen = Chosen(request.GET, request.user)
    part = search.page(chosen.filters, before=_index(request, "before"), after=_index(request, "after"))
    keys = {row.actor for row in part.rows}
    names = dict(people.rows(request.user).filter(pk__in=keys).values_list("pk", "name"))
    values = {
        "slice": part,
        "lines": [(row, names.get(row.actor, row.actor), label(row.event)) for row in part.rows],
        "chosen": chosen,
        "families": FAMILIES,
        "events": Event.choices,
        "witness": checkpoints.witness_status(),
        "check": next(iter(verification.latest(request.user, 1)), None),
    }
    return render(request, "audit/list.html", values)


def label(event: str) -> str:
    """Name an event in words; one that a newer release recorded, by its own name."""
    return str(Event(event).label) if event in Event.values else event


def _index(request: HttpRequest, name: str) -> int | None:
    given = request.GET.get(name, "")
    return min(int(given), 2**62) if given.isdecimal() and len(given) < 20 else None


@require_GET
def detail(request: HttpRequest, index: int) -> HttpResponse:
    """Show one event as it was hashed, with the proof that the log holds it."""
    require(request.user, Permission.AUDIT_READ)
    row = queries.one(index)
    head = checkpoints.head()
    values = {
        "row": row,
        "crumb": f"Event {row.index}",
        "label": label(row.event),
        "body": json.dumps(queries.body(row), indent=2, ensure_ascii=False),
        "leaf": bytes(row.leaf).hex(),
        "proof": [step.hex() for step in proofs.inclusion(index, head.size)],
        "head": head,
        "root": head.root.hex(),
        "actor": people.rows(request.user).filter(pk=row.actor).first(),
        "about": audit_links.about(row.subject_type, row.subject),
    }
    return render(request, "audit/detail.html", values)


@require_GET
def receipt(request: HttpRequest, index: int) -> HttpResponse:
    """Offer one event's receipt, which verifies without this node."""
    require(request.user, Permission.AUDIT_READ)
    text = json.dumps(receipt_of(index), indent=2)
    return pages.download(text, name=f"receipt-event-{index}.json", content_type="application/json")


@require_http_methods(["GET", "POST"])
def verify(request: HttpRequest) -> HttpResponse:
    """Show the last checks of everything; a post has a worker begin one."""
    require(request.user, Permission.AUDIT_READ)
    if request.method == "POST":
        verification.ask(by=request.user)
        return redirect("audit_verify")
    checks = verification.latest(request.user)
    values = {
        "checks": checks,
        "check": next(iter(checks), None),
        "last": next((each for each in checks if each.status == "finished"), None),
        "size": checkpoints.head().size,
        "witness": checkpoints.witness_status(),
    }
    fragment = getattr(request, "htmx", False)
    return render(request, "audit/_check.html" if fragment else "audit/verified.html", values)


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
def selection(request: HttpRequest, kind: str) -> StreamingHttpResponse:
    """Offer the events that match the filters, as JSON lines or CSV."""
    require(request.user, Permission.AUDIT_READ)
    chosen = Chosen(request.GET, request.user)
    if kind not in audit_export.FORMATS:
        raise NotFound("The log is exported as jsonl or csv.")
    if chosen.problems:
        raise InvalidInput(" ".join(chosen.problems), code="filter_invalid")
    return audit_export.response(kind, chosen.filters, chosen.typed)


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
    path("audit/selection.<slug:kind>", selection, name="audit_selection"),
    path("audit/verify.py", verifier, name="audit_verifier"),
]
