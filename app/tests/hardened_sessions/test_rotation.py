"""A key changes when its holder does: the former one opens nothing, and disturbs nobody."""

import time
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.exceptions import SessionInterrupted
from django.test import Client
from pytest_django import Settings

from hardened_sessions import bounds
from hardened_sessions.errors import SessionRotatedError
from hardened_sessions.format.keys import hashed
from tests.hardened_sessions.conftest import ON_SERVER, MakeSession, everything_at_rest
from tests.servers import RedisServer

COOKIE = "__Host-sessionid"
EVERY = pytest.mark.parametrize("engine", [*ON_SERVER, "signed_cookies"])
SERVER_SIDE = pytest.mark.parametrize("engine", ON_SERVER)
BOTH = pytest.mark.parametrize(
    "layer",
    [
        pytest.param(
            "stock",
            marks=pytest.mark.xfail(strict=True, reason="login() keeps the same user's key"),
        ),
        "hardened",
    ],
)


@pytest.fixture(autouse=True)
def _ada(tables: None) -> None:
    get_user_model().objects.create_user("ada", password="p" * 20)


def get(path: str, cookie: str = "") -> Any:
    """Return the answer to one request that carries this cookie alone."""
    client = Client(raise_request_exception=False)
    if cookie:
        client.cookies[COOKIE] = cookie
    return client.get(path, secure=True)


def given(answer: Any) -> str | None:
    """Return the session cookie that the answer sets; '' deletes it, None leaves it alone."""
    return answer.cookies[COOKIE].value if COOKIE in answer.cookies else None


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let the clock be that much further on."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + seconds)


@BOTH
@EVERY
@pytest.mark.parametrize("step", ["sign_in", "new_password?password=qqqqqqqqqqqqqqqqqqqq"])
def test_the_key_changes_with_every_sign_in_and_password(store: MakeSession, step: str) -> None:
    former = given(get("/sign_in"))
    assert former
    answer = get(f"/{step}", former)
    latter = given(answer)
    assert answer.status_code == 200
    assert latter
    assert latter != former
    assert get("/who", latter).content == b"ada"
    # The former one opens nothing, and the browser may hold the new one already.
    refused = get("/who", former)
    assert (refused.status_code, refused["Retry-After"]) == (503, "1")
    assert given(refused) is None
    if step != "sign_in":
        # Django's own engines pass this far: it is the sign-in again that keeps the key.
        assert get("/sign_in", latter).cookies[COOKIE].value != latter


@EVERY
def test_signing_in_changes_an_anonymous_visitors_key_and_keeps_the_data(
    store: MakeSession,
) -> None:
    former = given(get("/write"))
    assert former
    latter = given(get("/sign_in", former))
    assert latter
    assert latter != former
    assert get("/write", latter).content == b"2"
    assert get("/read", former).status_code == 503


@EVERY
def test_the_former_key_writes_nothing(store: MakeSession) -> None:
    former = given(get("/sign_in")) or ""
    latter = given(get("/sign_in", former)) or ""
    answer = get("/write", former)
    assert answer.status_code == 503
    assert given(answer) is None
    assert get("/read", latter).content == b"0"


@EVERY
def test_after_a_while_the_former_key_is_unknown(
    store: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = given(get("/sign_in")) or ""
    latter = given(get("/sign_in", former)) or ""
    later(monkeypatch, bounds.ROTATED + 1)
    answer = get("/read", former)
    assert (answer.status_code, answer.content, given(answer)) == (200, b"0", "")
    assert get("/who", latter).content == b"ada"


@EVERY
def test_a_sign_out_by_a_former_key_ends_the_session_that_took_its_place(
    store: MakeSession,
) -> None:
    former = given(get("/sign_in")) or ""
    held = store(former)  # a request that began before
    assert SESSION_KEY in held
    latter = given(get("/sign_in", former)) or ""
    held.flush()
    if getattr(held, "store", "") == "signed_cookies":
        time.sleep(bounds.TRUST)
    assert get("/who", latter).content == b"nobody"


@SERVER_SIDE
def test_a_request_under_way_does_not_save_over_the_new_key(store: MakeSession) -> None:
    former = given(get("/sign_in")) or ""
    held = store(former)
    assert SESSION_KEY in held
    latter = given(get("/sign_in", former)) or ""
    held["late"] = True
    with pytest.raises(SessionRotatedError):
        held.save()
    assert "late" not in store(latter)


@SERVER_SIDE
def test_two_rotations_at_once_leave_one_session(store: MakeSession) -> None:
    former = given(get("/sign_in")) or ""
    one, two = store(former), store(former)
    assert SESSION_KEY in one
    assert SESSION_KEY in two
    one.cycle_key()
    with pytest.raises(SessionRotatedError):
        two.cycle_key()
    assert store(one.session_key)[SESSION_KEY]


@SERVER_SIDE
def test_rotating_an_ended_session_does_not_bring_it_back(store: MakeSession) -> None:
    key = given(get("/sign_in")) or ""
    held = store(key)
    assert SESSION_KEY in held
    get("/sign_out", key)
    with pytest.raises(SessionInterrupted):
        held.cycle_key()
    assert SESSION_KEY not in store(key)


@EVERY
def test_another_user_signing_in_inherits_nothing(store: MakeSession) -> None:
    get_user_model().objects.create_user("bob", password="p" * 20)
    key = given(get("/sign_in")) or ""
    key = given(get("/write", key)) or key
    latter = given(get("/sign_in?name=bob", key)) or ""
    assert get("/who", latter).content == b"bob"
    assert get("/read", latter).content == b"0"


@SERVER_SIDE
def test_after_a_new_secret_key_the_new_key_lies_nowhere_but_in_the_browser(
    store: MakeSession, settings: Settings, redis_server: RedisServer
) -> None:
    former = given(get("/sign_in")) or ""
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = f"another-{settings.SECRET_KEY}"
    latter = given(get("/who", former)) or ""
    assert latter
    assert latter != former
    assert hashed(latter) in everything_at_rest(redis_server, settings.SESSION_FILE_PATH)
    for key in (former, latter):
        assert key not in everything_at_rest(redis_server, settings.SESSION_FILE_PATH)
