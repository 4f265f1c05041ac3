"""Whether the ledger and the log are whole: checking the books, and going on after a restored backup."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods

from domains.audit import checkpoints
from domains.ledger import books, reconciliation
from domains.people.permissions import Permission, allows
from portal.web import pages
from portal.web.access import recent_sign_in
from portal.web.budget_forms import WhyForm


@require_http_methods(["GET", "POST"])
@recent_sign_in
def reconcile(request: HttpRequest) -> HttpResponse:
    """Show the last check of the books and where the log stands with its witness; check, propose and confirm."""
    do, form = (
        request.POST.get("do", ""),
        WhyForm(request.POST if request.POST.get("do") == "propose" else None),
    )
    if request.method == "POST" and _done(request, do, form):
        return redirect("books")
    values: dict[str, Any] = {
        "last": books.last(request.user),
        "now": books.look(request.user) if request.GET.get("now") else None,
        "comparison": checkpoints.compare(),
        "proposal": reconciliation.pending(),
        "may_act": allows(request.user, Permission.AUDIT_RECONCILE),
        "form": form,
    }
    return render(request, "budgets/books.html", values, status=422 if form.errors else 200)


def _done(request: HttpRequest, do: str, form: WhyForm) -> bool:
    """Do what was asked; False where the form is shown again."""
    by = request.user
    if do == "check":
        return pages.act(request, "Checked.", books.check, by=by)
    if do == "confirm":
        index = request.POST.get("index", "")
        if index.isdecimal() and len(index) < 19:
            pages.act(request, "Reconciled.", reconciliation.confirm, int(index), by=by)
        return True
    if do == "propose" and form.is_valid():
        done, _ = pages.attempt(form, reconciliation.propose, reason=form.cleaned_data["reason"], by=by)
        return done
    return False


urlpatterns = [path("budgets/books/", reconcile, name="books")]
