"""When a session ends is the server's to decide, whatever the browser keeps."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.utils import timezone
from pytest_django import Settings

from hardened_sessions.events import counters
from tests.hardened_sessions.conftest import (
    COOKIE,
    ENGINES,
    ON_SERVER,
    MakeSession,
    engines,
    layers,
    rows,
)
from tests.hardened_sessions.urls import ping, read, sign_in, write
from tests.servers import RedisServer

pytestmark = pytest.mark.urls("tests.hardened_sessions.test_expiry")

WITHOUT_CACHE = ("db", "cached_db", "file", "signed_cookies")  # Redis itself forgets what expired


def expiring(request: HttpRequest) -> HttpResponse:
    """Let the session end after that many seconds."""
    request.session.set_expiry(int(request.GET["seconds"]))
    return HttpResponse("set")


def touch(request: HttpRequest) -> HttpResponse:
    request.session.modified = True
    return HttpResponse("touched")


views = (ping, read, write, sign_in, expiring, touch)
urlpatterns = [path(view.__name__, view) for view in views]


def in_seconds(seconds: int) -> dict[str, Any]:
    """Return what `set_expiry` takes for that, in each of its forms."""
    return {
        "int": seconds,
        "timedelta": timedelta(seconds=seconds),
        "datetime": timezone.now() + timedelta(seconds=seconds),
        "datetime elsewhere": datetime.now(UTC).astimezone() + timedelta(seconds=seconds),
    }


def made(store: MakeSession, expiry: Any, *, asynchronously: bool = False) -> Any:
    """Return a saved session with this expiry."""
    session: Any = store()
    if asynchronously:

        async def make() -> None:
            await session.aset("n", 1)
            await session.aset_expiry(expiry)
            await session.asave()

        async_to_sync(make)()
    else:
        session["n"] = 1
        session.set_expiry(expiry)
        session.save()
    return session


def found(store: MakeSession, session: Any) -> bool:
    """Return whether the next request finds it."""
    return store(session.session_key).get("n") == 1


def sleep_past(seconds: int) -> None:
    """Sleep until what ends in so many seconds has ended: the layer counts whole ones, upwards."""
    time.sleep(seconds + 1.1)


ENDS_NEVER = pytest.mark.xfail(strict=True, reason="the server goes on serving it")


@pytest.mark.parametrize(
    ("layer", "engine"),
    [
        pytest.param("stock", "file", marks=ENDS_NEVER),
        pytest.param("stock", "signed_cookies", marks=ENDS_NEVER),
        *(("hardened", engine) for engine in ENGINES),
    ],
)
def test_an_expiry_of_any_form_is_kept_on_the_server(
    store: MakeSession, settings: Settings
) -> None:
    settings.SESSION_COOKIE_AGE = 1
    ending = {**in_seconds(1), "at browser close": 0, "by the settings": None}
    lasting = in_seconds(60)
    sessions = {}
    for expiries, lasts in ((ending, False), (lasting, True)):
        for form, expiry in expiries.items():
            for asynchronously in (False, True):
                session = made(store, expiry, asynchronously=asynchronously)
                assert found(store, session), (form, asynchronously)
                sessions[form, asynchronously, lasts] = session
    sleep_past(1)
    assert {of: found(store, session) for of, session in sessions.items()} == {
        of: of[2] for of in sessions
    }


def test_an_expiry_can_be_taken_back(store: MakeSession) -> None:
    session = made(store, 60)
    session.set_expiry(None)
    session.save()
    assert found(store, session)
    assert store(session.session_key).get_expiry_age() == django_settings.SESSION_COOKIE_AGE


def test_zero_has_the_browser_forget_and_none_asks_the_settings(store: MakeSession) -> None:
    assert store(made(store, 0).session_key).get_expire_at_browser_close()
    assert not store(made(store, None).session_key).get_expire_at_browser_close()


def test_seconds_run_anew_from_each_save_and_a_moment_stays(store: MakeSession) -> None:
    sliding, fixed = made(store, 100), made(store, timezone.now() + timedelta(seconds=100))
    for session in (sliding, fixed):
        session.set_expiry(session["_session_expiry"])  # as it is
        session["m"] = 1
        session.save()
    assert sliding.get_expiry_age() == 100
    assert fixed.get_expiry_age() < 100


# --- Extremes, and what two requests set -------------------------------------------------------

UNTIL_NOON = timezone.get_fixed_timezone(-12 * 60)
ENDLESS = (
    *(10**10, 10**18, 10**400, timedelta.max, timedelta(days=400 * 366)),
    *(datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UNTIL_NOON)),
    *(datetime(2200, 1, 1, tzinfo=UTC), "2200-01-01T00:00:00+00:00"),
)
OVER = (
    *(-10, -(10**12), -(10**400), timedelta.min, timedelta(seconds=-10)),
    *(datetime.min.replace(tzinfo=UTC), datetime(1960, 1, 1, tzinfo=UTC)),
)


@pytest.mark.parametrize("use_tz", [True, False])
def test_an_expiry_however_far_away_is_kept(
    store: MakeSession, settings: Settings, use_tz: bool
) -> None:
    settings.USE_TZ = use_tz
    naive = () if use_tz else (datetime.max, datetime.min)
    for expiry in (*ENDLESS, *naive[:1]):
        session = store(made(store, expiry).session_key)
        session["m"] = 1
        session.save()
        assert found(store, session), expiry
        assert session.get_expiry_age() > 10**9, expiry
        assert session.get_expiry_date().year >= 2199, expiry
    for expiry in (*OVER, *naive[1:]):
        assert not found(store, made(store, expiry)), expiry


@pytest.mark.parametrize("every_request", [True, False])
def test_a_page_that_sets_an_extreme_expiry_is_answered(
    engine: str, store: MakeSession, settings: Settings, every_request: bool
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = every_request
    client = Client()
    for seconds, value in ((10**18, b"1"), (-(10**18), b"0")):
        client.get("/write", secure=True)
        assert client.get(f"/expiring?seconds={seconds}", secure=True).status_code == 200
        assert client.get("/read", secure=True).content == value


@pytest.mark.parametrize("expiry", [float("inf"), float("nan"), "60", "tomorrow"])
def test_what_says_no_time_is_refused_where_it_is_set(store: MakeSession, expiry: Any) -> None:
    session: Any = store()
    for set_expiry in (session.set_expiry, async_to_sync(session.aset_expiry)):
        with pytest.raises(ValueError, match=r"no number of seconds|Invalid isoformat"):
            set_expiry(expiry)


@engines(*ON_SERVER)
@pytest.mark.parametrize("first", ["one", "other"])
@pytest.mark.parametrize(
    ("base", "one", "other", "stays"),
    [
        (None, timedelta(minutes=30), timedelta(minutes=31), "other"),
        (timedelta(minutes=20), timedelta(minutes=30), timedelta(minutes=31), "other"),
        (timedelta(minutes=20), timedelta(minutes=1), timedelta(minutes=30), "one"),
        (None, 60, 1800, "one"),
        (None, 60, timedelta(minutes=30), "one"),
        (60, None, 1800, "other"),
    ],
)
def test_of_two_that_slid_the_later_stays_and_else_the_sooner(
    store: MakeSession, base: Any, one: Any, other: Any, stays: str, first: str
) -> None:
    key = made(store, base).session_key
    sessions = {"one": store(key), "other": store(key)}
    for name, expiry in (("one", one), ("other", other)):
        sessions[name].set_expiry(expiry)
        sessions[name][name] = 1
    wanted = sessions[stays].get("_session_expiry")
    for name in sorted(sessions, key=lambda name: name != first):
        sessions[name].save()
    merged = store(key)
    assert (merged.get("_session_expiry"), merged["one"], merged["other"]) == (wanted, 1, 1)


# --- Naive moments --------------------------------------------------------------------------------


@layers(stock="it is taken, and the save fails")
@pytest.mark.parametrize("method", ["set_expiry", "aset_expiry"])
def test_a_naive_moment_is_refused_where_it_is_set(store: MakeSession, method: str) -> None:
    session: Any = store()
    session["n"] = 1
    naive = datetime.now() + timedelta(hours=1)
    set_expiry = (
        session.set_expiry if method == "set_expiry" else async_to_sync(session.aset_expiry)
    )
    with pytest.raises(ValueError, match="naive datetime"):
        set_expiry(naive)
    session.save()
    assert found(store, session)


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_without_time_zones_a_naive_moment_is_the_sites_own_time(
    store: MakeSession, settings: Settings, zone: str
) -> None:
    settings.USE_TZ = False
    settings.TIME_ZONE = zone
    ends, ended = (
        made(store, timezone.now() + timedelta(seconds=seconds)) for seconds in (60, -60)
    )
    assert found(store, ends)
    assert not found(store, ended)
    lasting = made(store, None)
    lasting["n"] = 2
    lasting.save()
    assert store(lasting.session_key)["n"] == 2


@engines("db", "cached_db", "file")
@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_without_time_zones_sessions_of_djangos_own_engine_end_on_time(
    engine: str,
    store: MakeSession,
    settings: Settings,
    options: Callable[..., None],
    zone: str,
) -> None:
    from tests.hardened_sessions.conftest import FOUND, stock_store

    options(**FOUND)
    settings.USE_TZ = False
    settings.TIME_ZONE = zone
    ends, ended = (
        made(stock_store(engine), timezone.now() + timedelta(seconds=seconds))
        for seconds in (60, -60)
    )
    assert found(store, ends)
    assert not found(store, ended)


# --- Expired is absent ----------------------------------------------------------------------------


@engines(*WITHOUT_CACHE)
def test_an_expired_session_is_absent_and_counted(store: MakeSession) -> None:
    session = made(store, -1)
    before = counters()["expired"]
    assert not found(store, session)
    assert counters()["expired"] == before + 1


def test_redis_keeps_nothing_that_expired(redis_server: RedisServer, settings: Settings) -> None:
    from hardened_sessions.backends.cache import SessionStore

    session = made(SessionStore, 1)
    with redis_server.client() as client:
        assert client.keys("session:*")
        sleep_past(1)
        assert not client.keys("session:*")
    assert not found(SessionStore, session)


def test_who_comes_with_an_expired_session_is_nobody_and_loses_the_cookie(
    store: MakeSession,
) -> None:
    client = Client()
    client.cookies[COOKIE] = made(store, -1).session_key
    answer = client.get("/read", secure=True)
    assert answer.content == b"0"
    assert answer.cookies[COOKIE].value == ""
    assert answer.cookies[COOKIE]["max-age"] == 0


@layers(stock="400: 'the session was deleted before the request completed'")
@engines("db", "cached_db", "file")
def test_an_expired_session_that_no_view_asks_for_harms_nobody(
    store: MakeSession, settings: Settings
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True
    client = Client(raise_request_exception=False)
    client.cookies[COOKIE] = made(store, -1).session_key
    answer = client.get("/ping", secure=True)
    assert (answer.status_code, answer.content) == (200, b"pong")
    assert answer.cookies[COOKIE].value == ""


@engines("db")
def test_the_column_that_clearing_goes_by_is_never_before_the_true_end(
    store: MakeSession,
) -> None:
    session = made(store, None)
    for age in (1000, 900, 1100, 5000, 100, 99, 101, 60, 3600):
        session.set_expiry(age)
        session["age"] = age
        session.save()
        row = Session.objects.get()
        assert row.expire_date >= timezone.now() + timedelta(seconds=age)
        # Nor so far behind it that the table keeps what nobody needs.
        assert row.expire_date <= timezone.now() + timedelta(seconds=age * 1.3 + 122)


# --- Each request is a sign of life ---------------------------------------------------------------


def state(engine: str, redis_server: RedisServer, folder: str) -> Any:
    """Return what the engine's authority holds."""
    if engine == "cache":
        with redis_server.client() as client:
            return {key: client.get(key) for key in client.keys("*")}
    if engine == "file":
        return {
            each.name: (each.read_bytes(), each.stat().st_mtime, each.stat().st_ino)
            for each in Path(folder).iterdir()
            if each.is_file()
        }
    return rows()


@layers(stock="it writes at every request")
@engines(*ON_SERVER)
def test_a_request_that_changes_nothing_writes_nothing_until_enough_time_has_passed(
    store: MakeSession, settings: Settings, engine: str, redis_server: RedisServer
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True
    settings.SESSION_COOKIE_AGE = 1000
    client = Client()
    client.get("/write", secure=True)
    folder = settings.SESSION_FILE_PATH
    before = state(engine, redis_server, folder)
    time.sleep(1.0)  # so that the time in whatever is written differs
    answers = [client.get(page, secure=True) for page in ("/read", "/ping", "/read")]
    assert state(engine, redis_server, folder) == before
    # The browser is told each time.
    assert [answer.cookies[COOKIE]["max-age"] for answer in answers] == [1000] * 3

    settings.SESSION_COOKIE_AGE = 1200  # as if a fifth of the age had passed
    client.get("/ping", secure=True)
    assert state(engine, redis_server, folder) != before


@engines(*ON_SERVER)
@pytest.mark.parametrize("every_request", [True, False])
def test_the_server_keeps_a_session_as_long_as_the_last_cookie_says(
    store: MakeSession, settings: Settings, monkeypatch: pytest.MonkeyPatch, every_request: bool
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = every_request
    settings.SESSION_COOKIE_AGE = 600
    client, real = Client(), time.time
    client.get("/write", secure=True)
    for seconds in (55, 110, 705, 1300):  # each before the last cookie has expired
        monkeypatch.setattr(time, "time", lambda at=seconds: real() + at)
        assert client.get("/read", secure=True).content == b"1"
        client.get("/touch", secure=True)
    monkeypatch.setattr(time, "time", lambda: real() + 1300 + 600 * 1.1 + 2)
    assert client.get("/read", secure=True).content == b"0"


@engines("cache")
def test_what_never_asks_for_the_session_answers_without_redis_all_the_same(
    store: MakeSession, settings: Settings, redis_server: RedisServer
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True
    client = Client(raise_request_exception=False)
    client.get("/write", secure=True)
    redis_server.kill()
    try:
        answer = client.get("/ping", secure=True)
    finally:
        redis_server.start()
    assert (answer.status_code, answer.content) == (200, b"pong")
    assert not answer.cookies


def test_an_unchanged_session_sets_no_cookie(store: MakeSession) -> None:
    client = Client()
    client.get("/write", secure=True)
    assert not client.get("/read", secure=True).cookies


# --- The cookie -----------------------------------------------------------------------------------


def test_the_cookie_lives_as_long_as_the_session(store: MakeSession) -> None:
    client = Client()
    started = int(time.time())
    cookie = client.get("/expiring?seconds=3600", secure=True).cookies[COOKIE]
    assert cookie["max-age"] == 3600
    expires = datetime.strptime(cookie["expires"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    assert started + 3600 <= expires.timestamp() <= time.time() + 3600
    cookie = client.get("/expiring?seconds=0", secure=True).cookies[COOKIE]
    assert (cookie["max-age"], cookie["expires"]) == ("", "")
    assert client.get("/read", secure=True).status_code == 200


@pytest.mark.parametrize("closes", [True, False])
def test_the_setting_for_browser_close_decides_where_no_expiry_was_set(
    store: MakeSession, settings: Settings, closes: bool
) -> None:
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = closes
    cookie = Client().get("/write", secure=True).cookies[COOKIE]
    assert cookie["max-age"] == ("" if closes else django_settings.SESSION_COOKIE_AGE)


ATTRIBUTES: list[dict[str, Any]] = [
    {"path": "/", "domain": "", "secure": True, "httponly": True, "samesite": "Lax"},
    {"path": "/shop", "domain": "", "secure": True, "httponly": False, "samesite": "Strict"},
    {"path": "/", "domain": "example.org", "secure": "", "httponly": True, "samesite": "Lax"},
]


@pytest.mark.parametrize("wanted", ATTRIBUTES)
def test_the_cookie_has_the_attributes_of_the_settings_also_where_it_is_deleted(
    store: MakeSession, settings: Settings, wanted: dict[str, Any]
) -> None:
    for name, value in wanted.items():
        setattr(settings, f"SESSION_COOKIE_{name.upper()}", value or None)
    settings.SESSION_COOKIE_NAME = "sessionid"
    client = Client()
    given = client.get("/write", secure=True).cookies["sessionid"]
    gone = client.get("/read", headers={"Cookie": "sessionid=" + "a" * 32}, secure=True)
    for cookie in (given, gone.cookies["sessionid"]):
        assert {name: cookie[name] or "" for name in wanted} == {
            name: value or "" for name, value in wanted.items()
        }
    assert gone.cookies["sessionid"]["max-age"] == 0


@layers(stock="the deletion lacks HttpOnly, so the browser keeps the cookie")
@engines("db")
def test_a_cookie_of_the_strictest_prefix_can_be_deleted(
    store: MakeSession, settings: Settings
) -> None:
    settings.SESSION_COOKIE_NAME = "__Host-Http-session"
    sent = {"Cookie": "__Host-Http-session=" + "a" * 32}
    gone = Client().get("/read", headers=sent, secure=True).cookies["__Host-Http-session"]
    assert gone["max-age"] == 0
    assert gone["secure"]
    assert gone["httponly"]
    assert gone["path"] == "/"


@pytest.mark.parametrize("every_request", [True, False])
def test_no_shared_cache_keeps_an_answer_that_depends_on_the_session(
    store: MakeSession, settings: Settings, every_request: bool
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = every_request
    client = Client()
    assert client.get("/read", secure=True)["Vary"] == "Cookie"
    assert client.get("/write", secure=True)["Vary"] == "Cookie"
    assert client.get("/read", secure=True)["Vary"] == "Cookie"
    untouched = client.get("/ping", secure=True)
    assert untouched.get("Vary") == ("Cookie" if every_request else None)


def test_a_server_error_saves_nothing(store: MakeSession, options: Callable[..., None]) -> None:
    """Check Django's own rule: what a view did before it failed is not kept."""
    client = Client(raise_request_exception=False)
    client.get("/write", secure=True)
    answer = client.get("/expiring?seconds=x", secure=True)
    assert answer.status_code == 500
    assert not answer.cookies
    assert client.get("/read", secure=True).content == b"1"
