"""A page whose database is away answers 503, soon, however the database went."""

import time
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

from tests.servers import Postgres

pytestmark = pytest.mark.django_db(transaction=True)


def counting(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{User.objects.count()}")


def wrong(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(1)")
    return HttpResponse()


urlpatterns = [path("counting", counting), path("wrong", wrong)]


@pytest.fixture
def client(settings: Settings) -> Client:
    settings.ROOT_URLCONF = __name__
    client = Client(
        headers={"Host": "www.example.org", "X-Forwarded-Proto": "https"},
        raise_request_exception=False,
    )
    assert client.get("/counting").content == b"0"
    return client


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


def test_a_database_that_hangs_during_a_statement_is_given_up(
    client: Client, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Past the health check: the connection was good a moment ago.
    monkeypatch.setattr(type(connections["default"]), "is_usable", lambda self: True)
    postgres.hang()
    try:
        started = time.monotonic()
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
        connection.close()
        postgres.start()
    assert client.get("/counting").content == b"0"


def test_a_statement_that_the_server_cut_off_is_still_the_views_own_fault(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '50ms'")
    try:
        assert client.get("/wrong").status_code == 500
    finally:
        connection.close()
