"""Sessions beside the application's own work in the database: its transactions, and what it costs.

The numbers of statements and commands are budgets: a change that needs one more fails here.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib.auth import SESSION_KEY, login
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test.utils import CaptureQueriesContext
from django.urls import path
from pytest_django import DjangoDbBlocker, Settings

from hardened_sessions.feed import feed
from hardened_sessions.keys import hashed
from tests.hardened_sessions.conftest import (
    COOKIE,
    ENGINES,
    Browser,
    MakeSession,
    engines,
    layers,
    rows,
)
from tests.hardened_sessions.urls import ping, read, sign_in, sign_out, who, write
from tests.servers import Postgres, RedisServer

pytestmark = [
    pytest.mark.urls("tests.hardened_sessions.test_database"),
    pytest.mark.usefixtures("patient"),
]

ON_ROWS = engines("db", "cached_db")


def sign_in_and_fail(request: HttpRequest) -> HttpResponse:
    """Sign in, and undo all that the view did in the database."""
    user = User.objects.get(username="ada")
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    if request.GET.get("how") == "quietly":
        transaction.set_rollback(True)
        return HttpResponse("in?")
    raise RuntimeError("the view fails")


urlpatterns = [
    path(view.__name__, view)
    for view in (ping, read, write, who, sign_in, sign_out, sign_in_and_fail)
]


def saved(store: MakeSession, **data: Any) -> Any:
    """Return a saved session."""
    session: Any = store()
    session.update(data)
    session.save()
    return session


@pytest.fixture
def other(postgres: Postgres) -> Iterator[psycopg.Connection[Any]]:
    """Return a connection of somebody else's, which sees what is committed."""
    with postgres.connect(connection.settings_dict["NAME"]) as made:
        yield made


def committed(other: psycopg.Connection[Any]) -> set[str]:
    """Return the names of the rows that everybody sees."""
    return {row[0] for row in other.execute("SELECT session_key FROM django_session").fetchall()}


@pytest.fixture
def copies(redis_server: RedisServer) -> Iterator[Callable[[], dict[str, bytes]]]:
    """Return what lies in Redis, by name; leases are no copies."""
    client: Any = redis_server.client()

    def look() -> dict[str, bytes]:
        values = {
            key.decode().removeprefix("session:"): client.get(key) for key in client.scan_iter()
        }
        return {name: value for name, value in values.items() if value.startswith(b"s1|")}

    yield look
    client.close()


# --- Transactions of the application's ------------------------------------------------------------


@ON_ROWS
def test_what_is_saved_in_a_transaction_is_copied_once_it_is_committed(
    store: MakeSession, engine: str, copies: Callable[[], dict[str, bytes]]
) -> None:
    with transaction.atomic():
        new = saved(store, n=1)
        assert store(new.session_key)["n"] == 1  # by whoever is in the transaction
        assert copies() == {}
    assert store(new.session_key)["n"] == 1
    assert set(copies()) == ({hashed(new.session_key)} if engine == "cached_db" else set())


@ON_ROWS
def test_what_is_rolled_back_never_was(
    store: MakeSession, copies: Callable[[], dict[str, bytes]]
) -> None:
    session = saved(store, n=1)
    store(session.session_key).load()
    before = copies()
    with transaction.atomic():
        session["n"] = 2
        session.save()
        new = saved(store, n=3)
        cycled = store(session.session_key)
        cycled.cycle_key()
        transaction.set_rollback(True)
    assert copies() == before
    assert store(session.session_key)["n"] == 1
    assert store(new.session_key).get("n") is None
    assert store(cycled.session_key).get("n") is None


@ON_ROWS
def test_what_a_savepoint_takes_back_is_not_copied(
    store: MakeSession, copies: Callable[[], dict[str, bytes]]
) -> None:
    session = saved(store, n=1)
    with transaction.atomic():
        with transaction.atomic():
            session["n"] = 2
            session.save()
            transaction.set_rollback(True)
        assert store(session.session_key)["n"] == 1
    assert store(session.session_key)["n"] == 1


@engines("cached_db")
def test_a_row_that_only_this_transaction_sees_is_not_copied(
    store: MakeSession,
    copies: Callable[[], dict[str, bytes]],
    redis_server: RedisServer,
) -> None:
    session = saved(store, n=1)
    redis_server.client().flushall()
    with transaction.atomic():
        session["n"] = 2
        session.save()
        assert store(session.session_key)["n"] == 2
        assert copies() == {}
        transaction.set_rollback(True)
    assert copies() == {}
    assert store(session.session_key)["n"] == 1


@engines("cached_db")
@pytest.mark.parametrize(
    ("level", "copied"),
    [("READ COMMITTED", True), ("REPEATABLE READ", False), ("SERIALIZABLE", False)],
)
def test_a_row_that_may_be_gone_for_everybody_else_is_not_copied(
    store: MakeSession,
    copies: Callable[[], dict[str, bytes]],
    redis_server: RedisServer,
    level: str,
    copied: bool,
) -> None:
    session = saved(store, n=1)
    redis_server.client().flushall()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        assert store(session.session_key)["n"] == 1
        assert bool(copies()) is copied


@ON_ROWS
def test_a_sign_out_in_a_transaction_holds_once_it_is_committed(
    store: MakeSession,
    copies: Callable[[], dict[str, bytes]],
    other: psycopg.Connection[Any],
) -> None:
    session = saved(store, **{SESSION_KEY: "7"})
    store(session.session_key).load()
    name = hashed(session.session_key)
    with transaction.atomic():
        signing_out = store(session.session_key)
        signing_out.load()
        signing_out.flush()
        assert name in committed(other)
    assert name not in committed(other)
    assert copies() == {}
    assert SESSION_KEY not in store(session.session_key)


@ON_ROWS
def test_a_sign_out_that_is_rolled_back_did_not_happen(
    store: MakeSession, other: psycopg.Connection[Any]
) -> None:
    session = saved(store, **{SESSION_KEY: "7"})
    with transaction.atomic():
        store(session.session_key).flush()
        transaction.set_rollback(True)
    assert hashed(session.session_key) in committed(other)
    assert store(session.session_key)[SESSION_KEY] == "7"


@pytest.fixture
def atomic_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each view in a transaction, as ATOMIC_REQUESTS does."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)


@ON_ROWS
def test_every_view_works_within_a_transaction(
    store: MakeSession, browser: Browser, atomic_requests: None
) -> None:
    assert browser.get("/write").content == b"2"
    assert browser.get("/who").content == b"ada"
    before = browser.cookie
    assert browser.get("/sign_in").status_code == 200
    assert browser.cookie != before
    assert browser.get("/write").content == b"3"
    after = browser.cookie
    assert browser.get("/sign_out").status_code == 200
    for key in (before, after):
        browser.client.cookies[COOKIE] = key
        assert browser.get("/who").content != b"ada"


@ON_ROWS
def test_a_sign_in_that_failed_leaves_nobody_signed_in(
    store: MakeSession,
    atomic_requests: None,
    copies: Callable[[], dict[str, bytes]],
) -> None:
    User.objects.create_user("ada")
    browser = Browser()
    assert browser.get("/sign_in_and_fail").status_code == 500
    assert not browser.cookie
    assert (rows(), copies()) == ({}, {})


@ON_ROWS
def test_a_sign_in_whose_transaction_was_taken_back_is_no_success(
    store: MakeSession,
    atomic_requests: None,
    copies: Callable[[], dict[str, bytes]],
) -> None:
    User.objects.create_user("ada")
    browser = Browser()
    assert browser.get("/sign_in_and_fail?how=quietly").status_code == 400
    assert not browser.cookie
    assert (rows(), copies()) == ({}, {})


@engines("cached_db")
def test_a_long_transaction_with_one_snapshot_does_not_pass_its_past_for_the_present(
    store: MakeSession, other: psycopg.Connection[Any]
) -> None:
    """Check the bound for other threads: what is read in an old snapshot is as old as that."""
    session = saved(store, **{SESSION_KEY: "7"})
    assert store(session.session_key)[SESSION_KEY] == "7"
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT 1 FROM django_session")
        other.execute("DELETE FROM django_session")
        time.sleep(2.1)
        store(session.session_key).load()
    assert SESSION_KEY not in store(session.session_key)


# --- SQLite ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def migrated(
    tmp_path_factory: pytest.TempPathFactory, tables: None, django_db_blocker: DjangoDbBlocker
) -> Path:
    """Return a SQLite database with the tables of sessions."""
    file = tmp_path_factory.mktemp("sqlite") / "db.sqlite3"
    configured = connections.configure_settings(
        {"default": {}, "elsewhere": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)}}
    )
    connections.databases["elsewhere"] = configured["elsewhere"]
    with django_db_blocker.unblock():
        call_command("migrate", database="elsewhere", verbosity=0)
        connections["elsewhere"].close()
    del connections["elsewhere"]
    del connections.databases["elsewhere"]
    return file


@pytest.fixture
def sqlite(migrated: Path, tmp_path: Path, use_database: Callable[..., None]) -> Path:
    """Keep sessions in SQLite; users stay where they are."""
    file = tmp_path / "sessions.sqlite3"
    file.write_bytes(migrated.read_bytes())
    use_database(ENGINE="django.db.backends.sqlite3", NAME=str(file), OPTIONS={"timeout": 0.1})
    return file


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
def test_the_purge_works_on_sqlite_and_renaming_says_that_it_does_not(
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


# --- Budgets --------------------------------------------------------------------------------------


@contextmanager
def redis_commands(redis_server: RedisServer) -> Iterator[list[str]]:
    """Collect the commands that reach Redis, but not those that a script of its own calls."""
    sent: list[str] = []
    with redis_server.client() as client, client.monitor() as monitor:
        yield sent
        client.echo("the end")
        while "the end" not in (heard := monitor.next_command())["command"]:
            if heard["client_type"] != "lua":
                sent.append(heard["command"].split()[0])
    sent[:] = [name for name in sent if name not in ("AUTH", "HELLO", "CLIENT", "SELECT")]


def verbs(queries: CaptureQueriesContext) -> list[str]:
    """Return the first word of each statement, and BEGIN and COMMIT where they were sent."""
    words = [re.match(r"\W*(\w+)", query["sql"]) for query in queries.captured_queries]
    return [word[1].upper() for word in words if word]


@pytest.fixture
def cost(
    redis_server: RedisServer,
) -> Callable[[Callable[[], object]], tuple[list[str], list[str]]]:
    """Return what tells the statements and the Redis commands of an operation."""

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

LOAD = {
    "db": (["SELECT"], []),
    "cached_db": ([], ["GET"]),
    "cache": ([], ["MGET"]),
    "file": ([], []),
    "signed_cookies": ([], []),
}
SAVE = {
    "db": (["UPDATE"], []),
    "cached_db": (["UPDATE"], ["EVALSHA"]),
    "cache": ([], ["EVALSHA"]),
    "file": ([], []),
    "signed_cookies": ([], []),
}
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
    "cache": ([], ["GETDEL", "GETDEL", "WAITAOF"]),  # together, in one round trip
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
    if engine == "signed_cookies":
        own += ["SELECT"]  # the user's epoch
    budget = [*LOAD[engine][0], *own, *ROTATE[engine][0], *SAVE[engine][0]]
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
