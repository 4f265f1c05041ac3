"""Every setting that the environment can give, read from `portal/settings.py` itself."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from portal.manual.tables import table

KINDS = {
    "text": "text",
    "folder": "folder",
    "flag": "1 or 0",
    "whole": "whole number",
    "day": "day",
    "names": "names, by comma",
    "choice": "one of a list",
    "timezone": "name of a timezone",
    "secret_key": "text",
}

# A setting without a line here stops `make reference`, and a line without a setting does too.
MEANINGS = {
    "ALLOWED_HOSTS": "Host names under which the node may be addressed.",
    "API_RATE": "Most API calls of one person.",
    "APPROVAL_VALID_DAYS": "Days after which an approval that never ran lapses and is given back.",
    "CONNECTIONS_DIR": "One file with a password for each connection to a database. Only the worker's user reads it.",
    "CSRF_TRUSTED_ORIGINS": "Origins, with scheme, from which forms may be posted besides the node's own.",
    "DATABASE_URL": "`sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST:PORT/NAME`.",
    "DATA_DIR": "Published versions. Only the worker's user should be able to read it; nothing serves it.",
    "DEBUG": "Development only: details of failures are shown in the browser.",
    "DEFAULT_FROM_EMAIL": "Sender of the node's mail.",
    "DISPATCH_INTERVAL_MS": "Milliseconds between a worker's looks at the job table.",
    "EMAIL_HOST": "Mail server; without one no mail is sent and notices stay in the inbox on the site.",
    "EMAIL_HOST_PASSWORD": "Password at the mail server.",
    "EMAIL_HOST_USER": "User at the mail server.",
    "EMAIL_PORT": "Port of the mail server.",
    "EMAIL_USE_TLS": "Whether mail is sent over STARTTLS.",
    "GRIDHOUSE_HOME": "Folder of everything that the node keeps and no setting below places elsewhere.",
    "JOB_LEASE_SECONDS": "Seconds after which a silent worker's job may be taken by another.",
    "JOB_MEMORY_MB": "Most memory of one computation's child process.",
    "JOB_THREADS": "Threads of one computation, and jobs that one worker runs at once.",
    "KEY_DIR": "The session secret and the audit log's signing key. Back it up apart from the database.",
    "LOG_LEVEL": "Least level that is logged (JSON lines on standard error, never a private value).",
    "METRICS_NETWORKS": "Networks, such as 10.1.0.0/16, that may read /metrics without a token.",
    "METRICS_TOKEN": "The bearer token that lets a monitor read /metrics; without it and a network nobody does.",
    "MOCK_DIR": "Mock data, public by nature: the worker writes it, the web process offers it.",
    "NODE_NAME": "The name in checkpoints of the audit log. Choose it before the first start; it stays.",
    "NODE_TIMEZONE": "The timezone by which access policies read days and hours, such as `Europe/Berlin`.",
    "NODE_TITLE": "What the pages call the node.",
    "PUBLIC_REGISTER_SINCE": "Projects approved on or after this day, as 2026-03-31, are in the public register; "
    "empty: there is none.",
    "PUBLIC_URL": "The address people use. `https://` brings secure cookies, redirects and HSTS.",
    "REDIS_URL": "Redis, for hints to workers and shared counters; without it both stay in the process.",
    "RUN_DIR": "Scratch folder of the worker's computations; each worker may have its own.",
    "SEAL_DIR": "The wrapped key of each version's file. The worker's user alone reads it; back it up apart.",
    "SEAL_KEY_FILE": "The node's sealing key, 32 bytes in hexadecimal; without it a worker makes one in SEAL_DIR.",
    "SECRET_KEY": "Signs sessions, at least 50 characters; without it the node makes one in KEY_DIR.",
    "SENDS_NOTICES": "Whether this worker sends mail and webhooks; 0 in workers without a way out.",
    "SSL_REDIRECT": "With an `https://` address: whether plain HTTP is redirected.",
    "STAGING_DIR": "Uploads until they are published or discarded.",
    "STATIC_ROOT": "Where `manage.py collectstatic` puts style sheets and scripts.",
    "TRUSTED_PROXIES": "How many proxies in front of the node add to `X-Forwarded-For`.",
    "DEADLINE_SLACK_MS": "Milliseconds added to every planned deadline; an over-run burns its loss.",
    "UNDO_SECONDS": "Seconds in which an approval in the browser can be taken back before it is dispatched.",
    "UPLOAD_MAX_EXPANDED_MB": "Most that an uploaded file may expand to.",
    "UPLOAD_MAX_MB": "Largest upload.",
    "WEBHOOK_HTTP": "Whether webhooks may also go over plain HTTP: for closed networks.",
    "WEBHOOK_NETWORKS": "Private networks, such as 10.1.0.0/16, that webhooks may reach; else only public addresses.",
    "WEB_PROCESSES": "Web processes that serve this node; above 1 needs REDIS_URL.",
    "WITNESS_DIR": "The anti-rollback checkpoint. Keep it off the database's disk and out of backups.",
}


@dataclass(frozen=True)
class Setting:
    """One variable of the environment: its name, how it is read, and its default as the source writes it."""

    name: str
    kind: str
    default: str


def found() -> list[Setting]:
    """Return the settings that `portal/settings.py` reads, by name."""
    tree = ast.parse((Path(settings.BASE_DIR) / "portal" / "settings.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    seen = {setting.name: setting for call in calls if (setting := _setting(call))}
    return [seen[name] for name in sorted(seen)]


def _setting(call: ast.Call) -> Setting | None:
    function = call.func
    if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)):
        return None
    if function.value.id != "env" or function.attr not in KINDS:
        return None
    if function.attr == "secret_key":
        return Setting("SECRET_KEY", KINDS["secret_key"], "made on the first start")
    name = call.args[0]
    if not isinstance(name, ast.Constant):
        return None
    return Setting(str(name.value), KINDS[function.attr], _default(call, function.attr))


def _default(call: ast.Call, kind: str) -> str:
    given = call.args[1] if len(call.args) > 1 else None
    given = next((keyword.value for keyword in call.keywords if keyword.arg == "default"), given)
    if given is None:
        return "0" if kind == "flag" else ""
    if isinstance(given, ast.Constant):
        shown = str(int(bool(given.value))) if kind == "flag" else str(given.value)
        return f"`{shown}`" if shown else ""
    text = ast.unparse(given)
    for written, shown in {"HOME": "GRIDHOUSE_HOME", "BASE_DIR": "PROJECT"}.items():
        text = text.replace(written, shown)
    return "`" + _path(text) + "`"


def _path(text: str) -> str:
    """Turn `str(HOME / 'data')` and f-strings of paths into what they mean."""
    text = text.removeprefix("str(").removesuffix(")").removeprefix("f").strip("\"'")
    return text.replace("{", "").replace("}", "").replace(" / ", "/").replace("'", "").replace('"', "")


def page() -> str:
    """Return the page; raise RuntimeError if a setting has no meaning written, or a meaning no setting."""
    settings_found = found()
    if difference := {setting.name for setting in settings_found} ^ set(MEANINGS):
        raise RuntimeError(
            f"portal/manual/settings_page.py and portal/settings.py disagree on {sorted(difference)}."
        )
    rows = [(f"`{s.name}`", s.kind, s.default, MEANINGS[s.name]) for s in settings_found]
    return "\n\n".join(
        [
            "# Settings",
            "Every setting comes from the environment. A value that does not fit stops the node with a hint. "
            "A text may also come from a file: `SECRET_KEY_FILE=/run/secrets/key` reads SECRET_KEY from "
            "there. `PROJECT` is the folder of the checkout.",
            table(("Variable", "Kind", "Default", "Meaning"), rows),
            "The demonstration also reads `PORT` (8000), `ONCE` (1: stop after it) and `DEMO_EPSILON`.",
        ]
    )
