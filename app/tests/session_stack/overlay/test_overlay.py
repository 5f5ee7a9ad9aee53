"""What counts first: safety and secrets, `.env`, the project's word, then a default."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from django.conf import settings

from session_stack.env import Env
from session_stack.overlay import apply, over
from session_stack.overlay.offered import offers

SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"


def laid(project: dict[str, Any], *given: str, **env: Any) -> dict[str, Any]:
    """Return the settings for a project, where `.env` gave those variables."""
    return apply(project, replace(settings.ENV, given=frozenset(given), **env))


def test_a_project_cant_weaken_what_keeps_visitors_safe() -> None:
    made = laid(
        {
            "DEBUG": True,
            "ALLOWED_HOSTS": ["*"],
            "SECRET_KEY": "committed",
            "SESSION_COOKIE_SECURE": False,
            "SESSION_COOKIE_DOMAIN": ".example.org",
            "SESSION_COOKIE_SAMESITE": "None",
            "SECURE_SSL_REDIRECT": False,
        }
    )
    assert not made["DEBUG"]
    assert made["ALLOWED_HOSTS"] == ["www.example.org"]
    assert made["SECRET_KEY"] == settings.SECRET_KEY
    assert made["SESSION_COOKIE_SECURE"]
    assert made["SESSION_COOKIE_DOMAIN"] is None
    assert made["SESSION_COOKIE_SAMESITE"] == "Lax"
    assert made["SECURE_SSL_REDIRECT"]
    assert made["STACK_ORIGINS"]["DEBUG"] == "stack"


@pytest.mark.parametrize(
    ("project", "given", "same_site", "origin"),
    [
        ("Strict", (), "Strict", "project"),
        ("Strict", ("SESSION_COOKIE_SAMESITE",), "Lax", ".env, weaker than the project's Strict"),
        ("None", (), "Lax", "stack"),
    ],
)
def test_the_projects_cookies_stay_as_strict_unless_the_operator_says_so(
    project: str, given: tuple[str, ...], same_site: str, origin: str
) -> None:
    for name in ("SESSION_COOKIE_SAMESITE", "CSRF_COOKIE_SAMESITE"):
        made = laid({name: project}, *given, session_cookie_samesite="Lax")
        assert made[name] == same_site
        assert made["STACK_ORIGINS"][name] == origin


@pytest.mark.parametrize(
    ("project", "given", "age", "origin"),
    [
        ({}, (), 600, "default"),
        ({"SESSION_COOKIE_AGE": 1800}, (), 1800, "project"),
        ({"SESSION_COOKIE_AGE": 1800}, ("SESSION_COOKIE_AGE_SECONDS",), 600, ".env"),
        (
            {"SESSION_COOKIE_AGE": 60},
            ("SESSION_COOKIE_AGE_SECONDS",),
            600,
            ".env, weaker than the project's 60",
        ),
    ],
)
def test_the_projects_age_stays_unless_the_operator_says_another(
    project: dict[str, Any], given: tuple[str, ...], age: int, origin: str
) -> None:
    made = laid(project, *given, session_cookie_age_seconds=600)
    assert made["SESSION_COOKIE_AGE"] == age
    assert made["STACK_ORIGINS"]["SESSION_COOKIE_AGE"] == origin


def test_what_the_project_has_of_its_own_stays() -> None:
    own = {
        "LOGGING": {"version": 1},
        "STATIC_ROOT": "/elsewhere",
        "STORAGES": {"staticfiles": {"BACKEND": "own"}},
        "MESSAGE_STORAGE": "own",
        "ROOT_URLCONF": "own.urls",
        "SILENCED_SYSTEM_CHECKS": ["own.W001"],
        "CSRF_TRUSTED_ORIGINS": ["https://partner.example"],
        "DATABASES": {
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "ATOMIC_REQUESTS": True,
                "OPTIONS": {"isolation_level": 4, "sslmode": "require"},
            },
            "other": {"ENGINE": "django.db.backends.sqlite3"},
        },
        "CACHES": {"default": {"BACKEND": "own"}},
    }
    made = laid(own)
    for name in ("LOGGING", "STATIC_ROOT", "STORAGES", "MESSAGE_STORAGE", "ROOT_URLCONF"):
        assert made[name] == own[name]
    assert "own.W001" in made["SILENCED_SYSTEM_CHECKS"]
    assert "https://partner.example" in made["CSRF_TRUSTED_ORIGINS"]
    default = made["DATABASES"]["default"]
    assert default["ATOMIC_REQUESTS"]
    assert default["OPTIONS"]["isolation_level"] == 4
    assert "sslmode" not in default["OPTIONS"]
    assert default["HOST"] == settings.ENV.database.host
    assert made["DATABASES"]["other"] == {"ENGINE": "django.db.backends.sqlite3"}
    assert made["CACHES"]["default"] == {"BACKEND": "own"}
    assert "sessions" in made["CACHES"]


def test_sessions_middleware_is_replaced_where_it_stands() -> None:
    chain = laid({"MIDDLEWARE": ["own.First", SESSIONS, "own.Last", "csp.middleware.Own"]})[
        "MIDDLEWARE"
    ]
    places = [path.rpartition(".")[2] for path in chain]
    order = ["First", "HardenedSessionMiddleware", "CrossSiteMiddleware", "Last"]
    assert sorted(order, key=places.index) == order
    assert SESSIONS not in chain
    assert "django.middleware.csp.ContentSecurityPolicyMiddleware" not in chain


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of a settings module that is imported by the name `theirs`."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    return tmp_path / "theirs.py"


def test_the_stacks_values_come_under_the_names_that_the_module_reads(module: Path) -> None:
    module.write_text(
        "import os\n"
        "KEY = os.environ['DJANGO_SECRET_KEY']\n"
        "URL = os.environ['DATABASE_URL']\n"
        "DEBUG = os.environ['DEBUG']\n"
    )
    made = over("theirs", wsgi="theirs.application")
    env: Env = settings.ENV
    assert made["KEY"] == env.secret_key
    assert made["URL"] == (
        f"postgres://{env.database.user}:{env.database.password}@"
        f"{env.database.host}:{env.database.port}/{env.database.name}"
    )
    assert made["WSGI_APPLICATION"] == "theirs.application"
    assert "DATABASE_URL" not in os.environ


def test_a_url_can_be_parsed_whatever_the_password_holds_and_however_many_hosts_there_are() -> None:
    env: Env = settings.ENV
    assert env.redis
    user, password = "a:b", "p@s/s:#?%"
    database = replace(env.database, host="one,two", port="5432,5433")
    offered = offers(
        replace(
            env,
            database=replace(database, user=user, password=password),
            redis=replace(env.redis, user=user, password=password),
        )
    )
    for name, host, port in (
        ("DATABASE_URL", "one", "5432"),
        ("REDIS_URL", env.redis.host, env.redis.port),
    ):
        url = urlsplit(offered[name])
        assert (url.hostname, str(url.port)) == (host, port)
        assert (unquote(url.username or ""), unquote(url.password or "")) == (user, password)
    assert (offered["DB_HOST"], offered["DB_PORT"]) == ("one", "5432")


def test_a_variable_that_is_missing_is_named(module: Path) -> None:
    module.write_text("import os\nSTRIPE = os.environ['STRIPE_KEY']\n")
    with pytest.raises(SystemExit, match="theirs reads STRIPE_KEY, which has no value"):
        over("theirs")
