"""The settings file as shipped: strict where it protects people, typed and loud where a value does not fit."""

import subprocess
import sys

import pytest
from django.conf import settings
from django.contrib.auth.hashers import check_password, identify_hasher, make_password

from portal import settings as shipped
from tests.house.source import ROOT


def test_passwords_are_hashed_with_argon2():
    assert shipped.PASSWORD_HASHERS == ["django.contrib.auth.hashers.Argon2PasswordHasher"]


def test_the_real_hasher_works_and_costs_something(settings):
    settings.PASSWORD_HASHERS = shipped.PASSWORD_HASHERS
    hashed = make_password("a long enough password")
    hasher = identify_hasher(hashed)
    assert hasher.algorithm == "argon2"
    assert hasher.memory_cost >= 19_456  # KiB; the least that OWASP recommends for Argon2id
    assert check_password("a long enough password", hashed)
    assert not check_password("another password", hashed)


def test_the_policy_allows_no_inline_code():
    directives = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    assert directives["default-src"] == ["'self'"]
    assert not any("unsafe" in value or value == "*" for values in directives.values() for value in values)
    assert directives["object-src"] == ["'none'"]
    assert directives["frame-ancestors"] == ["'none'"]


def test_nothing_that_people_upload_is_served():
    assert settings.MEDIA_ROOT == ""
    assert not any(
        str(settings.DATA_DIR).startswith(str(folder)) for folder in (settings.STATIC_ROOT, ROOT / "portal")
    )


def test_actions_own_their_transactions():
    assert settings.ATOMIC_REQUESTS is False


def start(**environment):
    """Load the settings in a process of their own; return what it printed and whether it ended well."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import portal.settings as s; print(s.DEBUG, s.SESSION_COOKIE_SECURE, s.SECURE_HSTS_SECONDS)",
        ],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout + done.stderr


def test_by_default_details_of_failures_are_not_shown_and_https_secures_cookies(tmp_path):
    home = str(tmp_path)
    assert start(GRIDHOUSE_HOME=home) == (True, "False False 0\n")
    assert start(GRIDHOUSE_HOME=home, PUBLIC_URL="https://node.example") == (True, "False True 31536000\n")


def test_the_node_makes_its_own_secret_once_and_keeps_it_to_itself(tmp_path):
    assert start(GRIDHOUSE_HOME=str(tmp_path))[0]
    key = tmp_path / "keys" / "secret_key"
    first = key.read_text()
    assert start(GRIDHOUSE_HOME=str(tmp_path))[0]
    assert key.read_text() == first
    assert len(first) >= 50
    assert key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("environment", "hint"),
    [
        ({"DEBUG": "maybe"}, "use 1 or 0"),
        ({"JOB_THREADS": "two"}, "not a whole number"),
        ({"JOB_THREADS": "0"}, "least value"),
        ({"SECRET_KEY": "short"}, "openssl rand"),
        ({"SECRET_KEY_FILE": "/nowhere/at/all"}, "cannot be read"),
        ({"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL"),
        ({"WEB_PROCESSES": "2"}, "REDIS_URL"),
    ],
)
def test_a_value_that_does_not_fit_stops_the_node_with_a_hint(tmp_path, environment, hint):
    ended_well, said = start(GRIDHOUSE_HOME=str(tmp_path), **environment)
    assert not ended_well
    assert hint in said
