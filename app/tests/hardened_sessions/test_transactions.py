"""Sessions inside the application's own transactions: nothing is told before it is committed."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.contrib.auth import SESSION_KEY, login
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path

from hardened_sessions.format.keys import hashed
from tests.hardened_sessions.conftest import (
    COOKIE,
    Browser,
    MakeSession,
    engines,
    rows,
    saved,
)
from tests.hardened_sessions.urls import ping, read, sign_in, sign_out, who, write
from tests.servers import RedisServer

pytestmark = pytest.mark.urls("tests.hardened_sessions.test_transactions")

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
