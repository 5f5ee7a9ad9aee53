"""Pages come without a session where an address has begun too many, on either layer."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.contrib.auth import get_user_model, login
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

from session_stack import new_sessions

LIMIT = 3
COOKIE = "__Host-sessionid"
LAYERS = {
    "stock": (
        "django.contrib.sessions.backends",
        "django.contrib.sessions.middleware.SessionMiddleware",
    ),
    "hardened": (
        "hardened_sessions.backends",
        "hardened_sessions.middleware.HardenedSessionMiddleware",
    ),
}


def read(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.session.get("count")))


def write(request: HttpRequest) -> HttpResponse:
    request.session["count"] = request.session.get("count", 0) + 1
    return HttpResponse(str(request.session["count"]))


def create(request: HttpRequest) -> HttpResponse:
    request.session.create()
    return HttpResponse("created")


def fail(request: HttpRequest) -> HttpResponse:
    request.session["count"] = 1
    return HttpResponse("failed", status=503)


def sign_in(request: HttpRequest) -> HttpResponse:
    login(request, get_user_model().objects.get_or_create(username="ada")[0])
    return HttpResponse("signed in")


urlpatterns = [path(view.__name__, view) for view in (read, write, create, fail, sign_in)]

Ask = Callable[..., tuple[str, str]]


@pytest.fixture(params=LAYERS)
def ask(request: pytest.FixtureRequest, settings: Settings, db: None) -> Ask:
    """Return what asks as a browser without a cookie, or with the one that is given.

    It returns the page, and the session cookie that came with it.
    """
    package, middleware = LAYERS[request.param]
    settings.ROOT_URLCONF = __name__
    settings.SESSION_ENGINE = f"{package}.db"
    settings.MIDDLEWARE = [
        middleware,
        "session_stack.new_sessions.NewSessionsMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    settings.ENV = replace(settings.ENV, new_sessions_per_hour=LIMIT)
    client = Client()  # one, as each has middleware of its own

    def ask(page: str, address: str = "192.0.2.1", cookie: str = "") -> tuple[str, str]:
        client.cookies.clear()
        if cookie:
            client.cookies[COOKIE] = cookie
        answer = client.get(f"/{page}", headers={"X-Forwarded-For": address})
        assert answer.status_code < 500 or page == "fail"
        assert "Cookie" in answer.get("Vary", "")
        set_cookie = answer.cookies.get(COOKIE)
        return answer.content.decode(), set_cookie.value if set_cookie else ""

    return ask


@pytest.mark.parametrize("beginning", ["write", "create"])
@pytest.mark.parametrize("cookie", ["", "x" * 32, "nonsense"], ids=["none", "dead", "bad"])
def test_above_the_limit_pages_come_without_a_session(
    ask: Ask, beginning: str, cookie: str
) -> None:
    if beginning == "create":
        cookie = ""
    # What keeps nothing counts for nothing.
    assert {ask(page, cookie=cookie)[1] for page in ("read", "fail") for _ in range(LIMIT)} == {""}
    answers = [ask(beginning, cookie=cookie) for _ in range(LIMIT + 2)]
    assert [bool(sent) for _, sent in answers] == [True] * LIMIT + [False] * 2
    assert len({page for page, _ in answers}) == 1
    assert Session.objects.count() == LIMIT
    assert ask(beginning, "192.0.2.2")[1], "another address has its own"


def test_who_signs_in_or_has_a_session_is_not_counted(ask: Ask) -> None:
    _, mine = ask("write")
    for _ in range(LIMIT):
        ask("write")
    assert ask("write")[1] == ""
    assert [ask("write", cookie=mine)[0] for _ in range(LIMIT)] == ["2", "3", "4"]
    page, signed_in = ask("sign_in")
    assert page == "signed in"
    assert ask("write", cookie=signed_in)[0] == "1"
    assert ask("read", cookie=signed_in)[0] == "1"


def test_without_a_limit_everybody_has_one(ask: Ask, settings: Settings) -> None:
    settings.ENV = replace(settings.ENV, new_sessions_per_hour=0)
    assert all(ask("write")[1] for _ in range(3 * LIMIT))


def test_an_ipv6_network_is_one_address_and_time_gives_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    allowance = new_sessions.Allowance(LIMIT)

    def takes(addresses: list[str]) -> list[bool]:
        requests = [HttpRequest() for _ in addresses]
        for request, text in zip(requests, addresses, strict=True):
            request.META["HTTP_X_FORWARDED_FOR"] = text
        return [allowance.take(new_sessions.address(request)) for request in requests]

    assert takes([f"2001:db8:0:1::{n}" for n in range(4)]) == [True] * 3 + [False]
    assert takes(["2001:db8:0:2::", "192.0.2.1", "unknown"]) == [True] * 3
    now[0] += new_sessions.HOUR / LIMIT
    assert takes(["2001:db8:0:1::9", "2001:db8:0:1::a"]) == [True, False]
    takes([f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(new_sessions.ADDRESSES)])
    assert len(allowance.buckets) == new_sessions.ADDRESSES
