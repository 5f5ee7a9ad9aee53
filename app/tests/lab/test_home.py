"""The visit counter, and what it says of the cookie."""

import html
import re
from dataclasses import replace

import pytest
from django.conf import settings
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.test import Client
from pytest_django import Settings

pytestmark = pytest.mark.django_db


@pytest.fixture
def visitor() -> Client:
    return Client(headers={"Host": "www.example.org", "X-Forwarded-Proto": "https"})


def visits(page: bytes) -> int:
    match = re.search(rb'data-visits="(\d+)"', page)
    assert match
    return int(match[1])


@pytest.mark.lesson(1)
def test_visits_are_counted_for_each_visitor(visitor: Client) -> None:
    assert [visits(visitor.get("/").content) for _ in range(3)] == [1, 2, 3]
    visitor.cookies.clear()
    assert visits(visitor.get("/").content) == 1


def test_the_page_is_kept_by_no_cache(visitor: Client) -> None:
    answer = visitor.get("/")
    assert {"private", "no-store"} <= set(answer["Cache-Control"].split(", "))
    assert "Cookie" in answer["Vary"]


def test_the_cookie_is_described_and_not_given_away(visitor: Client) -> None:
    visitor.get("/")
    key = visitor.cookies[settings.SESSION_COOKIE_NAME].value
    page = visitor.get("/").content.decode()
    assert f"{key[:8]}…" in page
    assert key not in page
    assert f"{len('__Host-sessionid') + 32} of 4096 bytes" in page
    assert "A random key" in page


@pytest.mark.lesson(2)
def test_a_signed_cookie_is_shown_as_readable(visitor: Client, settings: Settings) -> None:
    backend = "signed_cookies"
    settings.ENV = replace(settings.ENV, session_backend=backend)
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{backend}"
    visitor.get("/")
    page = html.unescape(visitor.get("/").content.decode())
    assert '"visits": 1' in page
    assert "Anyone who holds the cookie can read it" in page


def test_a_forged_signed_cookie_is_not_shown(visitor: Client, settings: Settings) -> None:
    settings.ENV = replace(settings.ENV, session_backend="signed_cookies")
    store = SessionStore()
    store["visits"] = 41
    store.save()
    visitor.cookies[settings.SESSION_COOKIE_NAME] = f"{store.session_key}x"
    assert '"visits": 41' not in html.unescape(visitor.get("/").content.decode())


def test_only_https_and_the_own_name_are_answered(visitor: Client) -> None:
    plain = visitor.get("/", headers={"X-Forwarded-Proto": "http"})
    assert (plain.status_code, plain["Location"]) == (301, "https://www.example.org/")
    assert visitor.get("/", headers={"Host": "evil.example"}).status_code == 400
