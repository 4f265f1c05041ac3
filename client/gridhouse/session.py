"""How the client speaks to a node: one place for addresses, the token, time limits, repeats and pages."""

from __future__ import annotations

import ipaddress
import random
import ssl
import time
import uuid
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from gridhouse.errors import (
    GridhouseError,
    InsecureAddress,
    InvalidInput,
    NodeFailed,
    NodeUnreachable,
    of_problem,
)

Json = dict[str, Any]
PREFIX = "/api/v1/"
ATTEMPTS = 4
_PASSING = frozenset({503, 504})  # the node, or what stands before it, asks to come again


class Session:
    """One connection to a node. It never follows redirects, so the token goes nowhere else."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float = 30.0,
        insecure: bool = False,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = _checked(url, insecure=insecure)
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise InvalidInput(
                "The token is not one that a node makes. Copy it whole from your account page."
            )
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "User-Agent": "gridhouse-client/1",
        }
        self._http = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=timeout,
            transport=transport,
            follow_redirects=False,
            verify=_trusted(),
        )

    def __repr__(self) -> str:
        return f"Session({self.url!r})"

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        """Read JSON."""
        return _json(self._send("GET", path, params=_given(params)))

    def text(self, path: str, **params: Any) -> str:
        """Read text."""
        return self._send("GET", path, params=_given(params)).text

    def content(self, path: str, **params: Any) -> bytes:
        """Read bytes."""
        return self._send("GET", path, params=_given(params)).content

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send JSON under a fresh idempotency key: a repeat after a broken connection does nothing twice."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return _json(self._send("POST", path, json=dict(body or {}), headers=headers))

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Change fields; not repeated by itself."""
        return _json(self._send("PATCH", path, json=dict(body)))

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """Replace a value; the same again changes nothing, so it may be repeated."""
        return _json(self._send("PUT", path, json=dict(body)))

    def upload(self, path: str, file: Path, fields: Mapping[str, str]) -> Any:
        """Send a file with form fields; streamed from disk, not repeated by itself."""
        with file.open("rb") as stream:
            files = {"file": (file.name, stream, "application/octet-stream")}
            return _json(self._send("POST", path, data=dict(fields), files=files, timeout=600.0))

    def pages(self, path: str, **params: Any) -> Iterator[Json]:
        """Yield the rows of a list, one page at a time, as they are asked for."""
        query: Mapping[str, Any] = _given(params)
        while True:
            page = _json(self._send("GET", path, params=query))
            if not isinstance(page, dict) or not isinstance(page.get("results"), list):
                raise NodeFailed("The node's list has not the form of its API.")
            yield from page["results"]
            if not page.get("next"):
                return
            # Only the cursor is taken from the node's link, never its address: the token stays here.
            query = dict(httpx.URL(page["next"]).params)

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        may_repeat = method in {"GET", "PUT"} or "headers" in options
        for attempt in range(ATTEMPTS if may_repeat else 1):
            if attempt:
                time.sleep(0.2 * 2**attempt * random.uniform(0.5, 1.0))  # noqa: S311 - spreads callers, no secret
            try:
                response = self._http.request(method, PREFIX + path, **options)
            except httpx.TransportError as error:
                problem: GridhouseError = NodeUnreachable(
                    f"No answer from {self.url}: {type(error).__name__}."
                )
                continue
            if response.is_success:
                return response
            problem = _problem(response)
            # A repeat may come while the node still works on the first call; its answer is worth waiting for.
            is_under_way = attempt > 0 and problem.code == "idempotency_in_progress"
            if response.status_code not in _PASSING and not is_under_way:
                break
        raise problem


@cache
def _trusted() -> ssl.SSLContext:
    """Return whom connections trust; reading all those certificates takes a moment, so once a process."""
    return httpx.create_ssl_context()


def _given(params: Mapping[str, Any]) -> Json:
    return {name: value for name, value in params.items() if value not in (None, "")}


def _json(response: httpx.Response) -> Any:
    if response.status_code == 204:
        return {}
    try:
        return response.json()
    except ValueError:
        raise NodeFailed("The node answered with something that is not JSON. Is the address right?") from None


def _problem(response: httpx.Response) -> GridhouseError:
    if response.is_redirect:
        return NodeFailed(
            f"The node sends callers to {response.headers.get('location', 'nowhere')}; use that address."
        )
    try:
        found = response.json()
    except ValueError:
        found = {}
    return of_problem(response.status_code, found if isinstance(found, dict) else {})


def _checked(url: str, *, insecure: bool) -> str:
    """Return the address without its trailing slash, or refuse one over which a token would be readable."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        raise InvalidInput(f"“{url}” is not an address.") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.userinfo:
        raise InvalidInput("Give the node's address as https://name, without a user name in it.")
    if parsed.scheme == "http" and not insecure and not _is_loopback(parsed.host):
        raise InsecureAddress(
            f"http://{parsed.host} would show your token to anyone on the way. Use https or insecure=True."
        )
    return str(parsed).rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
