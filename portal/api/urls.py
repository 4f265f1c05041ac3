"""The addresses of REST API v1, and the one place where every POST takes on its idempotency key."""

from django.urls import path, register_converter
from django.urls.converters import PathConverter
from rest_framework.routers import SimpleRouter

from portal.api import (
    accounts,
    agreements,
    amendments,
    applications,
    areas,
    audit,
    budgets,
    calculator,
    connections,
    dashboard,
    datasets,
    decision,
    docs,
    evidence,
    grants,
    inbox,
    ledger,
    metadata,
    models,
    node,
    organisations,
    outputs,
    panel,
    people,
    policies,
    projects,
    publishing,
    queue,
    register,
    requests,
    results,
    reviews,
    synthetic,
    tables,
    topups,
    webhooks,
)
from portal.api.idempotency import keeping

_RESOURCES = (
    areas,
    datasets,
    publishing,
    tables,
    synthetic,
    connections,
    policies,
    projects,
    amendments,
    applications,
    agreements,
    grants,
    topups,
    accounts,
    requests,
    reviews,
    decision,
    panel,
    results,
    outputs,
    models,
    queue,
    people,
    organisations,
    inbox,
    webhooks,
    node,
)


class Anything(PathConverter):
    """Whatever is left of an address, line breaks included."""

    regex = "(?s:.+)"


register_converter(Anything, "anything")

router = SimpleRouter()
for module in _RESOURCES:
    for prefix, viewset, basename in module.router.registry:
        router.register(prefix, keeping(viewset), basename=basename)

urlpatterns = [
    *router.urls,
    *people.urlpatterns,
    *inbox.urlpatterns,
    *dashboard.urlpatterns,
    *ledger.urlpatterns,
    *calculator.urlpatterns,
    *budgets.urlpatterns,
    *audit.urlpatterns,
    *register.urlpatterns,
    *metadata.urlpatterns,
    *evidence.urlpatterns,
    path("schema/", docs.Schema.as_view(), name="api_schema"),
    path("docs/", docs.Docs.as_view(url_name="api_schema"), name="api_docs"),
    path("<anything:rest>", docs.Missing.as_view()),
]
