"""Django's admin site, for looking only: no row can be added, changed or deleted here by anyone.

A governance system with a writable back door has no governance (HOUSE §7). Who may look at what follows from
the one permission table; secrets, private bytes and their hashes are not shown at all.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite, ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import BinaryField, ForeignKey, Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, path, reverse

from domains.people.models import User
from domains.people.permissions import Permission, allows

# What one must hold to look at the rows of an app; apps that are not named are not shown.
NEEDS: dict[str, Permission] = {
    "people": Permission.PEOPLE_READ,
    "catalog": Permission.CATALOGUE_READ,
    "projects": Permission.PROJECT_READ,
    "ledger": Permission.BUDGET_READ,
    "jobs": Permission.REQUEST_READ,
    "requests": Permission.REQUEST_READ,
    "synthetic": Permission.BUDGET_READ,
    "audit": Permission.AUDIT_READ,
}
# Answers and results are for those who may read results, on their own pages.
HIDDEN_MODELS = {"ledger.Answer", "jobs.Result"}
# Secrets, hashes of private bytes, and the exact times of computations (they tell about the data).
HIDDEN_FIELDS = {"password", "secret_sha256", "sha256", "data_opened_at", "finished_at", "lease_until"}
MOST_COLUMNS = 8


def shown_fields(model: type[Model]) -> list[str]:
    """Return the names of a model's fields that hold neither secrets nor bytes."""
    return [
        field.name
        for field in model._meta.fields
        if field.name not in HIDDEN_FIELDS and not isinstance(field, BinaryField)
    ]


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Shows rows and refuses everything else, whoever asks."""

    actions = None
    list_per_page = 50
    show_full_result_count = False

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Return the names of the fields that may be shown."""
        return shown_fields(self.model)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Return all of them."""
        return shown_fields(self.model)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Return the first few that are not long texts."""
        texts = {field.name for field in self.model._meta.fields if field.get_internal_type() == "TextField"}
        return [name for name in shown_fields(self.model) if name not in texts][:MOST_COLUMNS]

    def get_list_select_related(self, request: HttpRequest) -> list[str]:
        """Join what the list names, so that its number of queries is constant."""
        keys = {field.name for field in self.model._meta.fields if isinstance(field, ForeignKey)}
        return [name for name in self.get_list_display(request) if name in keys]

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Answer from the permission table."""
        return may_look(request.user, self.opts.app_label)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Answer as for each row."""
        return may_look(request.user, self.opts.app_label)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """Keep the list and the row; the addresses that would write do not exist."""
        kept = ("_changelist", "_change")
        return [url for url in super().get_urls() if url.name is None or url.name.endswith(kept)]


class ReadOnlySite(AdminSite):
    """The site itself: opens for administrators and auditors, who sign in on the node's own page."""

    site_header = "Gridhouse records"
    site_title = "Records"
    index_title = "For looking only"
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        """Answer whether this person administers or audits the node."""
        user = request.user
        return isinstance(user, User) and user.is_active and user.is_staff

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Send strangers to the node's sign-in page, which limits attempts; refuse everybody else."""
        if request.user.is_authenticated:
            raise PermissionDenied("These records are for administrators and auditors.")
        return redirect(f"{reverse('account_login')}?next={reverse('admin:index')}")

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Keep what shows rows, and send the admin's own account pages to ours."""
        kept = [url for url in super().get_urls() if getattr(url, "name", None) not in _DROPPED]
        return [*(_moved(name) for name in _ACCOUNT_PAGES), *kept]


# The admin's templates link to the first three; the others would answer about any row.
_ACCOUNT_PAGES = ("logout", "password_change", "password_change_done")
_DROPPED = ("autocomplete", "view_on_site", *_ACCOUNT_PAGES)


def _moved(name: str) -> URLPattern:
    """Redirect one of the admin's addresses, which its templates link to, to the account page."""

    def view(request: HttpRequest) -> HttpResponseRedirect:
        return redirect("account_logout" if name == "logout" else "account")

    return path(f"{name}/", view, name=name)


def may_look(user: object, app_label: str) -> bool:
    """Answer whether this person administers or audits, and the permission table lets them read this app."""
    if not isinstance(user, User) or app_label not in NEEDS:
        return False
    return user.is_staff and allows(user, NEEDS[app_label])


site = ReadOnlySite(name="admin")
for _model in apps.get_models():
    if _model._meta.app_label in NEEDS and _model._meta.label not in HIDDEN_MODELS:
        site.register(_model, ReadOnlyAdmin)
