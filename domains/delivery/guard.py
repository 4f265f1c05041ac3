"""Where webhooks may go: public addresses over https, looked up once and then held to (no SSRF)."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from domains.errors import InvalidInput

Resolver = Callable[..., list[Any]]
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", re.I)
# Addresses that carry another one inside, and those of protocols and of some clouds' metadata.
_INWARD_TEXT = "64:ff9b::/96 64:ff9b:1::/48 2002::/16 2001::/32 fec0::/10 192.88.99.0/24 192.0.0.0/24"
_INWARD = [ipaddress.ip_network(text) for text in _INWARD_TEXT.split()]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Refused(Exception):
    """This address is not one that the node calls; `code` is public."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Place:
    """An address taken apart: what is asked for, and where."""

    host: str
    port: int
    path: str
    is_tls: bool


def parse(url: str) -> Place:
    """Take an address apart, or raise InvalidInput with what is wrong with it. Asks no name server."""
    if len(url) > 500 or not url.isascii() or any(not (33 <= ord(letter) <= 126) for letter in url):
        raise _bad("A webhook’s address has at most 500 characters and no spaces.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _bad("This is not an address such as https://example.org/hook.") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and settings.WEBHOOK_HTTP):
        raise _bad("A webhook’s address begins with https://.")
    if "@" in parts.netloc or parts.fragment or "\\" in url:
        raise _bad("A webhook’s address holds no user name, no password and no #.")
    host = parts.hostname or ""
    if not (_HOST.fullmatch(host) or ":" in host):
        raise _bad("This is not an address such as https://example.org/hook.")
    literal = _literal(host)
    if literal is not None and not is_allowed(literal):
        raise _bad("Webhooks go to public addresses only; this one is inside a network.", "webhook_private")
    is_tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(host, port if port is not None else (443 if is_tls else 80), path, is_tls)


def _bad(message: str, code: str = "webhook_url") -> InvalidInput:
    return InvalidInput(message, code=code)


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def pin(place: Place, resolve: Resolver | None = None) -> str:
    """Look a host up once and return the address to connect to, or raise Refused.

    If any of its addresses is not allowed, none is used: an answer that mixes them is an attempt.
    """
    try:
        found = (resolve or socket.getaddrinfo)(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Refused("name_unknown") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses:
        raise Refused("name_unknown")
    for address in addresses:
        literal = _literal(address)  # None for an address with a zone, as fe80::1%eth0
        if literal is None or not is_allowed(literal):
            raise Refused("address_private")
    return addresses[0]


def is_allowed(address: Address) -> bool:
    """Answer whether a webhook may go to this address: a public one, or in a network that the settings name."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address in ipaddress.ip_network(network) for network in settings.WEBHOOK_NETWORKS):
        return True
    inward = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or not address.is_global
    )
    return not inward and not any(address in network for network in _INWARD)
