"""Between the app and its stores: a slow link, a silent one, one that is cut at a bad moment."""

import time
from collections.abc import Callable, Iterator

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from pytest_django import Settings

from hardened_sessions import bounds
from hardened_sessions.clients.redis import redis_client
from hardened_sessions.format.keys import hashed
from tests.hardened_sessions.conftest import Browser
from tests.hardened_sessions.proxy import Proxy
from tests.servers import POSTGRES_PORT, REDIS_PORT, RedisServer

pytestmark = pytest.mark.alone


def engines(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("engine", names)


@pytest.fixture
def redis_link(settings: Settings, browser: Browser) -> Iterator[Proxy]:
    """Return the link that Redis is reached by; the browser signed in before it lay between."""
    proxy = Proxy(REDIS_PORT)
    location = settings.CACHES["sessions"]["LOCATION"].replace(str(REDIS_PORT), str(proxy.port))
    settings.CACHES = {
        **settings.CACHES,
        "sessions": {**settings.CACHES["sessions"], "LOCATION": location},
    }
    assert browser.get("/read").status_code == 200
    yield proxy
    proxy.close()


@pytest.fixture
def postgres_link(browser: Browser) -> Iterator[Proxy]:
    """Return the link that Postgres is reached by."""
    proxy = Proxy(POSTGRES_PORT)
    connection.close()
    connection.settings_dict["PORT"] = proxy.port
    assert browser.get("/read").status_code == 200
    yield proxy
    proxy.close()
    connection.close()
    connection.settings_dict["PORT"] = POSTGRES_PORT


def wait_for_redis() -> None:
    while redis_client().breaker.opened is not None:
        time.sleep(0.05)


# --- Redis ----------------------------------------------------------------------------------------


@engines("cached_db", "cache")
def test_a_link_that_is_a_little_slow_is_used(redis_link: Proxy, browser: Browser) -> None:
    redis_link.delay = bounds.REDIS_READ / 5
    assert browser.get("/write").content == b"2"
    assert browser.get("/read").content == b"2"
    assert redis_client().breaker.opened is None


@engines("cached_db")
def test_a_link_that_is_too_slow_is_done_without(
    redis_link: Proxy, browser: Browser, redis_server: RedisServer, settings: Settings
) -> None:
    redis_link.delay = 2 * bounds.REDIS_READ
    assert browser.get("/write").content == b"2"
    assert redis_client().breaker.opened is not None
    assert browser.get("/read").content == b"2"
    redis_link.delay = 0.0
    wait_for_redis()
    # What the link delivered late is not believed.
    assert browser.get("/read").content == b"2"
    assert browser.get("/write").content == b"3"


@engines("cache")
def test_a_silent_link_keeps_the_cookie(redis_link: Proxy, browser: Browser) -> None:
    cookie = browser.cookie
    redis_link.silent = True
    assert browser.get("/write").status_code == 503
    assert browser.cookie == cookie
    redis_link.silent = False
    wait_for_redis()
    assert browser.get("/who").content == b"ada"


@engines("cached_db")
@pytest.mark.parametrize("command", [b"EVALSHA", b"GET"])
def test_a_link_that_is_cut_before_the_answer_shows_nothing_stale(
    redis_link: Proxy, browser: Browser, command: bytes
) -> None:
    redis_link.cut_after = lambda sent: command in sent
    assert browser.get("/write").content == b"2"
    redis_link.cut_after = lambda sent: False
    wait_for_redis()
    assert browser.get("/read").content == b"2"


@engines("cached_db")
def test_a_sign_out_whose_deletion_redis_did_not_confirm_waits_until_it_holds(
    redis_link: Proxy, browser: Browser, redis_server: RedisServer
) -> None:
    """The link is cut with the deletion under way, and Redis keeps the copy all the same."""
    cookie = browser.cookie
    with redis_server.client() as client:
        copy = client.get(f"session:{hashed(cookie)}")
        assert copy
        redis_link.cut_after = lambda sent: b"DEL" in sent
        begun = time.monotonic()
        assert browser.get("/sign_out").status_code == 200
        assert time.monotonic() - begun >= bounds.TRUST
        # Whatever Redis made of it: the copy is there as if it had never heard.
        client.set(f"session:{hashed(cookie)}", copy)
    redis_link.cut_after = lambda sent: False
    wait_for_redis()
    browser.client.cookies["__Host-sessionid"] = cookie
    assert browser.get("/who").content == b"nobody"


@engines("cache")
def test_a_sign_out_that_redis_did_not_confirm_is_not_reported_as_done(
    redis_link: Proxy, browser: Browser
) -> None:
    cookie = browser.cookie
    redis_link.cut_after = lambda sent: b"GETDEL" in sent
    answer = browser.get("/sign_out")
    assert (answer.status_code, browser.cookie) == (503, cookie)


# --- Postgres -------------------------------------------------------------------------------------


@engines("db", "cached_db")
def test_a_save_whose_commit_nobody_confirmed_is_503_and_what_it_did_is_found(
    postgres_link: Proxy, browser: Browser
) -> None:
    cookie = browser.cookie
    # The save alone sends what was loaded; its statement may have been prepared before.
    loaded = Session.objects.get().session_data.encode()
    postgres_link.cut_after = lambda sent: loaded in sent
    answer = browser.get("/write")
    assert (answer.status_code, browser.cookie) == (503, cookie)
    postgres_link.cut_after = lambda sent: False
    connection.settings_dict["PORT"] = postgres_link.port
    answer = retried(lambda: browser.get("/read"))
    # It was done: the link was cut after it. Nothing stale hides it.
    assert answer == b"2"


@engines("db", "cached_db")
def test_a_cut_link_is_one_503_and_then_a_new_connection(
    postgres_link: Proxy, browser: Browser
) -> None:
    cookie = browser.cookie
    postgres_link.cut()
    retried(lambda: browser.get("/write"))
    assert browser.cookie == cookie
    assert browser.get("/who").content == b"ada"


@engines("db")
def test_a_silent_link_to_postgres_costs_one_bounded_wait(
    postgres_link: Proxy, browser: Browser
) -> None:
    cookie = browser.cookie
    postgres_link.silent = True
    for _ in range(3):  # the first one waits, the others know
        assert browser.get("/write").status_code == 503
    assert browser.cookie == cookie
    postgres_link.silent = False
    assert retried(lambda: browser.get("/who")) == b"ada"


def retried(ask: Callable[[], object]) -> object:
    """Return the text of the first answer that is no 503."""
    for _ in range(100):
        answer = ask()
        if answer.status_code != 503:  # type: ignore[attr-defined]
            return answer.content  # type: ignore[attr-defined]
        time.sleep(0.05)
    raise AssertionError("still 503")
