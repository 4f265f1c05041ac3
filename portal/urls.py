"""Every address of the node. The order is the order of the menu."""

from django.urls import include, path

from portal.admin import site
from portal.web import (
    account,
    accounts,
    agreement_writing,
    agreements,
    amendments,
    application,
    application_forms,
    audit,
    books,
    budgets,
    calculator,
    catalogue,
    composer,
    connections,
    dashboard,
    evidence,
    health,
    home,
    ledger,
    metrics,
    modelled,
    node,
    notices,
    organisations,
    outputs,
    people,
    projects,
    queue,
    register,
    requests,
    results,
    sessions,
    synthetic,
    topups,
    versions,
    webhooks,
)

MODULES = (
    home,
    dashboard,
    catalogue,
    versions,
    synthetic,
    projects,
    amendments,
    application,
    application_forms,
    evidence,
    agreement_writing,
    agreements,
    composer,
    requests,
    results,
    outputs,
    modelled,
    queue,
    topups,
    ledger,
    books,
    calculator,
    budgets,
    connections,
    audit,
    node,
    notices,
    webhooks,
    organisations,
    people,
    account,
    sessions,
    accounts,
    register,
    health,
    metrics,
)

urlpatterns = [
    *(pattern for module in MODULES for pattern in module.urlpatterns),
    path("api/v1/", include("portal.api.urls")),
    path("admin/", site.urls),
]

handler403 = "portal.web.problems.forbidden"
handler404 = "portal.web.problems.not_found"
handler500 = "portal.web.problems.server_error"
handler429 = "portal.web.problems.too_many"  # asked for by allauth's limits
