"""A page whose database is away answers 503, soon, however the database went."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import close_old_connections, connection, connections
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path
from pytest_django import Settings

from hardened_sessions.clients.database import database
from session_stack.health.answers import ready
from tests.servers import Postgres

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.alone]


def counting(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{User.objects.count()}")


def wrong(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(1)")
    return HttpResponse()


urlpatterns = [
    path("counting", counting),
    path("wrong", wrong),
]


@pytest.fixture(autouse=True)
def breaker_closed() -> Iterator[None]:
    """Begin each test, and the next module, with a database that nobody knows to be gone."""
    yield
    while database("default").breaker.opened is not None:
        time.sleep(0.05)


class Server(Client):
    """A client that begins each request as a server does; Django's own keeps connections."""

    def request(self, **request: Any) -> Any:
        close_old_connections()
        return super().request(**request)


@pytest.fixture
def client(settings: Settings) -> Client:
    settings.ROOT_URLCONF = __name__
    client = Server(
        headers={"Host": "www.example.org", "X-Forwarded-Proto": "https"},
        raise_request_exception=False,
    )
    assert client.get("/counting").content == b"0"
    return client


def serves_again(client: Client, seconds: float = 10) -> bool:
    """Return whether the page is right again within that time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if client.get("/counting").content == b"0":
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def hanging(postgres: Postgres) -> Iterator[None]:
    postgres.hang()
    yield
    postgres.go_on()
    connection.close()
    postgres.wait()


def test_a_hung_database_costs_a_view_seconds_and_not_its_thread(
    client: Client, hanging: None
) -> None:
    # The kept connection fails its health check, then a new one comes to nothing.
    started = time.monotonic()
    answer = client.get("/counting")
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert "no-store" in answer["Cache-Control"]
    assert time.monotonic() - started < 3.5
    # Known from now on, to every thread: nobody waits for it again.
    started = time.monotonic()
    assert [client.get("/counting").status_code for _ in range(5)] == [503] * 5
    assert time.monotonic() - started < 0.5
    status, said = ready()
    assert status.startswith("503")
    assert b"is known to be gone); see: docker compose logs postgres" in said


def test_a_database_that_hung_is_asked_again_once_it_goes_on(
    client: Client, postgres: Postgres
) -> None:
    postgres.hang()
    try:
        assert client.get("/counting").status_code == 503
    finally:
        postgres.go_on()
    assert serves_again(client)


@pytest.mark.parametrize("logged", [False, True])
def test_a_database_that_hangs_during_a_statement_is_given_up(
    client: Client, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, logged: bool
) -> None:
    # Past the health check: the connection was good a moment ago.
    monkeypatch.setattr(type(connections["default"]), "is_usable", lambda self: True)
    postgres.hang()
    try:
        started = time.monotonic()
        with CaptureQueriesContext(connection) if logged else nullcontext():
            answer = client.get("/counting")
        assert (answer.status_code, answer["Retry-After"]) == (503, "2")
        assert time.monotonic() - started < 3.5
    finally:
        postgres.go_on()
        connection.close()
        postgres.wait()


def test_a_database_that_is_gone_is_no_server_error_and_all_is_well_when_it_is_back(
    client: Client, postgres: Postgres
) -> None:
    postgres.kill()
    try:
        assert client.get("/counting").status_code == 503
    finally:
        postgres.start()
    assert serves_again(client)


@pytest.mark.parametrize(("seconds", "status"), [(0.2, 503), (5, 200)])
def test_how_long_a_views_statement_may_take_is_a_setting(
    client: Client, settings: Settings, seconds: float, status: int
) -> None:
    settings.HARDENED_SESSIONS = {**settings.HARDENED_SESSIONS, "STATEMENT_SECONDS": seconds}
    try:
        assert client.get("/wrong").status_code == status
    finally:
        connection.close()


def test_a_statement_that_the_server_cut_off_is_still_the_views_own_fault(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '50ms'")
    try:
        assert client.get("/wrong").status_code == 500
    finally:
        connection.close()
