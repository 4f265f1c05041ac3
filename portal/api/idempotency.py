"""`Idempotency-Key` on POST: the same call again gets the same answer, and nothing is done twice.

A key belongs to one person and one call (method, address, body) for a day. The claim on it is one row under a
unique constraint, so of two calls at once exactly one is made.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any, cast

from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from domains.errors import IllegalMove, InvalidInput
from domains.people.models import User
from portal.models import IdempotentResponse

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
MOST = 128  # characters of a key


class Replay(Exception):
    """This call was made before; `response` is what it was answered."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__("replayed")
        self.response = response


class Idempotent(APIView):
    """Makes a view keep its answers to POST under the caller's key; put before the view's own class."""

    _claim: IdempotentResponse | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        key = request.headers.get(HEADER)
        if request.method == "POST" and key is not None:
            self._claim = _claim(request, key)

    def handle_exception(self, error: Exception) -> Response:
        """Let a replayed answer through; everything else is a problem."""
        if isinstance(error, Replay):
            return cast(Response, error.response)
        return super().handle_exception(error)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        done = super().finalize_response(request, response, *args, **kwargs)
        if self._claim is not None:
            _keep(self._claim, done)
        return done


def keeping(view: type[APIView]) -> type[APIView]:
    """Return `view` with answers kept; the one place where the whole API takes this on is `urls`."""
    return type(view.__name__, (Idempotent, view), {"__doc__": view.__doc__, "__module__": view.__module__})


def _claim(request: Request, key: str) -> IdempotentResponse:
    """Claim `key` for this call, or raise: Replay with the earlier answer, or the reason why there is none."""
    if not 1 <= len(key) <= MOST or not key.isascii() or not key.isprintable():
        raise InvalidInput(
            f"An {HEADER} has 1 to {MOST} printable ASCII characters.", code="idempotency_key_invalid"
        )
    if request.content_type.startswith("multipart/"):
        raise InvalidInput(f"Files are sent without an {HEADER}.", code="idempotency_not_for_files")
    call = {
        "method": "POST",
        "path": request.get_full_path()[:300],
        "body_sha256": hashlib.sha256(request._request.body).hexdigest(),
    }
    user = cast(User, request.user)
    mine = IdempotentResponse.objects.filter(user=user)
    mine.filter(created_at__lt=timezone.now() - KEPT).delete()
    try:
        with transaction.atomic():
            return IdempotentResponse.objects.create(user=user, key=key, **call)
    except IntegrityError:
        earlier = mine.filter(key=key).first()
    if earlier is None:  # the first call failed and gave the key back just now
        raise _in_progress()
    if any(getattr(earlier, name) != value for name, value in call.items()):
        raise IllegalMove(f"This {HEADER} was used for another call.", code="idempotency_conflict")
    if earlier.status is None:
        raise _in_progress()
    raise Replay(_again(earlier))


def _in_progress() -> IllegalMove:
    return IllegalMove(
        "The first call under this key has not ended, or its outcome was lost. "
        "Look at the object before you call again under another key.",
        code="idempotency_in_progress",
    )


def _again(earlier: IdempotentResponse) -> HttpResponse:
    response = HttpResponse(bytes(earlier.body), status=earlier.status, content_type=earlier.content_type)
    response["Idempotent-Replayed"] = "true"
    return response


def _keep(claim: IdempotentResponse, response: HttpResponseBase) -> None:
    """Store the answer; a failure of the node did nothing, so its key is given back."""
    row = IdempotentResponse.objects.filter(pk=claim.pk)
    if response.status_code >= 500 or response.streaming:
        row.delete()
        return
    rendered = cast(Response, response)
    if hasattr(rendered, "render"):
        rendered.render()
    row.update(
        status=rendered.status_code,
        content_type=rendered.get("Content-Type", "")[:80],
        body=rendered.content,
    )
