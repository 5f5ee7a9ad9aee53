"""The inspector: a visitor's own session, and nothing that would give it away."""

import json
import re

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.test import Client

from hardened_sessions.format.keys import hashed
from lab.layers import layer
from tests.lab.visiting import STOCK, contents, key_of, text_of

pytestmark = pytest.mark.django_db

# The hardened layer copies a row once its transaction has committed, as a test's never does.
PLACES = {
    "db": 1,
    "cached_db": 2 if STOCK else 1,
    "cache": 1,
    "file": 1,
    "signed_cookies": 1,
}


def shown(page: str, what: str) -> list[str]:
    return re.findall(rf'data-shown="{what}">(.*?)</', page, re.DOTALL)


def test_without_a_session_there_is_nothing_to_show(engine: str, visitor: Client) -> None:
    for cookie in ("", "abcdefgh" * 4, "not a key at all", "abcdefgh\\000xyz"):
        if cookie:
            visitor.cookies[settings.SESSION_COOKIE_NAME] = cookie
        page = text_of(visitor.get("/inspector/"))
        assert "Your browser brought no session" in page
        assert "data-place" not in page


@pytest.mark.lesson(5)
def test_the_stored_bytes_and_what_they_say(engine: str, visitor: Client) -> None:
    visitor.get("/")
    visitor.get("/")
    page = text_of(visitor.get("/inspector/"))
    assert page.count("data-place") == PLACES[engine]
    assert json.loads(shown(page, "decoded")[0]) == contents(visitor) == {"visits": 2}
    raw = shown(page, "raw")
    if engine in ("db", "cached_db"):
        assert Session.objects.get().session_data in raw
    if engine == "cache" or (engine == "cached_db" and STOCK):
        assert any(re.search(r'{"visits": ?2}$', value) for value in raw)
    if engine == "signed_cookies":
        assert raw == [f"{key_of(visitor)[:8]}…"]
    assert f"{len('__Host-sessionid') + len(key_of(visitor))} of 4096 bytes" in page


@pytest.mark.lesson(9)
def test_the_key_is_nowhere_on_the_page(engine: str, visitor: Client) -> None:
    visitor.get("/")
    for path in ("/inspector/", "/", "/values/", "/cookies/", "/compare/", "/accounts/login/"):
        assert key_of(visitor) not in text_of(visitor.get(path)), path


def test_a_visitor_sees_no_other_session(engine: str, visitor: Client) -> None:
    other = Client(headers={"Host": "www.example.org", "X-Forwarded-Proto": "https"})
    other.post("/values/", {"action": "set", "key": "secret", "value": '"of another"'})
    visitor.get("/")
    page = text_of(visitor.get(f"/inspector/?key={key_of(other)}&session={key_of(other)}"))
    assert "of another" not in page
    assert json.loads(shown(page, "decoded")[0]) == {"visits": 1}


def test_each_place_has_a_command_for_what_it_shows(engine: str, visitor: Client) -> None:
    visitor.get("/")
    page = text_of(visitor.get("/inspector/"))
    commands = re.findall(r'data-command="([a-z ]+)">(.*?)</code>', page, re.DOTALL)
    assert commands
    for _, line in commands:
        assert line.startswith(("docker compose exec ", "COOKIE="))
        name = key_of(visitor)[:8] if STOCK else hashed(key_of(visitor))
        assert name in line or engine == "signed_cookies"
    assert "decoded" in dict(commands) or engine == "cache"  # whose raw value is the JSON


def test_a_store_that_lost_the_copy_still_shows_the_row(use, visitor: Client) -> None:
    use("cached_db")
    visitor.get("/")
    caches[settings.SESSION_CACHE_ALIAS].delete(
        f"django.contrib.sessions.cached_db{key_of(visitor)}"
    )
    (place,) = layer().places("cached_db", key_of(visitor))
    assert place.kind == "a row in Postgres"


@pytest.mark.skipif(not STOCK, reason="every file of the hardened layer ends")
def test_a_file_that_the_engine_never_expires_has_no_end(use, visitor: Client) -> None:
    use("file")
    visitor.post("/expiry/", {"choice": "default"})
    (place,) = layer().places("file", key_of(visitor))
    assert place.expires
    visitor.post("/expiry/", {"choice": "seconds", "seconds": "60"})
    (place,) = layer().places("file", key_of(visitor))
    assert place.expires is None
