"""Live answers wherever a worker runs; ready fails exactly where the engine can't serve."""

from dataclasses import replace

import pytest
from django.test import Client
from pytest_django import Settings

from session_stack.env import SessionBackend, SessionLayer
from session_stack.startup import probes
from session_stack.startup.probes import StoreUnavailableError, needed_probes


@pytest.fixture
def client() -> Client:
    return Client(headers={"Host": "www.example.org"})


def test_live_asks_no_store(client: Client) -> None:
    assert client.get("/health/live").content == b"live\n"


def test_neither_is_redirected_to_https(client: Client) -> None:
    assert client.get("/health/live").status_code == 200


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
    monkeypatch.setitem(probes.PROBES["hardened"], "cache", (down,))
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
    layer: SessionLayer,
    backend: SessionBackend,
    asked: set[str],
) -> None:
    settings.ENV = replace(settings.ENV, session_layer=layer, session_backend=backend)
    names = {"Postgres": "probe_postgres", "Redis": "probe_redis"}
    names["SESSION_FILE_PATH"] = "probe_folder"
    failed = set()
    for store, name in names.items():

        def away(store: str = store) -> None:
            raise StoreUnavailableError(f"{store} is away")

        real = getattr(probes, name)
        needed = tuple(away if probe is real else lambda: None for probe in needed_probes())
        with monkeypatch.context() as patch:
            patch.setitem(probes.PROBES, layer, {backend: needed})
            answer = client.get("/health/ready")
        if answer.status_code == 503:
            assert answer.content.decode() == f"{store} is away\n"
            failed.add(store)
    assert failed == asked
