"""Each unsafe setting is refused before gunicorn starts; the project's own pass."""

from dataclasses import replace

import pytest
from django.db import connections
from django.test import override_settings
from pytest_django import Settings

from hardened_sessions.clients.redis import redis_client
from session_stack.layers import hardened, stock
from session_stack.startup.preflight import unsafe_settings


def refused() -> list[str]:
    return [line.split(":")[0] for line in unsafe_settings()]


def test_the_project_passes_its_own_checks_and_djangos() -> None:
    assert unsafe_settings() == []


MEMORY = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}


def sessions_alias(**options: object) -> dict[str, object]:
    good = {
        "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
        "SOCKET_TIMEOUT": 0.3,
        "SOCKET_CONNECT_TIMEOUT": 0.3,
    }
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": "redis://redis:6379/0",
        "OPTIONS": {**good, **options},
    }


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"SESSION_COOKIE_NAME": "sessionid"}, "hardened_sessions.W001"),
        ({"SESSION_COOKIE_SECURE": False}, "stack.E001"),
        ({"SESSION_COOKIE_HTTPONLY": False}, "stack.E001"),
        ({"SESSION_COOKIE_SAMESITE": "None"}, "stack.E001"),
        ({"SESSION_COOKIE_PATH": "/app/"}, "stack.E001"),
        ({"SESSION_COOKIE_DOMAIN": "example.org"}, "stack.E001"),
        ({"CSRF_COOKIE_DOMAIN": "example.org"}, "stack.E001"),
        ({"CSRF_COOKIE_NAME": "csrftoken"}, "stack.E001"),
        ({"SECURE_HSTS_PRELOAD": True}, "stack.E003"),
        (
            {
                "SECURE_HSTS_PRELOAD": True,
                "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
                "SECURE_HSTS_SECONDS": 3600,
            },
            "stack.E003",
        ),
        (
            {"CACHES": {"default": MEMORY, "sessions": sessions_alias(SOCKET_TIMEOUT=5)}},
            "hardened_sessions.E008",
        ),
        (
            {"CACHES": {"default": sessions_alias(), "sessions": sessions_alias()}},
            "hardened_sessions.E007",
        ),
        ({"SECURE_CSP": {"default-src": ["'self'", "'unsafe-inline'"]}}, "stack.E007"),
        ({"SECURE_CSP": {"script-src": ["'self'"]}}, "stack.E007"),
        ({"DEBUG": True}, "security.W018"),
        ({"SECRET_KEY": "short"}, "security.W009"),
    ],
)
def test_an_unsafe_setting_is_refused(change: dict[str, object], check: str) -> None:
    with override_settings(**change):
        assert check in refused()


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"SESSION_COOKIE_NAME": "sessionid"}, "stack.E001"),
        (
            {"CACHES": {"default": MEMORY, "sessions": sessions_alias(SERIALIZER="pickle")}},
            "stack.E004",
        ),
        (
            {"CACHES": {"default": MEMORY, "sessions": sessions_alias(SOCKET_TIMEOUT=5)}},
            "stack.E005",
        ),
        (
            {"CACHES": {"default": MEMORY, "sessions": sessions_alias(SOCKET_CONNECT_TIMEOUT=0)}},
            "stack.E005",
        ),
        ({"CACHES": {"default": sessions_alias(), "sessions": sessions_alias()}}, "stack.E006"),
        (
            {"CACHES": {"default": sessions_alias()}, "SESSION_CACHE_ALIAS": "default"},
            "stack.E006",
        ),
    ],
)
def test_what_the_layer_checks_for_itself_is_checked_for_djangos_engines_too(
    settings: Settings, change: dict[str, object], check: str
) -> None:
    with_stock(settings)
    with override_settings(**change):
        assert [line for line in refused() if line == check or "hardened" in line] == [check]


def with_stock(settings: Settings) -> None:
    settings.ENV = replace(settings.ENV, session_layer="stock")
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
    middleware = settings.MIDDLEWARE
    start = middleware.index(hardened.MIDDLEWARE[0])
    end = start + len(hardened.MIDDLEWARE)
    settings.MIDDLEWARE = [*middleware[:start], *stock.MIDDLEWARE, *middleware[end:]]


def test_djangos_engines_pass_too(settings: Settings) -> None:
    with_stock(settings)
    assert unsafe_settings() == []


@pytest.mark.parametrize(
    "change",
    [
        {"SESSION_COOKIE_NAME": "sessionid"},
        {"CACHES": {"default": sessions_alias(), "sessions": sessions_alias()}},
        {"CACHES": {"default": MEMORY, "sessions": sessions_alias(SOCKET_TIMEOUT=5)}},
    ],
)
def test_one_fault_is_reported_once(change: dict[str, object]) -> None:
    with override_settings(**change):
        found = [line for line in refused() if line not in ("hardened_sessions.W003",)]
    assert len(found) == 1


@pytest.mark.parametrize(
    ("pool", "refuses"),
    [
        (False, False),
        (True, False),
        ({"min_size": 1, "max_size": 3}, True),
        ({"min_size": 2}, True),
        ({"min_size": 1, "max_size": 4}, False),
    ],
)
def test_a_pool_smaller_than_a_workers_threads_is_refused(
    monkeypatch: pytest.MonkeyPatch, pool: object, refuses: bool
) -> None:
    monkeypatch.setitem(connections["default"].settings_dict["OPTIONS"], "pool", pool)
    assert ("hardened_sessions.E012" in refused()) is refuses


def test_a_redis_that_is_away_is_logged_and_refuses_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    nowhere = {**sessions_alias(), "LOCATION": "redis://127.0.0.1:1/0"}
    redis_client.cache_clear()
    try:
        with override_settings(CACHES={"default": MEMORY, "sessions": nowhere}):
            assert unsafe_settings() == []
    finally:
        redis_client.cache_clear()
    assert "hardened_sessions.W003: Redis's eviction policy is unverified" in caplog.text


def test_hsts_on_localhost_is_refused(settings: Settings) -> None:
    settings.ENV = replace(settings.ENV, domain="localhost")
    assert "stack.E002" in refused()


def test_a_refusal_is_one_line_with_the_repair() -> None:
    with override_settings(SESSION_COOKIE_SECURE=False):
        (line,) = [line for line in unsafe_settings() if line.startswith("stack.")]
    assert line == (
        "stack.E001: A cookie would travel further than it may: SESSION_COOKIE_SECURE = False. "
        "It may be named __Host-..., Secure, HttpOnly, SameSite Lax or Strict, Path=/ and "
        "without a Domain."
    )
