"""On either layer, a cookie that a neighbour planted is none of this host's."""

from dataclasses import replace
from importlib import import_module
from logging import WARNING

import pytest
from django.conf import settings as django_settings
from django.test import Client
from pytest_django import Settings

from config.settings import LAYER, MIDDLEWARE
from session_stack.layers import named

pytestmark = pytest.mark.django_db

BLANK = "\xe2\x80\x80"  # U+2000 in UTF-8, as it goes over the wire
SESSION, CSRF = "__Host-sessionid", "__Host-csrftoken"


@pytest.fixture(params=["stock", "hardened"])
def visitor(request: pytest.FixtureRequest, settings: Settings) -> Client:
    """Return a client of a site with Django's `db` engine, or the layer's."""
    settings.ENV = replace(settings.ENV, session_layer=request.param, session_backend="db")
    layer = named(request.param)
    settings.SESSION_ENGINE = f"{layer.ENGINES}.db"
    start = MIDDLEWARE.index(LAYER.MIDDLEWARE[0])
    end = start + len(LAYER.MIDDLEWARE)
    settings.MIDDLEWARE = [*MIDDLEWARE[:start], *layer.MIDDLEWARE, *MIDDLEWARE[end:]]
    proxy = {"Host": "www.example.org", "X-Forwarded-Proto": "https"}
    return Client(enforce_csrf_checks=True, headers=proxy)


def session_of(visits: int) -> str:
    session = import_module(django_settings.SESSION_ENGINE).SessionStore()
    session["visits"] = visits
    session.save()
    return f"{SESSION}={session.session_key}"


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [getattr(record, "reason", "") for record in caplog.records if record.levelno >= WARNING]


def test_the_session(visitor: Client, caplog: pytest.LogCaptureFixture) -> None:
    mine, theirs = session_of(1), session_of(665)

    def visits(cookies: str) -> int:
        visits: int = visitor.get("/", headers={"Cookie": cookies}).context["visits"]
        visitor.cookies.clear()
        return visits

    assert visits(mine) == 2
    assert not refusals(caplog)
    assert visits(f"{BLANK}{theirs}") == 1
    assert visits(f"{mine}; {BLANK}{theirs}") == 3
    assert visits(f"{BLANK}{theirs}; {mine}") == 4
    assert visits(f"{mine}; {theirs}") == 1
    assert refusals(caplog) == ["planted", "planted", "planted", "sent twice"]


def test_the_csrf_token(visitor: Client) -> None:
    mine, theirs = "m" * 32, "t" * 32

    def status(cookies: str, token: str) -> int:
        return visitor.post(
            "/accounts/login/",
            {"csrfmiddlewaretoken": token},
            headers={"Cookie": cookies, "Origin": "https://www.example.org"},
        ).status_code

    assert status(f"{CSRF}={mine}", mine) == 200
    assert status(f"{BLANK}{CSRF}={theirs}", theirs) == 403
    assert status(f"{CSRF}={mine}; {BLANK}{CSRF}={theirs}", theirs) == 403
    assert status(f"{BLANK}{CSRF}={theirs}; {CSRF}={mine}", mine) == 200
    assert status(f"{CSRF}={mine}; {CSRF}={mine}", mine) == 403


def test_any_other_cookie_of_a_guarded_prefix(visitor: Client) -> None:
    answer = visitor.get("/", headers={"Cookie": f"{BLANK}__Host-device=1; __Host-own=2; a=3"})
    assert answer.wsgi_request.COOKIES == {"__Host-own": "2", "a": "3"}
