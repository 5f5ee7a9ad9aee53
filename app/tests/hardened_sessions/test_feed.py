"""The change feed: whatever ends rows, however many, counts in every process at its next read."""

import time
from importlib import import_module

import pytest
from django.db import connection

from hardened_sessions.clients.database import database
from hardened_sessions.format.keys import hashed
from hardened_sessions.revocation import feed as feeds
from hardened_sessions.revocation.feed import feed
from tests.hardened_sessions.conftest import Browser, MakeSession, engines, saved

PAST = "now() - interval '1 second'"
INSERT = (
    "INSERT INTO django_session SELECT left(encode(sha256(n::text::bytea), 'hex'), 40), 'x', "
    "now() + interval '1 day' FROM generate_series(1, 20000) AS n;"
)
# As the database sees a session whose application's clock is ten minutes behind.
EXPIRED = f"UPDATE django_session SET session_data = session_data || ' ', expire_date = {PAST};"

ENDINGS = {
    "DELETE of very many": f"{INSERT} DELETE FROM django_session",
    "UPDATE": f"UPDATE django_session SET expire_date = {PAST}",
    "UPDATE of very many": f"{INSERT} UPDATE django_session SET expire_date = {PAST}",
    "DELETE of what expired lately": f"{EXPIRED} DELETE FROM django_session",
    "UPDATE, then DELETE": f"UPDATE django_session SET expire_date = {PAST}; "
    "DELETE FROM django_session",
}


@engines("cached_db")
@pytest.mark.parametrize("how", ENDINGS)
def test_whatever_ends_a_row_ends_the_session_by_the_next_read(browser: Browser, how: str) -> None:
    assert browser.get("/read").content == b"1"  # it is copied now
    with connection.cursor() as cursor:
        cursor.execute(ENDINGS[how])
    due()
    assert feed().current()
    assert len(feed().least) <= feeds.MOST
    assert browser.get("/who").content == b"nobody"
    assert database("default").breaker.opened is None
    # Who comes after that has a session, and a copy of it that counts.
    assert browser.get("/sign_in").status_code == 200
    due()
    for _ in range(2):
        assert browser.get("/who").content == b"ada"
    storage = import_module("hardened_sessions.backends.cached_db").SessionStore().storage
    stored, _ = storage.copies.get(hashed(browser.cookie))
    assert stored is not None


def due() -> None:
    """Let the feed be read at the next request, as after a second."""
    feed().read_at -= 1.5


@engines("cached_db")
def test_a_process_that_stood_still_before_it_read_the_copy_does_not_believe_it(
    store: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = saved(store, a=1).session_key
    assert store(key).get("a") == 1
    asked = feed().current

    def stand_still() -> bool:
        answer = asked()
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_session")
        feed().read_at -= 3.0
        return answer

    monkeypatch.setattr(feed(), "current", stand_still)
    assert store(key).get("a") is None


@engines("signed_cookies")
def test_after_a_flood_a_signed_cookie_is_looked_up(store: MakeSession) -> None:
    ended, kept = saved(store, a=1), saved(store, a=2)
    cookies = ended.session_key, kept.session_key
    ended.flush()
    feed().forget()  # as another process, which hears of it in a flood
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO hardened_sessions_change (name) SELECT n::text "
            "FROM generate_series(1, %s) AS n",
            [2 * feeds.MOST],
        )
    assert [store(cookie).get("a") for cookie in cookies] == [None, 2]


@engines("cached_db")
def test_a_copy_from_before_a_flood_that_committed_late_does_not_count(
    store: MakeSession,
) -> None:
    # Both deletions have a transaction id below the cursor that is heard of last.
    copied = feed()
    copied.current()
    before = copied.cursor
    with connection.cursor() as cursor:
        cursor.execute(f"{INSERT} DELETE FROM django_session")
    copied.read_at = time.monotonic() - 1.5
    assert copied.current()
    assert not copied.counts("a", 1, before)
    assert copied.counts("a", 1, copied.cursor)


def test_the_triggers_go_and_come_back(tables: None) -> None:
    migration = import_module("hardened_sessions.migrations.0002_floods")
    for undone in (True, False):
        with connection.schema_editor() as editor:
            migration.on_postgres(migration.NO_FLOODS if undone else migration.FLOODS)(None, editor)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO django_session VALUES ('k', 'x', now() + interval '1 day');"
                "UPDATE django_session SET expire_date = now() + interval '1 hour';"
                "DELETE FROM django_session;"
            )
            cursor.execute("DELETE FROM hardened_sessions_change RETURNING 1")
            assert cursor.rowcount == (1 if undone else 2)
