"""Live answers wherever a worker runs; ready fails exactly where the engine can't serve."""

from dataclasses import replace

import pytest
from django.test import Client
from pytest_django import Settings

from session_stack.layers import Store
from session_stack.startup import probes
from session_stack.startup.probes import StoreUnavailableError


@pytest.fixture
def client() -> Client:
    return Client(headers={"Host": "www.example.org"})


def test_live_asks_no_store(client: Client) -> None:
    assert client.get("/health/live").content == b"live\n"


@pytest.mark.django_db
def test_neither_is_redirected_to_https(client: Client) -> None:
    for path in ("/health/live", "/health/ready"):
        assert (path, client.get(path).status_code) == (path, 200)


@pytest.mark.django_db
def test_ready_where_the_store_answers(client: Client) -> None:
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.content) == (200, b"ready\n")
    assert "no-store" in answer["Cache-Control"]


def test_not_ready_says_why(
    client: Client, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    def down() -> None:
        raise StoreUnavailableError("Redis is down")

    settings.ENV = replace(settings.ENV, session_backend="cache")
    monkeypatch.setitem(probes.PROBES, "redis", down)
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.content) == (503, b"Redis is down\n")


@pytest.mark.parametrize(
    ("layer", "backend", "asked"),
    [
        ("hardened", "db", {"Postgres"}),
        ("hardened", "cached_db", {"Postgres"}),
        ("hardened", "cache", {"Redis"}),
        ("hardened", "file", {"SESSION_FILE_PATH"}),
        ("hardened", "signed_cookies", {"Postgres"}),
        ("stock", "cached_db", {"Postgres", "Redis"}),
        ("stock", "signed_cookies", set()),
    ],
)
def test_ready_fails_exactly_where_a_store_is_away_that_the_engine_needs(
    client: Client,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    layer: str,
    backend: str,
    asked: set[str],
) -> None:
    settings.ENV = replace(settings.ENV, session_layer=layer, session_backend=backend)
    names: dict[Store, str] = {
        "postgres": "Postgres",
        "redis": "Redis",
        "folder": "SESSION_FILE_PATH",
    }
    failed = set()
    for store, name in names.items():

        def away(name: str = name) -> None:
            raise StoreUnavailableError(f"{name} is away")

        with monkeypatch.context() as patch:
            for other in names:
                patch.setitem(probes.PROBES, other, away if other == store else lambda: None)
            answer = client.get("/health/ready")
        if answer.status_code == 503:
            assert answer.content.decode() == f"{name} is away\n"
            failed.add(name)
    assert failed == asked
