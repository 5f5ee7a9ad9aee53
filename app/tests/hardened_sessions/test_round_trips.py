"""What a session costs its stores.

The numbers of statements and commands are budgets: a change that needs one more fails here.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hardened_sessions.clients.redis import LUA
from hardened_sessions.format.keys import hashed
from hardened_sessions.revocation.feed import feed
from tests.hardened_sessions.calls import redis_commands, verbs
from tests.hardened_sessions.conftest import (
    COOKIE,
    ENGINES,
    Browser,
    MakeSession,
    engines,
    layers,
    saved,
)
from tests.servers import RedisServer

ON_ROWS = engines("db", "cached_db")


@pytest.fixture
def cost(
    redis_server: RedisServer,
) -> Callable[[Callable[[], object]], tuple[list[str], list[str]]]:
    """Return what tells the statements and the Redis commands of an operation."""
    with redis_server.client() as client:
        for script in LUA.glob("*.lua"):
            client.script_load(script.read_text())

    def tell(operation: Callable[[], object]) -> tuple[list[str], list[str]]:
        # The feed is read once a second whatever happens; here it was read just now.
        if feed().database.is_postgres:
            feed().current()
            feed().read_at = time.monotonic() + 60
        with redis_commands(redis_server) as sent, CaptureQueriesContext(connection) as queries:
            operation()
        feed().read_at = time.monotonic()
        return verbs(queries), sent

    return tell


type Cost = Callable[[Callable[[], object]], tuple[list[str], list[str]]]

# What the benchmarks count on the running stack and the lab shows of a request is this too.
BUDGETS = json.loads((Path(__file__).parent / "round_trips.json").read_text())
LOAD = {engine: tuple(calls) for engine, calls in BUDGETS["load"].items()}
SAVE = {engine: tuple(calls) for engine, calls in BUDGETS["save"].items()}
CREATE = {
    "db": (["INSERT"], []),
    "cached_db": (["INSERT"], ["SET"]),
    "cache": ([], ["SET"]),
    "file": ([], []),
    "signed_cookies": ([], []),
}
# One statement each: the key changes and the former one is left a pointer, or a deny record.
ROTATE = {
    "db": (["WITH"], []),
    "cached_db": (["WITH"], ["DEL"]),
    "cache": ([], ["EVALSHA"]),
    "file": ([], []),
    "signed_cookies": (["WITH"], []),
}
SIGN_OUT = {
    "db": (["DELETE"], []),
    "cached_db": (["DELETE"], ["DEL"]),
    "cache": ([], ["GETDEL", "WAITAOF"]),  # together, in one round trip
    "file": ([], []),
    "signed_cookies": (["WITH"], []),
}


def loaded(store: MakeSession, key: str) -> Any:
    """Return the session after a first access."""
    session = store(key)
    session.get("n")
    return session


@pytest.fixture
def key(store: MakeSession) -> str:
    """Return the key of a session that is warm: copied, and every script known to Redis."""
    session = saved(store, n=0)
    for n in (1, 2):
        session = loaded(store, session.session_key)
        session["n"] = n
        session.save()
    other = saved(store, n=1)
    other.cycle_key()
    other.flush()
    loaded(store, session.session_key)
    warm: str = session.session_key
    return warm


def test_a_load_is_one_round_trip(store: MakeSession, engine: str, key: str, cost: Cost) -> None:
    assert cost(lambda: loaded(store, key)) == LOAD[engine]


@engines("cached_db")
def test_a_load_without_a_copy_is_one_statement_under_a_lease(
    store: MakeSession, key: str, cost: Cost, redis_server: RedisServer
) -> None:
    with redis_server.client() as client:
        client.delete(f"session:{hashed(key)}")
    assert cost(lambda: loaded(store, key)) == (["SELECT"], ["GET", "EVALSHA", "EVALSHA"])
    assert cost(lambda: loaded(store, key)) == LOAD["cached_db"]


def test_a_save_is_one_statement_and_one_round_trip(
    store: MakeSession, engine: str, key: str, cost: Cost
) -> None:
    session = loaded(store, key)
    session["n"] = 3
    assert cost(session.save) == SAVE[engine]


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param("stock", marks=pytest.mark.xfail(strict=True, reason="BEGIN, UPDATE, COMMIT")),
        "hardened",
    ],
)
@ON_ROWS
def test_a_save_needs_no_explicit_transaction(store: MakeSession, cost: Cost) -> None:
    session = saved(store, n=1)
    session["n"] = 2
    statements, _ = cost(session.save)
    assert statements == ["UPDATE"]


def test_an_unchanged_session_writes_nothing(
    store: MakeSession, key: str, cost: Cost, engine: str
) -> None:
    session = loaded(store, key)
    assert cost(session.save) == ([], [])
    session["n"] = session["n"]
    assert session.modified
    assert cost(session.save) == ([], [])


def test_a_request_that_only_reads_costs_one_load(
    store: MakeSession, engine: str, key: str, cost: Cost
) -> None:
    browser = Browser()
    browser.client.cookies[COOKIE] = key
    browser.get("/ping")
    assert cost(lambda: browser.get("/ping")) == ([], [])
    assert cost(lambda: browser.get("/read")) == LOAD[engine]


def test_a_request_that_writes_costs_one_load_and_one_save(
    store: MakeSession, engine: str, key: str, cost: Cost
) -> None:
    browser = Browser()
    browser.client.cookies[COOKIE] = key
    expected = tuple(load + save for load, save in zip(LOAD[engine], SAVE[engine], strict=True))
    assert cost(lambda: browser.get("/write")) == expected


def test_a_new_session_is_one_statement_and_one_round_trip(
    store: MakeSession, engine: str, key: str, cost: Cost
) -> None:
    session: Any = store()
    session["n"] = 1
    assert cost(session.save) == CREATE[engine]


def test_a_new_key_is_one_statement_and_one_round_trip(
    store: MakeSession, engine: str, key: str, cost: Cost
) -> None:
    session = loaded(store, key)
    session["n"] = 5
    assert cost(session.cycle_key) == ROTATE[engine]


def test_the_sign_in_of_a_visitor_with_a_session_is_a_new_key_and_a_save(
    store: MakeSession, engine: str, key: str, cost: Cost
) -> None:
    User.objects.create_user("ada")
    browser = Browser()
    browser.client.cookies[COOKIE] = key
    statements, sent = cost(lambda: browser.get("/sign_in"))
    own = ["SELECT", "UPDATE"]  # the user, and its last login
    if "UPDATE" in SAVE[engine][0]:
        own += ["SELECT", "WITH"]  # the user's epoch; the save lists the session too
    else:
        own += ["INSERT"]  # into the list, and the epoch with it
    budget = [*LOAD[engine][0], *own, *ROTATE[engine][0]]
    assert sorted(statements) == sorted(budget)
    assert len(sent) <= len(LOAD[engine][1]) + len(ROTATE[engine][1]) + len(SAVE[engine][1])


def test_a_sign_out_is_one_statement_and_one_round_trip(
    store: MakeSession, engine: str, key: str, cost: Cost
) -> None:
    session = loaded(store, key)
    assert cost(session.flush) == SIGN_OUT[engine]


@engines("signed_cookies")
def test_a_cookie_is_checked_against_its_row_once_in_ten_minutes(
    store: MakeSession, key: str, cost: Cost, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser()
    browser.client.cookies[COOKIE] = key
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 601)
    assert cost(lambda: browser.get("/read")) == (["SELECT"], [])
    assert cost(lambda: browser.get("/read")) == ([], [])


@pytest.mark.parametrize("engine", ENGINES)
def test_many_sessions_poll_the_feed_once_a_second(store: MakeSession, engine: str) -> None:
    keys = [saved(store, n=n).session_key for n in range(30)]
    for each in keys:
        loaded(store, each)
    feed().read_at = time.monotonic() - 1.5  # due, and not too old
    with CaptureQueriesContext(connection) as queries:
        for each in keys:
            loaded(store, each)
        took = time.monotonic() - feed().read_at
    polls = [
        query for query in queries.captured_queries if "hardened_sessions_change" in query["sql"]
    ]
    if engine in ("cached_db", "signed_cookies"):
        assert 1 <= len(polls) <= 1 + took
    else:
        assert polls == []


# --- In place -------------------------------------------------------------------------------------


@layers(stock="each save moves the indexed expiry")
@ON_ROWS
def test_nine_saves_of_ten_touch_no_index(store: MakeSession, layer: str) -> None:
    sessions = [saved(store, n=0, padding="x" * 100) for _ in range(100)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_reset_single_table_counters('django_session'::regclass)")
    for number in range(500):
        session = sessions[number * 37 % 100]
        session["n"] = number + 1
        session.save()
    updates, in_place = update_counts()
    assert updates == 500
    assert in_place >= 0.9 * updates


def update_counts() -> tuple[int, int]:
    """Return how many rows were updated, and how many of them in place, once that is known."""
    for _ in range(100):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")
            cursor.execute(
                "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables "
                "WHERE relname = 'django_session'"
            )
            updates, in_place = cursor.fetchone()
        if updates >= 500:
            break
        time.sleep(0.05)
    return updates, in_place


@ON_ROWS
@pytest.mark.parametrize("threshold", [0, None])
def test_statements_are_prepared_where_the_connection_allows_it(
    store: MakeSession, monkeypatch: pytest.MonkeyPatch, threshold: int | None
) -> None:
    session = saved(store, n=1)
    connection.close()  # with what it has prepared
    connection.ensure_connection()
    monkeypatch.setattr(connection.connection, "prepare_threshold", threshold)
    session["n"] = 2
    session.save()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        prepared = [statement.split()[0] for (statement,) in cursor.fetchall()]
    assert ("UPDATE" in prepared) == (threshold == 0)
