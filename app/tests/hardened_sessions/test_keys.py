"""Nothing that can be stolen from a store is a key; and nobody is logged out on the way there."""

import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from hardened_sessions import conf
from hardened_sessions.events import counters
from hardened_sessions.format.keys import hashed
from tests.hardened_sessions.conftest import (
    ENGINES,
    FOUND,
    ON_SERVER,
    MakeSession,
    everything_at_rest,
    rows,
    stock_store,
)
from tests.servers import RedisServer

SERVER_SIDE = pytest.mark.parametrize("engine", ON_SERVER)


@SERVER_SIDE
def test_no_key_lies_in_any_store(
    store: MakeSession, redis_server: RedisServer, settings: Settings
) -> None:
    session = store()
    session["a"] = 1
    session.save()
    session.cycle_key()
    session["b"] = 2
    session.save()
    key = session.session_key
    other = store(key)
    other.load()
    assert key
    assert hashed(key) in everything_at_rest(redis_server, settings.SESSION_FILE_PATH)
    assert key not in everything_at_rest(redis_server, settings.SESSION_FILE_PATH)
    other.flush()
    assert key not in everything_at_rest(redis_server, settings.SESSION_FILE_PATH)


@SERVER_SIDE
def test_what_lies_in_a_store_opens_nothing(store: MakeSession) -> None:
    session = store()
    session["a"] = 1
    session.save()
    name = hashed(session.session_key or "")
    thief = store(name)
    assert thief.get("a") is None
    assert not thief.exists(name)
    assert store(session.session_key)["a"] == 1
    # A script that walks the rows may end them so; the middleware takes no name from a cookie.
    store(name).delete()
    assert store(session.session_key).get("a") is None


@SERVER_SIDE
@pytest.mark.parametrize(
    "cookie",
    [
        "abcdefgh\x00xyz",
        "a" * 31 + "\x00",
        "a" * 9000,
        "ä" * 32,
        "A" * 32,
        "../" * 10 + "ab",
        "g" * 40,
        "A" * 40,
        "' OR 1=1; --" + "a" * 20,
        "%00" * 10 + "ab",
        "a" * 31 + "\n",
    ],
)
def test_a_malformed_key_reaches_no_store_and_is_counted(
    store: MakeSession, cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session: Any = store(cookie)

    def asked(*arguments: Any, **named: Any) -> None:
        raise AssertionError(f"the store was asked for {arguments}")

    for operation in ("fetch", "remove"):
        monkeypatch.setattr(session.storage, operation, asked)
    before = counters()["refused_cookie"]
    assert session.load() == {}
    assert not session.exists(cookie)
    session.delete(cookie)
    assert counters()["refused_cookie"] == before + 1


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param("stock", marks=pytest.mark.xfail(strict=True, reason="DataError: 500")),
        "hardened",
    ],
)
@pytest.mark.parametrize("engine", ["db", "cached_db"])
def test_a_nul_in_a_cookie_is_no_server_error(store: MakeSession) -> None:
    client = Client(raise_request_exception=False)
    # The quoted form, which Python's parser turns into the byte itself.
    sent = {"Cookie": '__Host-sessionid="abcdefgh\\000xyz"'}
    answer = client.get("/read", headers=sent, secure=True)
    assert (answer.status_code, answer.content) == (200, b"0")


@SERVER_SIDE
def test_two_session_cookies_are_none(store: MakeSession) -> None:
    session = store()
    session["n"] = 5
    session.save()
    one = f"__Host-sessionid={session.session_key}"
    client = Client()
    assert client.get("/read", headers={"Cookie": one}, secure=True).content == b"5"
    both = f"__Host-sessionid={'b' * 32}; {one}"
    assert client.get("/read", headers={"Cookie": both}, secure=True).content == b"0"
    # Only a cookie of that very name counts as a second one.
    similar = f"x__Host-sessionid=1; {one}"
    assert client.get("/read", headers={"Cookie": similar}, secure=True).content == b"5"


# --- Switching the layer on -----------------------------------------------------------------------


ALL = pytest.mark.parametrize("engine", ENGINES)


@ALL
@pytest.mark.parametrize("given", [{"KEYS": "read"}, FOUND], ids=["read", "hash"])
def test_switching_the_layer_on_logs_nobody_out(
    store: MakeSession, engine: str, given: dict[str, Any], options: Callable[..., None]
) -> None:
    old = stock_store(engine)()
    old["n"] = 1
    old.save()
    options(**given)
    session = store(old.session_key)
    assert session["n"] == 1
    session["n"] = 2
    session.save()
    assert store(session.session_key)["n"] == 2


@SERVER_SIDE
def test_while_reading_both_the_two_layers_serve_one_session_in_turn(
    store: MakeSession, engine: str, options: Callable[..., None]
) -> None:
    options(KEYS="read")
    key = stock_store(engine)
    session = key()
    session["n"] = 0
    session.save()
    for number in range(1, 6):
        turn = stock_store(engine) if number % 2 else store
        session = turn(session.session_key)
        assert session["n"] == number - 1
        session["n"] = number
        session.save()
    assert stock_store(engine)(session.session_key)["n"] == 5


@SERVER_SIDE
def test_the_way_back_logs_nobody_out(
    store: MakeSession, engine: str, options: Callable[..., None]
) -> None:
    options(KEYS="hash")
    session = store()
    session["n"] = 1
    session.save()
    options(KEYS="read")
    session = store(session.session_key)
    assert session["n"] == 1
    session["n"] = 2
    session.save()
    assert stock_store(engine)(session.session_key)["n"] == 2


@SERVER_SIDE
@pytest.mark.parametrize("keys", ["read", "hash"])
def test_a_sign_out_covers_both_forms(
    store: MakeSession, engine: str, keys: str, options: Callable[..., None]
) -> None:
    options(**FOUND)
    for make in (stock_store(engine), store):
        session = make()
        session["n"] = 1
        session.save()
        make(session.session_key).load()  # so that it is copied, where the engine copies
        options(KEYS=keys)
        store(session.session_key).flush()
        options(**FOUND)
        for look in (stock_store(engine), store):
            assert look(session.session_key).get("n") is None


@SERVER_SIDE
@pytest.mark.parametrize("until", [None, "2026-01-01T00:00Z", lambda: None])
def test_without_a_grace_and_after_it_no_key_is_looked_up(
    store: MakeSession, engine: str, options: Callable[..., None], until: object
) -> None:
    old = stock_store(engine)()
    old["n"] = 1
    old.save()
    options(KEYS="hash", GRACE_UNTIL=until)
    assert store(old.session_key).get("n") is None


def test_a_grace_ends_at_its_moment_while_the_process_lives(
    options: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    options(GRACE_UNTIL="2026-01-01T00:00Z")
    end = conf.grace_ends()
    for now, found in ((end - 1, True), (end, False)):
        monkeypatch.setattr("time.time", lambda now=now: now)
        assert conf.finds_keys() == found
        monkeypatch.undo()


@pytest.mark.parametrize("engine", ["db", "cached_db"])
def test_rows_are_renamed_in_place_and_then_the_grace_may_end(
    store: MakeSession, engine: str, options: Callable[..., None], capsys: Any
) -> None:
    keys = []
    for number in range(50):
        old = stock_store(engine)()
        old["n"] = number
        old.save()
        keys.append(old.session_key)
    call_command("rehash_sessions")
    assert "50 rows renamed" in capsys.readouterr().out
    assert all(re.fullmatch("[0-9a-f]{40}", name) for name in rows())
    options(KEYS="hash")
    assert [store(key)["n"] for key in keys] == list(range(50))
    call_command("rehash_sessions")
    assert "every row lies under a hash" in capsys.readouterr().out


def test_renaming_is_refused_while_workers_still_write_the_other_form(
    options: Callable[..., None],
) -> None:
    options(KEYS="read")
    with pytest.raises(CommandError, match='"KEYS"\\] is "read"; it must be "hash"'):
        call_command("rehash_sessions")


# --- Values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["cached_db", "cache"])
def test_redis_holds_json_and_nothing_pickled(
    store: MakeSession, redis_server: RedisServer
) -> None:
    session = store()
    session["n"] = 1
    session.save()
    store(session.session_key).load()
    with redis_server.client() as client:
        for key in client.keys("session:*"):
            value = client.get(key)
            assert value.startswith(b"s1|")
            with pytest.raises((pickle.UnpicklingError, ValueError, EOFError, KeyError)):
                pickle.loads(value)


class Bomb:
    """What runs code when it is unpickled."""

    exploded = False

    def __reduce__(self) -> Any:
        return (explode, ())


def explode() -> dict[str, int]:
    Bomb.exploded = True
    return {"n": 666}


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param("stock", marks=pytest.mark.xfail(strict=True, reason="it runs the code")),
        "hardened",
    ],
)
@pytest.mark.parametrize("engine", ["cache"])
def test_a_planted_pickle_runs_no_code(
    store: MakeSession, redis_server: RedisServer, options: Callable[..., None]
) -> None:
    from hardened_sessions.format import django_cache

    options(**FOUND)
    Bomb.exploded = False
    key = "b" * 32
    with redis_server.client() as client:
        client.set(django_cache.redis_key(key), pickle.dumps(Bomb()))
    assert store(key).get("n") is None
    assert not Bomb.exploded


# --- The old cookie name --------------------------------------------------------------------------


@ALL
def test_an_old_cookie_name_is_taken_over_at_once_under_a_new_key(
    store: MakeSession, options: Callable[..., None]
) -> None:
    options(OLD_COOKIE_NAME="sessionid")
    session = store()
    session["n"] = 5
    session.save()
    client = Client()
    client.cookies["sessionid"] = session.session_key or ""
    answer = client.get("/read", secure=True)
    assert answer.content == b"5"
    new = answer.cookies["__Host-sessionid"].value
    assert new != session.session_key
    assert answer.cookies["sessionid"].value == ""
    assert answer.cookies["sessionid"]["max-age"] == 0
    assert client.get("/read", secure=True).content == b"5"


@SERVER_SIDE
def test_the_old_name_counts_for_nothing_beside_the_new_one(
    store: MakeSession, options: Callable[..., None]
) -> None:
    options(OLD_COOKIE_NAME="sessionid")
    planted, own = store(), store()
    planted["n"], own["n"] = 666, 1
    planted.save()
    own.save()
    client = Client()
    client.cookies["sessionid"] = planted.session_key or ""
    client.cookies["__Host-sessionid"] = own.session_key or ""
    assert client.get("/read", secure=True).content == b"1"


def test_without_the_setting_the_old_name_is_nothing(store: MakeSession) -> None:
    session = store()
    session["n"] = 5
    session.save()
    client = Client()
    client.cookies["sessionid"] = session.session_key or ""
    assert client.get("/read", secure=True).content == b"0"
