"""Live answers wherever a worker runs; ready fails exactly where the engine can't serve."""

from dataclasses import replace

import pytest
from django.test import Client
from pytest_django import Settings

from engine import stores
from engine.stores import StoreUnavailableError


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
    monkeypatch.setitem(stores.PROBES["hardened"], "cache", (down,))
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.content) == (503, b"Redis is down\n")


def test_signed_cookies_need_no_store(client: Client, settings: Settings) -> None:
    settings.ENV = replace(settings.ENV, session_backend="signed_cookies")
    assert client.get("/health/ready").status_code == 200
