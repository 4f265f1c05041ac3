"""The API's own description: the OpenAPI document, and pages to browse it that load nothing from elsewhere."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from portal.api.throttles import StrangerThrottle


class Schema(SpectacularAPIView):
    """The OpenAPI document; it describes addresses only, so strangers may read it."""

    permission_classes = (AllowAny,)
    authentication_classes = ()
    throttle_classes = (StrangerThrottle,)


class Docs(SpectacularSwaggerSplitView):
    """Swagger UI from this node's own files, without inline scripts."""

    permission_classes = (AllowAny,)
    authentication_classes = ()
    template_name = "api/docs.html"


@extend_schema(exclude=True)
class Missing(APIView):
    """Every other address below the API: a problem document instead of a page."""

    http_method_names = ["get", "post", "put", "patch", "delete", "head", "options"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound("The API has no such address.")
