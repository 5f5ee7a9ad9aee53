"""A key changes when its holder does: the former one opens nothing, and disturbs nobody."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY, get_user_model, user_logged_in
from django.contrib.sessions.exceptions import SessionInterrupted
from django.test import Client
from pytest_django import Settings

from hardened_sessions import bounds
from hardened_sessions.errors import SessionConflictError
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
    for path in ("/who", "/read", "/write"):
        answer = get(path, former)
        assert (answer.status_code, given(answer)) == (200, None)
    assert get("/who", former).content == b"nobody"
    assert get("/read", latter).content == b"0"
    if step != "sign_in":
        # Django's own engines pass this far: it is the sign-in again that keeps the key.
        assert get("/sign_in", latter).cookies[COOKIE].value != latter


@EVERY
def test_a_sign_in_that_is_sent_twice_signs_in_twice_with_what_the_visitor_had(
    store: MakeSession, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a double click, or where the first answer was lost; with hashed and other names."""
    former = given(get("/write")) or ""
    first = given(get("/sign_in", former)) or ""
    # Meanwhile the visitor goes on as before, of which the signed-in session hears nothing.
    for path in ("/read", "/write", "/read"):
        answer = get(path, former)
        assert (answer.status_code, given(answer)) == (200, None)
    assert answer.content == (b"1" if engine == "signed_cookies" else b"2")
    assert get("/who", former).content == b"nobody"
    second = given(get("/sign_in", former)) or ""
    assert len({former, first, second, ""}) == 4
    for key, counted in ((first, b"1"), (second, answer.content)):
        assert get("/who", key).content == b"ada"
        assert get("/read", key).content == counted
    # A sign-out there reaches neither.
    assert get("/sign_out", former).status_code == 200
    later(monkeypatch, bounds.TRUST)
    assert {get("/who", key).content for key in (first, second)} == {b"ada"}
    assert get("/read", former).content == b"0"


@EVERY
@pytest.mark.parametrize("page", ["/read", "/write"])
@pytest.mark.parametrize("names", ["hash", "read"])
def test_the_copy_of_an_anonymous_session_ends_within_a_minute(
    store: MakeSession,
    options: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    page: str,
    names: str,
) -> None:
    options(KEYS=names)
    former = given(get("/write")) or ""
    latter = given(get("/sign_in", former)) or ""
    later(monkeypatch, bounds.FORMER / 2)
    assert get(page, former).status_code == 200
    later(monkeypatch, bounds.FORMER / 2)
    answer = get("/read", former)
    assert (answer.content, given(answer)) == (b"0", "")
    assert get("/who", latter).content == b"ada"


@EVERY
def test_a_request_under_way_while_its_visitor_signs_in_is_answered(
    store: MakeSession, engine: str
) -> None:
    former = given(get("/write")) or ""
    held = [store(former) for _ in range(2)]
    assert [session["n"] for session in held] == [1, 1]
    latter = given(get("/sign_in", former)) or ""
    held[0]["late"] = True
    held[0].save()
    held[1].cycle_key()  # signs in too
    held[1][SESSION_KEY] = "7"
    held[1].save()
    assert store(held[1].session_key)["n"] == 1
    assert "late" not in store(latter)


@EVERY
def test_signing_in_again_twice_at_once_signs_in_twice(store: MakeSession) -> None:
    former = given(get("/sign_in")) or ""
    held = store(former)
    assert SESSION_KEY in held
    latter = given(get("/sign_in", former)) or ""
    held.cycle_key_anew()  # type: ignore[attr-defined]
    held.save()
    assert store(held.session_key)[SESSION_KEY] == store(latter)[SESSION_KEY]
    assert get("/who", given(get("/sign_in", former)) or "").content == b"ada"


@EVERY
def test_receivers_of_a_sign_in_find_the_key_that_the_visitor_gets(
    store: MakeSession, engine: str
) -> None:
    """As recipes for one session a user keep it; theirs are connected in a models.py."""
    keys: list[Any] = []

    def note(request: Any, **kwargs: Any) -> None:
        keys.append(request.session.session_key)

    user_logged_in.connect(note)
    try:
        first = given(get("/sign_in")) or ""
        second = given(get("/sign_in", first)) or ""
    finally:
        user_logged_in.disconnect(note)
    if engine != "signed_cookies":  # whose key is all that the cookie says
        assert keys == [first, second]
    own = next(
        place
        for place, entry in enumerate(user_logged_in.receivers)
        if entry[0][0] == "hardened_sessions"
    )
    assert own == 0


# --- Where nobody signed in -----------------------------------------------------------------------


@pytest.fixture(params=["secret key", "cookie's name"])
def renewed(
    request: pytest.FixtureRequest, settings: Settings, options: Callable[..., None]
) -> Callable[[str, str], Any]:
    """Return what asks for a page with the former cookie, once its kind counts no longer."""

    def change() -> str:
        if request.param == "secret key":
            settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
            settings.SECRET_KEY = f"another-{settings.SECRET_KEY}"
            return COOKIE
        options(OLD_COOKIE_NAME="sessionid")
        return "sessionid"

    name = ""

    def ask(path: str, former: str) -> Any:
        nonlocal name
        name = name or change()
        client = Client(raise_request_exception=False)
        client.cookies[name] = former
        return client.get(path, secure=True)

    return ask


@SERVER_SIDE
def test_a_former_key_counts_until_the_new_one_was_seen(
    store: MakeSession, renewed: Callable[[str, str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    former = given(get("/sign_in")) or ""
    # A page that fails leaves all as it was; the tabs that are opened again find one new key.
    assert renewed("/crash", former).status_code == 500
    answers = [renewed(path, former) for path in ("/who", "/write", "/who")]
    assert [answer.content for answer in answers] == [b"ada", b"1", b"ada"]
    latter = answers[0].cookies[COOKIE].value
    assert {answer.cookies[COOKIE].value for answer in answers} == {latter}
    assert latter != former
    assert get("/write", latter).content == b"2"
    # From here on the former one opens nothing, and disturbs nobody.
    answer = renewed("/write", former)
    assert (answer.content, given(answer)) == (b"1", None)
    assert get("/read", latter).content == b"2"
    assert get("/who", latter).content == b"ada"


@EVERY
def test_a_former_key_counts_for_a_minute_at_most(
    store: MakeSession,
    engine: str,
    renewed: Callable[[str, str], Any],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    former = given(get("/sign_in")) or ""
    latter = renewed("/who", former).cookies[COOKIE].value
    later(monkeypatch, bounds.FORMER)
    said = renewed("/who", former).content
    if engine == "signed_cookies" and "secret" in request.node.name:
        assert said == b"ada"  # its id is the same, only the signature is new
    else:
        assert said == b"nobody"
    assert get("/who", latter).content == b"ada"


@EVERY
@pytest.mark.parametrize("by", ["former", "latter"])
def test_a_sign_out_by_either_key_ends_both(
    store: MakeSession, renewed: Callable[[str, str], Any], by: str
) -> None:
    former = given(get("/sign_in")) or ""
    latter = renewed("/who", former).cookies[COOKIE].value
    assert renewed("/who", former).content == b"ada"
    if by == "former":
        assert renewed("/sign_out", former).status_code == 200
    else:
        assert get("/sign_out", latter).status_code == 200
    assert renewed("/who", former).content == b"nobody"
    assert get("/who", latter).content == b"nobody"


@EVERY
def test_a_sign_in_over_a_key_that_is_about_to_change_leads_nowhere_from_the_former(
    store: MakeSession, renewed: Callable[[str, str], Any]
) -> None:
    former = given(get("/sign_in")) or ""
    latter = renewed("/sign_in", former).cookies[COOKIE].value
    assert renewed("/who", former).content == b"nobody"
    assert get("/who", latter).content == b"ada"


# --- Where a signed-in visitor's key was replaced -------------------------------------------------


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
    with pytest.raises(SessionConflictError):
        held.save()
    assert "late" not in store(latter)


@SERVER_SIDE
def test_two_rotations_at_once_leave_one_session(store: MakeSession) -> None:
    former = given(get("/sign_in")) or ""
    one, two = store(former), store(former)
    assert SESSION_KEY in one
    assert SESSION_KEY in two
    one.cycle_key()
    with pytest.raises(SessionConflictError):
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
