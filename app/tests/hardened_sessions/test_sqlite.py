"""On SQLite, which has no change feed: each load reads the row."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from hardened_sessions.format.keys import hashed
from tests.hardened_sessions.calls import redis_commands, verbs
from tests.hardened_sessions.conftest import (
    COOKIE,
    Browser,
    MakeSession,
    engines,
    rows,
    saved,
)
from tests.servers import RedisServer

ON_ROWS = engines("db", "cached_db")


def test_sqlite_holds_sessions_of_every_engine(
    sqlite: Path, store: MakeSession, browser: Browser
) -> None:
    assert browser.get("/write").content == b"2"
    assert browser.get("/who").content == b"ada"
    before = browser.cookie
    assert browser.get("/sign_in").status_code == 200
    after = browser.cookie
    assert after != before
    assert browser.get("/write").content == b"3"
    assert browser.get("/sign_out").status_code == 200
    for key in (before, after):
        browser.client.cookies[COOKIE] = key
        assert browser.get("/who").content != b"ada"
    assert rows() == {}  # nothing of it was in the other database


@engines("db", "cached_db", "file")
@pytest.mark.parametrize("zone", [None, "Pacific/Auckland"])
def test_sqlite_merges_ends_and_expires(
    sqlite: Path, store: MakeSession, settings: Settings, zone: str | None
) -> None:
    if zone:
        settings.USE_TZ, settings.TIME_ZONE = False, zone
    session = saved(store, a=1, b=1)
    one, another = store(session.session_key), store(session.session_key)
    one["a"], another["b"] = 2, 2
    one.save()
    another.save()
    assert dict(store(session.session_key).items()) == {"a": 2, "b": 2}
    one.set_expiry(-1)
    one.save()
    assert store(session.session_key).get("a") is None
    another = saved(store, n=1)
    store(another.session_key).flush()
    assert store(another.session_key).get("n") is None


@engines("db", "cached_db")
def test_on_sqlite_each_load_reads_the_row(
    sqlite: Path, store: MakeSession, redis_server: RedisServer
) -> None:
    session = saved(store, n=1)
    with redis_commands(redis_server) as sent:
        for _ in range(3):
            with CaptureQueriesContext(connections["elsewhere"]) as queries:
                assert store(session.session_key)["n"] == 1
            assert verbs(queries) == ["SELECT"]
    assert sent == []


@engines("db", "cached_db")
def test_a_row_deleted_from_sqlite_revokes_at_once(sqlite: Path, store: MakeSession) -> None:
    session = saved(store, n=1)
    assert store(session.session_key)["n"] == 1
    with connections["elsewhere"].cursor() as cursor:
        cursor.execute("DELETE FROM django_session")
    assert store(session.session_key).get("n") is None


@engines("db", "cached_db", "signed_cookies")
def test_a_locked_sqlite_is_no_absent_session(
    sqlite: Path, store: MakeSession, browser: Browser
) -> None:
    import sqlite3

    cookie = browser.cookie
    locker = sqlite3.connect(sqlite)
    locker.execute("BEGIN EXCLUSIVE")
    answers = [browser.get(page).status_code for page in ("/read", "/write", "/sign_out")]
    locker.rollback()
    locker.close()
    assert answers == [503] * 3
    assert browser.cookie == cookie
    assert browser.get("/who").content == b"ada"


@engines("db", "cached_db")
def test_clearing_works_on_sqlite_and_renaming_says_that_it_does_not(
    sqlite: Path, store: MakeSession
) -> None:
    gone, kept = store(), saved(store, n=1)
    gone["n"] = 1
    gone.set_expiry(-1000)
    gone.save()
    call_command("clearsessions", verbosity=0)
    with connections["elsewhere"].cursor() as cursor:
        cursor.execute("SELECT session_key FROM django_session")
        assert cursor.fetchall() == [(hashed(kept.session_key),)]
    with pytest.raises(CommandError, match="PostgreSQL only"):
        call_command("rehash_sessions")
