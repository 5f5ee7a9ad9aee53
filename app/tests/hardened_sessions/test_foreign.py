"""Nobody is answered with somebody else's session, whatever a site's own code mixes up."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

from hardened_sessions.errors import ForeignSessionError
from hardened_sessions.events import counters
from tests.hardened_sessions.conftest import COOKIE, Browser, MakeSession, engines, layers, saved
from tests.hardened_sessions.urls import read, write

LEAKS = "it gives the second visitor the first one's session"

type GetResponse = Callable[[HttpRequest], HttpResponse]

kept: dict[str, Any] = {}


def new_store(key: str | None = None) -> Any:
    return import_module(django_settings.SESSION_ENGINE).SessionStore(key)


def keep(request: HttpRequest) -> HttpResponse:
    kept["session"] = request.session
    return write(request)


def swap(request: HttpRequest) -> HttpResponse:
    request.session = kept["session"]
    return write(request)


def read_swapped(request: HttpRequest) -> HttpResponse:
    request.session = kept["session"]
    return read(request)


def kept_answer(request: HttpRequest) -> HttpResponse:
    if "answer" not in kept:
        request.session["n"] = 1
        kept["answer"] = HttpResponse("for all")
    answer: HttpResponse = kept["answer"]
    return answer


def open_by_key(request: HttpRequest) -> HttpResponse:
    request.session = new_store(request.GET["key"])
    return write(request)


def begin(request: HttpRequest) -> HttpResponse:
    request.session = new_store()
    return write(request)


def look_elsewhere(request: HttpRequest) -> HttpResponse:
    own, request.session = request.session, new_store(request.GET["key"])
    seen = read(request)
    request.session = own
    return seen


def hand_over(request: HttpRequest) -> HttpResponse:
    answer = HttpResponse("handed over")
    answer.set_cookie(COOKIE, request.GET["key"], secure=True)
    return answer


urlpatterns = [
    path(view.__name__, view)
    for view in (
        *(read, write, keep, swap, read_swapped, kept_answer),
        *(open_by_key, begin, look_elsewhere, hand_over),
    )
]


@pytest.fixture(autouse=True)
def _site(settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__
    kept.clear()
    cache.clear()


def refused(client: Client, url: str) -> bool:
    """Return whether the answer is a server's error that says what it is, and sets no cookie."""
    before, cookies = counters()["foreign"], client.cookies.output()
    client.raise_request_exception = True
    with pytest.raises(ForeignSessionError):
        client.get(url, secure=True)
    client.raise_request_exception = False
    answer = client.get(url, secure=True)
    return (
        answer.status_code == 500
        and not answer.cookies
        and client.cookies.output() == cookies
        and counters()["foreign"] == before + 2
    )


@pytest.mark.parametrize("url", ["/swap", "/read_swapped"])
def test_a_session_that_outlives_its_request(store: MakeSession, url: str) -> None:
    ada, bob = Browser(), Browser()
    ada.get("/keep")
    assert refused(Client(), url)
    bob.get("/write")
    assert refused(bob.client, url)
    assert ada.get("/read").content == b"1"
    assert bob.get("/read").content == b"1"


@engines("db")
def test_a_session_by_a_key_that_nobody_presented(store: MakeSession) -> None:
    theirs = saved(store, n=5).session_key
    assert refused(Client(), f"/open_by_key?key={theirs}")
    browser = Browser()
    browser.get("/write")
    assert refused(browser.client, f"/open_by_key?key={theirs}")
    assert browser.get(f"/open_by_key?key={browser.cookie}").content == b"2"


@engines("db", "signed_cookies")
def test_what_a_view_may_do(store: MakeSession, options: Callable[..., None]) -> None:
    theirs = saved(store, n=5).session_key
    browser = Browser()
    browser.get("/write")
    assert browser.get(f"/look_elsewhere?key={theirs}").content == b"5"
    assert browser.get("/read").content == b"1"
    assert browser.get("/begin").content == b"1"
    assert browser.get("/write").content == b"2"
    assert browser.get(f"/hand_over?key={theirs}").content == b"handed over"
    assert browser.get("/read").content == b"5"
    options(OLD_COOKIE_NAME="sessionid")
    moved = Browser()
    moved.client.cookies["sessionid"] = theirs
    assert moved.get("/begin").content == b"1"


@engines("db", "signed_cookies")
def test_a_response_that_outlives_its_request(store: MakeSession) -> None:
    ada = Browser()
    assert ada.get("/kept_answer").content == b"for all"
    assert ada.get("/kept_answer").content == b"for all"
    assert refused(Client(), "/kept_answer")


def storing(get_response: GetResponse) -> GetResponse:
    def middleware(request: HttpRequest) -> HttpResponse:
        answer = get_response(request)
        cache.add(request.path, answer)
        return answer

    return middleware


def fetching(get_response: GetResponse) -> GetResponse:
    return lambda request: cache.get(request.path) or get_response(request)


@layers(stock=LEAKS)
@engines("cached_db", "signed_cookies")
def test_a_cache_that_stores_above_the_session_and_fetches_below_it(
    store: MakeSession, settings: Settings
) -> None:
    """Django's own did so with two first visits that share another cookie."""
    settings.MIDDLEWARE = [f"{__name__}.storing", *settings.MIDDLEWARE, f"{__name__}.fetching"]
    ada, bob = Browser(), Browser()
    assert ada.get("/write").content == b"1"
    assert ada.get("/write").content == b"1"
    assert bob.get("/write").status_code == 500
    assert not bob.cookie
