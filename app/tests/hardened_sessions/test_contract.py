"""What Django demands of any session engine, for every engine, called both ways."""

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.utils import timezone

from tests.hardened_sessions.conftest import ON_SERVER, MakeSession

SERVER_SIDE = pytest.mark.parametrize("engine", ON_SERVER)


class Sync:
    """Call the synchronous methods."""

    def __call__(self, session: Any, method: str, *arguments: Any, **named: Any) -> Any:
        return getattr(session, method)(*arguments, **named)


class Async:
    """Call the asynchronous twins, by the same names."""

    def __call__(self, session: Any, method: str, *arguments: Any, **named: Any) -> Any:
        twin = getattr(session, "aset" if method == "__setitem__" else f"a{method}")

        async def call() -> Any:
            result = twin(*arguments, **named)
            return await result if inspect.isawaitable(result) else result

        return async_to_sync(call)()  # in this thread, with its connection


@pytest.fixture(params=[Sync(), Async()], ids=["sync", "async"])
def do(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Return what calls a session's method, in either way."""
    call: Callable[..., Any] = request.param
    return call


@pytest.fixture
def session(store: MakeSession) -> Any:
    """Return a new session."""
    return store()


def again(store: MakeSession, session: Any) -> Any:
    """Return the session as the next request would have it."""
    return store(session.session_key)


def test_a_new_session_is_untouched_and_empty(session: Any, do: Callable[..., Any]) -> None:
    assert (session.modified, session.accessed) == (False, False)
    assert do(session, "get", "cat") is None
    assert session.accessed
    assert session.is_empty()


def test_what_is_saved_is_loaded(store: MakeSession, session: Any, do: Callable[..., Any]) -> None:
    do(session, "__setitem__", "cat", {"name": "Tom", "lives": [9, None, 1.5]})
    assert session.modified
    do(session, "save")
    assert do(again(store, session), "get", "cat") == {"name": "Tom", "lives": [9, None, 1.5]}


@SERVER_SIDE
def test_a_saved_session_exists(session: Any, do: Callable[..., Any]) -> None:
    do(session, "save")
    assert do(session, "exists", session.session_key) is True


def test_saving_does_not_clear_the_data(session: Any, do: Callable[..., Any]) -> None:
    do(session, "__setitem__", "a", "b")
    do(session, "save")
    assert do(session, "get", "a") == "b"


def test_a_deleted_session_is_gone(
    store: MakeSession, session: Any, do: Callable[..., Any]
) -> None:
    do(session, "__setitem__", "a", "b")
    do(session, "save")
    key = session.session_key
    do(session, "delete", key)
    assert do(session, "exists", key) is False
    assert do(store(key), "get", "a") is None


def test_a_flushed_session_is_gone_and_has_no_key(
    store: MakeSession, session: Any, do: Callable[..., Any]
) -> None:
    do(session, "__setitem__", "a", "b")
    do(session, "save")
    key = session.session_key
    do(session, "flush")
    assert session.session_key is None
    assert (session.modified, session.accessed) == (True, True)
    assert do(session, "get", "a") is None
    assert do(store(key), "get", "a") is None


def test_a_cycled_session_keeps_its_data_under_a_new_key(
    store: MakeSession, session: Any, do: Callable[..., Any]
) -> None:
    do(session, "__setitem__", "a", "c")
    do(session, "save")
    key = session.session_key
    do(session, "cycle_key")
    do(session, "save")
    assert do(session, "exists", key) is False
    assert session.session_key != key
    assert do(session, "get", "a") == "c"
    assert do(again(store, session), "get", "a") == "c"


def test_a_session_that_was_not_loaded_can_be_cycled(
    store: MakeSession, session: Any, do: Callable[..., Any]
) -> None:
    do(session, "__setitem__", "a", "c")
    do(session, "save")
    other = again(store, session)
    do(other, "cycle_key")
    assert do(other, "get", "a") == "c"


def test_pop_setdefault_update_and_clear_mark_the_session(
    session: Any, do: Callable[..., Any]
) -> None:
    do(session, "update", {"a": 1})
    assert session.modified
    session.modified = False
    assert do(session, "pop", "missing", "default") == "default"
    assert not session.modified
    assert do(session, "pop", "a") == 1
    assert session.modified
    with pytest.raises(KeyError):
        do(session, "pop", "a")
    assert do(session, "setdefault", "b", 2) == 2
    assert do(session, "setdefault", "b", 3) == 2
    session.clear()
    assert dict(session.items()) == {}


@pytest.mark.parametrize(
    "key", ["1", "", "1234567", "someunknownkey", "a" * 32, "../../etc/passwd"]
)
def test_an_unknown_key_is_never_adopted_and_leaves_no_record(
    store: MakeSession, do: Callable[..., Any], key: str
) -> None:
    session = store(key)
    do(session, "load")
    assert session.session_key is None
    assert do(session, "exists", session.session_key) is False
    do(session, "__setitem__", "a", 1)
    do(session, "save")
    assert session.session_key != key
    do(session, "delete", key)
    assert do(again(store, session), "get", "a") == 1


def test_keys_can_be_assigned_as_django_allows(session: Any) -> None:
    session._session_key = "1234567"
    assert session.session_key is None
    session._session_key = "12345678"
    assert session.session_key == "12345678"
    with pytest.raises(AttributeError):
        session.session_key = "a" * 32


def test_expiry_by_default_is_the_settings(session: Any, do: Callable[..., Any]) -> None:
    assert do(session, "get_expiry_age") == django_settings.SESSION_COOKIE_AGE
    do(session, "set_expiry", 0)
    assert do(session, "get_expiry_age") == django_settings.SESSION_COOKIE_AGE
    assert do(session, "get_expire_at_browser_close") is True


@pytest.mark.parametrize(
    "expiry",
    [lambda: 10, lambda: timedelta(seconds=10), lambda: timezone.now() + timedelta(seconds=10)],
)
def test_expiry_can_be_set_and_reset(session: Any, do: Callable[..., Any], expiry: Any) -> None:
    do(session, "set_expiry", expiry())
    assert 0 <= do(session, "get_expiry_age") <= 10
    assert do(session, "get_expire_at_browser_close") is False
    do(session, "set_expiry", None)
    assert do(session, "get_expiry_age") == django_settings.SESSION_COOKIE_AGE


def test_an_expired_session_is_absent(
    store: MakeSession, session: Any, do: Callable[..., Any]
) -> None:
    do(session, "__setitem__", "foo", "bar")
    do(session, "set_expiry", -timedelta(seconds=10))
    do(session, "save")
    assert do(again(store, session), "get", "foo") is None


@SERVER_SIDE
def test_a_session_that_was_ended_elsewhere_is_not_brought_back(
    store: MakeSession, session: Any, do: Callable[..., Any]
) -> None:
    do(session, "__setitem__", "data", "value1")
    do(session, "save", must_create=True)
    do(again(store, session), "delete")
    do(session, "__setitem__", "data", "value2")
    with pytest.raises(UpdateError):
        do(session, "save")
    assert do(session, "load") == {}


def test_what_is_encoded_can_be_decoded(session: Any) -> None:
    data = {"a test key": "a test value"}
    assert session.decode(session.encode(data)) == data


@pytest.mark.parametrize("encoded", ["Zmxhc2tkajphbGtkamY=", "bad:encoded:value"])
def test_what_is_not_signed_is_empty_and_logged(
    session: Any, encoded: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert session.decode(encoded) == {}
    assert "Session data corrupted" in caplog.text


@SERVER_SIDE
def test_creating_under_a_taken_key_makes_another(store: MakeSession, session: Any) -> None:
    session["a"] = 1
    session.save()
    other = store()
    other._session_key = session.session_key
    with pytest.raises(CreateError):
        other.save(must_create=True)
    assert again(store, session)["a"] == 1
