"""Signed cookies: which copy counts, for how long, by whatever clock, and which is sent again.

The clock is the test's; each test runs on both databases, with encryption and without.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import signed_cookies as stock
from django.contrib.sessions.backends.base import UpdateError
from django.core import signing
from django.core.management import call_command
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from hardened_sessions import bounds, events
from hardened_sessions.conf import options as layer_options
from hardened_sessions.format import codec, cookie
from hardened_sessions.models import RevokedCookie
from hardened_sessions.revocation import cookies as revocations
from hardened_sessions.revocation import users
from hardened_sessions.revocation.cookies import known
from hardened_sessions.revocation.feed import feed
from tests.hardened_sessions.conftest import (
    COOKIE,
    ENGINES,
    Browser,
    MakeSession,
    engines,
    forget,
)
from tests.hardened_sessions.test_operations import drawn
from tests.hardened_sessions.urls import ping, read, sign_in, sign_out, who, write

pytestmark = pytest.mark.urls("tests.hardened_sessions.test_signed_cookies")

SIGNED = engines("signed_cookies")
HOUR, DAY = 3600.0, 24 * 3600.0
MEANWHILE: list[Callable[[], None]] = []  # what happens while a slow view runs


def shorten(request: HttpRequest) -> HttpResponse:
    """Let the session end sooner."""
    request.session.set_expiry(60)
    return HttpResponse("set")


def slow(request: HttpRequest) -> HttpResponse:
    """Read, and change what the query names, while something else happens."""
    n = request.session.get("n", 0)
    assert request.user.get_username() == request.GET.get("user", request.user.get_username())
    MEANWHILE.pop()()
    if "set" in request.GET:
        request.session["n"] = int(request.GET["set"])
    return HttpResponse(f"{n}")


urlpatterns = [
    path(view.__name__, view) for view in (ping, read, write, who, sign_in, sign_out, shorten, slow)
]


class Clock:
    """What the clocks say, as far as sessions ask them."""

    def __init__(self) -> None:
        self.wall = self.running = 0.0

    def let_pass(self, seconds: float) -> None:
        """Let time pass by every clock."""
        self.wall += seconds
        self.running += seconds

    def clear(self) -> None:
        """Clear as at this time; what is left keeps its times."""
        ahead = timedelta(seconds=self.wall)
        rows = RevokedCookie.objects.using(layer_options().database)
        postgres = connections[layer_options().database].vendor == "postgresql"
        for row in rows.all() if postgres else ():  # whose clock is its own
            rows.filter(pk=row.pk).update(at=row.at - ahead, expire_date=row.expire_date - ahead)
        call_command("clearsessions", verbosity=0)
        for row in rows.all() if postgres else ():
            rows.filter(pk=row.pk).update(at=row.at + ahead, expire_date=row.expire_date + ahead)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return a clock that the test moves."""
    clock, wall, running = Clock(), time.time, time.monotonic
    monkeypatch.setattr(time, "time", lambda: wall() + clock.wall)
    monkeypatch.setattr(time, "monotonic", lambda: running() + clock.running)
    monkeypatch.setattr(timezone, "now", lambda: datetime.fromtimestamp(time.time(), UTC))
    return clock


@pytest.fixture(params=["postgres", "sqlite encrypted"])
def kept(request: pytest.FixtureRequest, options: Callable[..., None]) -> str:
    """Keep rows in each database, and encrypt on one of the two."""
    where: str = request.param
    if "sqlite" in where:
        request.getfixturevalue("sqlite")
    if "encrypted" in where:
        options(ENCRYPTION_KEYS=["ab" * 32])
    return where


BOTH_FORMS = pytest.mark.parametrize("form", ["hardened", "stock"])


def cookie_of(store: MakeSession, form: str, expiry: Any = None, **data: Any) -> str:
    """Return a cookie by this layer, or by Django's own engine."""
    session: Any = stock.SessionStore() if form == "stock" else store()
    session.update({"n": 1, **data})
    if expiry is not None:
        session.set_expiry(expiry)
    session.save()
    value: str = session.session_key
    return value


def counts(store: MakeSession, value: str) -> bool:
    """Return whether a cookie opens a session; one that was replaced just now does not."""
    return store(value).get("n") is not None


# --- Ended is ended -------------------------------------------------------------------------------

EXPIRIES = st.sampled_from([None, 0, 60, 3600, 3 * DAY, 30 * DAY, 500 * DAY, "date", "far date"])
LATER = st.sampled_from([1.0, 11.0, 660.0, HOUR, *(n * DAY for n in (13, 15, 100, 399, 402))])


@SIGNED
@BOTH_FORMS
@drawn
@given(
    expiries=st.lists(EXPIRIES, min_size=1, max_size=4),
    pauses=st.lists(st.sampled_from([0.0, 30.0, HOUR]), min_size=4, max_size=4),
    end=st.sampled_from(["flush", "delete", "cycle_key", "by the key"]),
    later=st.lists(LATER, min_size=1, max_size=4),
)
def test_no_copy_of_an_ended_cookie_comes_back(
    store: MakeSession,
    clock: Clock,
    form: str,
    expiries: list[Any],
    pauses: list[float],
    end: str,
    later: list[float],
) -> None:
    value, copies = cookie_of(store, form, **{SESSION_KEY: "7"}), []
    for expiry, pause in zip(expiries, pauses, strict=False):
        copies.append(value)
        session: Any = store(value)
        if session.get("n") is None:
            break  # it ended by itself
        days = {"date": 2, "far date": 800}.get(expiry)
        session.set_expiry(timezone.now() + timedelta(days=days) if days else expiry)
        session.save()
        value = session.session_key
        clock.let_pass(pause)
    session = store(value)
    session.get("n")
    store(value).delete(value) if end == "by the key" else getattr(session, end)()
    ended = time.time()
    for seconds in sorted(later):
        clock.let_pass(ended + seconds - time.time())
        clock.clear()
        forget()  # as a new process
        assert [counts(store, copy) for copy in (*copies, value)] == [False] * (len(copies) + 1)


@SIGNED
@pytest.mark.parametrize("again", [False, True])
def test_nobody_comes_back_with_a_long_cookie_after_a_short_one_was_signed_out(
    store: MakeSession, kept: str, clock: Clock, settings: Settings, again: bool
) -> None:
    long = cookie_of(store, "hardened")
    settings.SESSION_COOKIE_AGE = 60
    session: Any = store(long)
    session["m"] = 1
    session.save()
    session.flush()
    assert not counts(store, long)
    for seconds in (660, HOUR, 13 * DAY):
        clock.let_pass(seconds)
        clock.clear()
        forget()
        if again:
            settings.SESSION_COOKIE_AGE = int(14 * DAY)
        assert not counts(store, long)
    assert RevokedCookie.objects.using(layer_options().database).count() == 1


# --- The present age ------------------------------------------------------------------------------


@SIGNED
@BOTH_FORMS
@pytest.mark.parametrize(
    ("expiry", "lowered", "lasts"),
    [
        (None, 3600, HOUR),
        (0, 3600, HOUR),
        (2 * DAY, 3600, 2 * DAY),
        (timedelta(days=2), 3600, 2 * DAY),
        (600, 3600, 600),
        (None, 10**10, 400 * DAY),
        (10**10, 3600, 400 * DAY),
        (timedelta(days=4000), 3600, 400 * DAY),
    ],
)
def test_a_cookie_lasts_as_long_as_the_present_age_allows(
    store: MakeSession,
    kept: str,
    clock: Clock,
    settings: Settings,
    form: str,
    expiry: Any,
    lowered: int,
    lasts: float,
) -> None:
    if lowered > settings.SESSION_COOKIE_AGE:
        settings.SESSION_COOKIE_AGE = lowered
    if isinstance(expiry, timedelta):
        expiry = timezone.now() + expiry
    value = cookie_of(store, form, expiry)
    settings.SESSION_COOKIE_AGE = lowered
    clock.let_pass(lasts - 5)
    assert counts(store, value)
    clock.let_pass(7)
    assert not counts(store, value)
    clock.let_pass(-lasts + 10)
    session: Any = store(value)  # it goes on from there as the settings of today say
    session["n"] = 2
    session.save()
    if expiry in (None, 0) and lowered == 3600:
        clock.let_pass(HOUR + 3)
        assert not counts(store, session.session_key)


@SIGNED
def test_a_longer_age_is_given_by_the_next_save(
    store: MakeSession, kept: str, clock: Clock, settings: Settings
) -> None:
    settings.SESSION_COOKIE_AGE = 60
    value = cookie_of(store, "hardened")
    settings.SESSION_COOKIE_AGE = 3600
    session: Any = store(value)
    session["n"] = 2
    session.save()
    clock.let_pass(70)
    assert (counts(store, value), counts(store, session.session_key)) == (False, True)


# --- A life that is shortened ---------------------------------------------------------------------


def resolved(expiry: Any) -> Any:
    """Return what `set_expiry` takes: a time that is so far from now is a moment."""
    return timezone.now() + expiry if isinstance(expiry, timedelta) else expiry


@SIGNED
@BOTH_FORMS
@pytest.mark.parametrize(
    ("first", "then"),
    [
        (None, 60),
        (None, -1),
        (3600, 60),
        (3600, timedelta(minutes=1)),
        (timedelta(days=30), 60),
        (timedelta(days=30), timedelta(days=29)),
        (30 * DAY, None),
    ],
)
def test_a_shortened_life_ends_the_copies_from_before(
    store: MakeSession, kept: str, clock: Clock, form: str, first: Any, then: Any
) -> None:
    before = cookie_of(store, form, resolved(first), **{SESSION_KEY: "7"})
    session: Any = store(before)
    session.get("n")
    session.set_expiry(resolved(then))
    rotations = events.counters()["rotated"]
    session.save()
    session.save()
    assert events.counters()["rotated"] == rotations + 1
    assert not counts(store, before)
    assert counts(store, session.session_key) is (then != -1)
    clock.let_pass(bounds.ROTATED + 1)
    assert not counts(store, before)
    assert counts(store, session.session_key) is (then != -1)
    # A sign-out by a request that began before ends what took its place.
    if then != -1:
        store(session.session_key).delete()
        assert not counts(store, session.session_key)


@SIGNED
@pytest.mark.parametrize(
    ("first", "then"),
    [
        (None, None),
        (60, None),
        (60, 3600),
        (100, 100),
        (timedelta(days=1), timedelta(days=1)),
        (timedelta(days=1), timedelta(days=2)),
        (None, 15 * DAY),
    ],
)
@pytest.mark.parametrize("step", [0.0, 30.0, -2 * HOUR, -20.0])
def test_a_life_that_is_not_shortened_keeps_its_id(
    store: MakeSession, kept: str, clock: Clock, first: Any, then: Any, step: float
) -> None:
    moment = timezone.now()
    first, then = (moment + e if isinstance(e, timedelta) else e for e in (first, then))
    value = cookie_of(store, "hardened", first)
    clock.wall += step  # a clock that was set back shortens nothing
    session: Any = store(value)
    session["m"] = 1
    session.set_expiry(then)
    session.save()
    if first == then or step >= 0:
        assert counts(store, value)
    assert counts(store, session.session_key)


# --- Clocks ---------------------------------------------------------------------------------------


@SIGNED
@pytest.mark.parametrize(
    ("wall", "running", "trusted"),
    [
        (0, 0, True),
        (590, 590, True),
        (610, 610, False),
        (-5, 5, False),
        (-2 * HOUR, 5, False),
        (2 * HOUR, 5, False),  # set forth, or the machine slept
        (5, 2 * HOUR, False),  # set back after two hours
        (300, 1500, False),
    ],
)
def test_the_feed_is_believed_only_while_both_clocks_agree_that_the_row_was_read_lately(
    store: MakeSession, clock: Clock, wall: float, running: float, trusted: bool
) -> None:
    value = cookie_of(store, "hardened")
    assert counts(store, value)
    sid = store(value).read(value).sid  # type: ignore[attr-defined]
    # Without a word in the feed, as when that has forgotten it.
    RevokedCookie.objects.create(
        sid=sid,
        rotated=False,
        successor="",
        at=timezone.now(),
        expire_date=timezone.now() + timedelta(days=401),
    )
    clock.wall, clock.running = wall, running
    assert counts(store, value) is trusted
    known.forget()
    assert not counts(store, value)


@SIGNED
@pytest.mark.parametrize("stamp", [-HOUR, 0, HOUR, 30 * DAY])
def test_the_time_in_a_cookie_of_a_former_version_is_not_believed(
    store: MakeSession, clock: Clock, stamp: float
) -> None:
    value = cookie_of(store, "hardened")
    kept = signing.loads(value, salt=cookie.SALT)
    kept[codec.META][1] = int(time.time() + stamp)
    former = signing.dumps(kept, salt=cookie.SALT, compress=True)
    assert counts(store, former)
    store(value).delete(value)
    for forgets in (feed().forget, known.forget):
        forgets()
        assert not counts(store, former)
        clock.let_pass(max(0.0, stamp) / 2)


@SIGNED
@pytest.mark.parametrize(
    ("step", "said"),
    [(0, "replaced"), (9, "replaced"), (-9, "replaced"), (11, "ended"), (-11, "ended")]
    + [(sign * HOUR, "ended") for sign in (-3, 3)],
)
def test_a_replaced_id_is_a_moment_ago_by_a_clock_set_either_way(
    store: MakeSession, kept: str, clock: Clock, step: float, said: str
) -> None:
    value = cookie_of(store, "hardened", **{SESSION_KEY: "7"})
    sid = store(value).read(value).sid  # type: ignore[attr-defined]
    session: Any = store(value)
    session.cycle_key()
    clock.wall = step
    assert revocations.verdict(sid, "7", 0) == said


@SIGNED
def test_a_process_remembers_a_bounded_number_of_rows(
    store: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocations.Known, "MOST", 3)
    values = [cookie_of(store, "hardened", n=number) for number in range(8)]
    assert len(known.young) + len(known.old) <= 6
    with CaptureQueriesContext(connections["default"]) as queries:
        assert [store(value)["n"] for value in values] == list(range(8))
    assert 1 <= len([q for q in queries if "revokedcookie" in q["sql"].lower()]) <= 8


@SIGNED
def test_signing_out_everywhere_ends_a_cookie_whose_row_was_read_lately(
    store: MakeSession, kept: str
) -> None:
    values = [cookie_of(store, "hardened", **{SESSION_KEY: user}) for user in ("7", "8")]
    assert [counts(store, value) for value in values] == [True, True]
    users.end("7")
    assert [counts(store, value) for value in values] == [False, True]


# --- What a slow request sends --------------------------------------------------------------------


@contextmanager
def elsewhere() -> Iterator[None]:
    """Do it in another process, of which this one has not heard yet."""
    heard, rows = dict(feed().least), (dict(known.young), dict(known.old))
    cursor, read_at = feed().cursor, feed().read_at
    yield
    feed().least, feed().cursor, feed().read_at = heard, cursor, read_at
    known.young, known.old = rows


ALL = pytest.mark.parametrize("engine", ENGINES)


@ALL
@pytest.mark.parametrize("heard", [True, False], ids=["heard", "unheard"])
@pytest.mark.parametrize("other", ["sign_in", "sign_out", "shorten"])
@pytest.mark.parametrize(
    ("page", "every_request"), [("slow", False), ("slow?set=1", False), ("slow", True)]
)
def test_a_slow_request_that_changed_nothing_is_answered_without_a_cookie(
    store: MakeSession,
    browser: Browser,
    engine: str,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    heard: bool,
    other: str,
    page: str,
    every_request: bool,
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = every_request
    # One that heard of it by the feed needs no second look; a store is asked anew.
    monkeypatch.setattr(bounds, "UNDER_WAY", 60.0 if heard and engine == "signed_cookies" else 0.0)
    known.forget()  # as after ten minutes
    tab = Browser()
    tab.client.cookies[COOKIE] = browser.cookie

    def meanwhile() -> None:
        if heard:
            assert browser.get(f"/{other}").status_code == 200
        else:
            with elsewhere():
                assert browser.get(f"/{other}").status_code == 200

    MEANWHILE.append(meanwhile)
    answer = tab.get(f"/{page}")
    assert (answer.status_code, answer.content) == (200, b"1")
    if other == "shorten" and engine != "signed_cookies":
        return  # there it is one session still
    assert not answer.cookies
    assert browser.get("/who").content == (b"nobody" if other == "sign_out" else b"ada")


@ALL
@pytest.mark.parametrize("other", ["sign_in", "sign_out"])
def test_a_slow_request_that_changed_something_undoes_neither_sign_in_nor_sign_out(
    store: MakeSession, browser: Browser, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    monkeypatch.setattr(bounds, "UNDER_WAY", 0.0)
    tab = Browser()
    tab.client.cookies[COOKIE] = browser.cookie

    def meanwhile() -> None:
        with elsewhere():
            assert browser.get(f"/{other}").status_code == 200

    MEANWHILE.append(meanwhile)
    answer = tab.get("/slow?set=5")
    assert answer.status_code == (409 if other == "sign_in" else 400)
    assert not answer.cookies
    assert browser.get("/who").content == (b"ada" if other == "sign_in" else b"nobody")
    assert browser.get("/read").content == (b"1" if other == "sign_in" else b"0")


@SIGNED
@pytest.mark.parametrize("end", ["delete", "flush"])
def test_a_save_under_an_id_that_ended_is_refused(store: MakeSession, kept: str, end: str) -> None:
    value = cookie_of(store, "hardened")
    held: Any = store(value)
    held["n"] = 2
    other: Any = store(value)
    other.get("n")
    getattr(other, end)()
    with pytest.raises(UpdateError):
        held.save()
    other["n"] = 3  # whoever goes on after a sign-out has another id
    other.save()
    assert counts(store, other.session_key)
    assert not counts(store, value)


@SIGNED
@BOTH_FORMS
def test_a_read_sends_no_cookie_however_long_ago_its_row_was_read(
    store: MakeSession, kept: str, clock: Clock, form: str
) -> None:
    browser = Browser()
    browser.client.cookies[COOKIE] = cookie_of(store, form)
    for seconds in (0, 601, 5 * DAY):
        clock.let_pass(seconds)
        answer = browser.get("/read")
        assert answer.content == b"1"
        assert not answer.cookies


@SIGNED
def test_a_slow_request_over_a_new_secret_key_undoes_no_sign_in(
    store: MakeSession, browser: Browser, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "UNDER_WAY", 0.0)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = f"another-{settings.SECRET_KEY}"
    tab = Browser()
    tab.client.cookies[COOKIE] = browser.cookie

    def meanwhile() -> None:
        with elsewhere():
            for page in ("/who", "/sign_in"):
                assert browser.get(page).status_code == 200

    MEANWHILE.append(meanwhile)
    answer = tab.get("/slow?user=ada")
    assert answer.status_code == 409
    assert not answer.cookies
    assert browser.get("/who").content == b"ada"
