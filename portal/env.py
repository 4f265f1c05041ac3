"""Reads settings from the environment: typed, and loud with a hint when a value does not fit."""

from __future__ import annotations

import os
import secrets
from datetime import date
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ImproperlyConfigured

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


def text(name: str, default: str = "") -> str:
    """Return the variable, or the contents of the file that NAME_FILE names (secrets come from files)."""
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise ImproperlyConfigured(
                f"{name}_FILE names {path!r}, which cannot be read: {error}."
            ) from error
    return os.environ.get(name, default)


def folder(name: str, default: Path) -> Path:
    """Return the folder that the variable names."""
    return Path(text(name, str(default)))


def flag(name: str, *, default: bool = False) -> bool:
    """Return a yes-or-no variable."""
    value = os.environ.get(name, "1" if default else "0").strip().lower()
    if value not in _TRUE | _FALSE:
        raise ImproperlyConfigured(f"{name}={value!r} is neither yes nor no; use 1 or 0.")
    return value in _TRUE


def whole(name: str, default: int, *, least: int = 0) -> int:
    """Return a whole-number variable, at least `least`."""
    value = os.environ.get(name, str(default))
    try:
        number = int(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number.") from error
    if number < least:
        raise ImproperlyConfigured(f"{name}={number} is below its least value, {least}.")
    return number


def day(name: str) -> date | None:
    """Return a day written as YYYY-MM-DD, or None where none is given."""
    value = text(name).strip()
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r} is no day; write it as 2026-03-31.") from None


def timezone(name: str, default: str) -> str:
    """Return the name of a timezone, such as Europe/Berlin."""
    value = text(name, default)
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ImproperlyConfigured(
            f"{name}={value!r} is no timezone. Use a name such as Europe/Berlin."
        ) from None


def names(name: str, default: str = "") -> list[str]:
    """Return a comma-separated variable as a list without blanks."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """Return a variable that must be one of `allowed`."""
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name}={value!r} is not one of {', '.join(allowed)}.")
    return value


def secret_key(home: Path) -> str:
    """Return SECRET_KEY, or the one this node made for itself on its first start."""
    value = text("SECRET_KEY")
    if value:
        if len(value) < 50:
            raise ImproperlyConfigured(
                "SECRET_KEY is shorter than 50 characters; make one with `openssl rand -hex 32`."
            )
        return value
    path = home / "keys" / "secret_key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:  # another process of this node was quicker
            return path.read_text()
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32))
    return path.read_text()


def database(url: str) -> dict[str, object]:
    """Translate DATABASE_URL (`sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST:PORT/NAME`) for Django."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": unquote(parts.path)[1:] if parts.path.startswith("//") else unquote(parts.path),
            # The ledger rests on these: writers queue at BEGIN, and a commit is on disk when it returns.
            "OPTIONS": {
                "timeout": 30,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON",
            },
        }
    if parts.scheme in {"postgres", "postgresql"}:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.lstrip("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or "") or text("DATABASE_PASSWORD"),
            "HOST": parts.hostname or "",
            "PORT": str(parts.port or ""),
            "CONN_MAX_AGE": 0,
            "OPTIONS": {
                "pool": {"min_size": 1, "max_size": 8, "timeout": 10},
                **dict(parse_qsl(parts.query)),
            },
        }
    raise ImproperlyConfigured(
        f"DATABASE_URL has the scheme {parts.scheme!r}; use sqlite:///PATH or postgresql://USER@HOST/NAME."
    )
