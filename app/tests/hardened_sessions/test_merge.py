"""Two requests that change one session at once: neither loses what the other did not touch."""

import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.urls import path
from hypothesis import given, settings
from hypothesis import strategies as st

from hardened_sessions import bounds
from hardened_sessions.clients.redis import redis_client
from hardened_sessions.errors import SessionConflictError, SessionUnavailableError
from hardened_sessions.events import counters
from hardened_sessions.merge import IDENTITY, IdentityChangedError, merge, same
from hardened_sessions.storage.copies import Copies
from tests.hardened_sessions.conftest import (
    COOKIE,
    ON_SERVER,
    Browser,
    MakeSession,
    engines,
    layers,
)
from tests.hardened_sessions.urls import read, write

type Data = dict[str, Any]

SERVER_SIDE = engines(*ON_SERVER)
WRITERS = 50

CI = bool(os.environ.get("CI"))
drawn = settings(max_examples=300, deadline=None, derandomize=CI, database=None)

# --- The function, against a model ----------------------------------------------------------------

NUMBERS = st.sampled_from([0, 1, 0.0, 1.0, True, False])  # all too alike in Python
LEAVES = st.none() | NUMBERS | st.text(max_size=3) | st.integers()
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=4,
)
DATA = st.dictionaries(st.sampled_from("abcde"), VALUES, max_size=5)
IDENTITIES = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(["7", "8"]) for name in IDENTITY}
)


def text(data: Data, name: str) -> str | None:
    """Return a key's value as JSON, or None where there is none: what two values are alike by."""
    return json.dumps(data[name], sort_keys=True) if name in data else None


@given(one=VALUES, other=VALUES)
@drawn
def test_values_are_the_same_where_their_json_is(one: Any, other: Any) -> None:
    assert same(one, other) is (text({"": one}, "") == text({"": other}, ""))
    assert same(one, deepcopy(one))


@given(base=DATA, mine=DATA, theirs=DATA)
@drawn
def test_each_key_is_mine_where_i_changed_it_and_else_theirs(
    base: Data, mine: Data, theirs: Data
) -> None:
    before = deepcopy((base, mine, theirs))
    merged, conflicts = merge(base, mine, theirs)
    for name in "abcde":
        b, m, t, result = (text(data, name) for data in (base, mine, theirs, merged))
        assert result == (t if m == b else m)
        assert (name in conflicts) is (b not in (m, t) and m != t)
    assert (base, mine, theirs) == before


@given(base=DATA, mine=DATA, theirs=DATA)
@drawn
def test_strictly_each_key_that_both_changed_is_a_conflict(
    base: Data, mine: Data, theirs: Data
) -> None:
    merged, conflicts = merge(base, mine, theirs, strict=True)
    assert merged == merge(base, mine, theirs)[0]
    for name in "abcde":
        b, m, t = (text(data, name) for data in (base, mine, theirs))
        assert (name in conflicts) is (b not in (m, t))


@given(base=DATA, mine=DATA, theirs=DATA)
@drawn
def test_without_conflicts_it_does_not_matter_who_was_first(
    base: Data, mine: Data, theirs: Data
) -> None:
    one, conflicts = merge(base, mine, theirs)
    other, same_conflicts = merge(base, theirs, mine)
    assert sorted(conflicts) == sorted(same_conflicts)
    agreed = set("abcde") - set(conflicts)
    assert {name: text(one, name) for name in agreed} == {
        name: text(other, name) for name in agreed
    }


@given(base=DATA, other=DATA)
@drawn
def test_who_changed_nothing_changes_nothing(base: Data, other: Data) -> None:
    assert merge(base, base, other) == (other, [])
    assert merge(base, other, base) == (other, [])
    assert merge(base, other, other) == (other, [])


@given(base=IDENTITIES, mine=IDENTITIES, theirs=IDENTITIES, data=DATA)
@drawn
def test_an_identity_is_taken_whole_or_the_save_refused(
    base: Data, mine: Data, theirs: Data, data: Data
) -> None:
    if theirs in (base, mine):
        merged, _ = merge({**data, **base}, {**data, **mine}, {**data, **theirs})
        found = {name: merged[name] for name in IDENTITY if name in merged}
        assert found == (theirs if mine == base else mine)
    else:
        with pytest.raises(IdentityChangedError):
            merge({**data, **base}, {**data, **mine}, {**data, **theirs})


def test_every_key_of_djangos_auth_is_part_of_the_identity() -> None:
    assert {SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY} == set(IDENTITY)


# --- Two sessions ---------------------------------------------------------------------------------


def both(store: MakeSession, **data: Any) -> tuple[Any, Any]:
    """Return two requests' sessions, loaded from one that holds the data."""
    session: Any = store()
    session.update(data)
    session.save()
    one, other = store(session.session_key), store(session.session_key)
    for loaded in (one, other):
        dict(loaded.items())
    return one, other


def held(store: MakeSession, session: Any) -> Data:
    """Return what the next request finds."""
    return dict(store(session.session_key).items())


@layers(stock="the last one writes all that it had loaded")
@SERVER_SIDE
@pytest.mark.parametrize("asynchronously", [False, True])
def test_changes_to_different_keys_are_both_kept(store: MakeSession, asynchronously: bool) -> None:
    one, other = both(store, a=1, b=1, gone=1, kept=1)
    one["a"] = 2
    one["new"] = [1]
    other["b"] = 2
    del other["gone"]
    for session in (one, other):
        if asynchronously:
            async_to_sync(session.asave)()
        else:
            session.save()
    assert held(store, one) == {"a": 2, "b": 2, "new": [1], "kept": 1}
    # Whoever was second has it all at hand as well.
    assert dict(other.items()) == held(store, one)


@SERVER_SIDE
def test_a_key_that_one_deletes_and_nobody_else_changes_stays_deleted(store: MakeSession) -> None:
    one, other = both(store, a=1, b=1)
    del one["a"]
    other["b"] = 2
    one.save()
    other.save()
    assert held(store, one) == {"b": 2}


@SERVER_SIDE
def test_true_and_one_are_two_values(store: MakeSession) -> None:
    session, _ = both(store, n=1)
    session["n"] = True
    session.save()
    assert held(store, session)["n"] is True


@SERVER_SIDE
def test_a_nested_value_changes_as_a_whole(store: MakeSession) -> None:
    one, other = both(store, cart={"a": 1}, seen=[1])
    one["cart"]["a"] = 2
    one.modified = True
    other["seen"].append(2)
    other.modified = True
    one.save()
    other.save()
    assert held(store, one) == {"cart": {"a": 2}, "seen": [1, 2]}


@SERVER_SIDE
def test_of_one_key_the_last_value_counts_and_the_conflict_is_counted(store: MakeSession) -> None:
    one, other = both(store, a=1, b=1)
    one["a"], other["a"], other["b"] = 2, 3, 3
    one.save()
    before = counters()["conflict"]
    other.save()
    assert counters()["conflict"] == before + 1
    assert held(store, one) == {"a": 3, "b": 3}


@SERVER_SIDE
def test_one_value_set_by_both_is_no_conflict(store: MakeSession) -> None:
    one, other = both(store, a=1, b=1)
    one["a"] = other["a"] = 2
    other["b"] = 2
    before = counters()["conflict"]
    one.save()
    other.save()
    assert counters()["conflict"] == before
    assert held(store, one) == {"a": 2, "b": 2}


@SERVER_SIDE
def test_strictly_a_conflict_is_refused_and_nothing_of_it_saved(
    store: MakeSession, options: Callable[..., None]
) -> None:
    options(CONFLICTS="strict")
    one, other = both(store, a=1, b=1)
    one["a"], other["a"], other["b"] = 2, 3, 3
    one.save()
    with pytest.raises(SessionConflictError, match="a changed meanwhile"):
        other.save()
    assert held(store, one) == {"a": 2, "b": 1}


@SERVER_SIDE
def test_strictly_two_that_add_one_do_not_both_succeed(
    store: MakeSession, options: Callable[..., None]
) -> None:
    options(CONFLICTS="strict")
    one, other = both(store, count=5)
    one["count"] += 1
    other["count"] += 1
    one.save()
    with pytest.raises(SessionConflictError, match="count changed meanwhile"):
        other.save()
    assert held(store, one) == {"count": 6}


@SERVER_SIDE
@pytest.mark.parametrize("name", IDENTITY)
def test_strictly_one_identity_given_by_both_is_no_conflict(
    store: MakeSession, options: Callable[..., None], name: str
) -> None:
    options(CONFLICTS="strict")
    values = ["2030-01-01T00:00:00+00:00", "2031-01-01T00:00:00+00:00"]
    if name == SESSION_KEY:
        values = ["1", "2"]
    one, other = both(store, **{name: values[0], "a": 1})
    one[name] = other[name] = values[1]
    other["a"] = 2
    one.save()
    other.save()
    assert held(store, one) == {name: values[1], "a": 2}


@engines("cached_db")
def test_a_copy_that_was_never_replaced_is_in_the_way_once(
    store: MakeSession, options: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    options(CONFLICTS="strict")
    session, _ = both(store, count=5)
    with monkeypatch.context() as died:
        died.setattr(Copies, "refresh", lambda *arguments: True)
        session["count"] += 1
        session.save()
    late = store(session.session_key)
    assert late["count"] == 5
    late["count"] += 1
    with pytest.raises(SessionConflictError):
        late.save()
    again = store(session.session_key)
    again["count"] += 1
    again.save()
    assert held(store, session) == {"count": 7}


@SERVER_SIDE
def test_who_clears_replaces_all(store: MakeSession) -> None:
    one, other = both(store, a=1, b=1)
    one["new"] = 1
    other.clear()
    other["only"] = 1
    one.save()
    other.save()
    assert held(store, one) == {"only": 1}


@SERVER_SIDE
def test_what_another_cleared_does_not_come_back(store: MakeSession) -> None:
    one, other = both(store, a=1, b=1)
    one.clear()
    other["b"] = 2
    one.save()
    other.save()
    assert held(store, one) == {"b": 2}


CHANGES: list[dict[str, Any]] = [
    {SESSION_KEY: "8"},
    {HASH_SESSION_KEY: "another"},
    {BACKEND_SESSION_KEY: "another"},
]


@SERVER_SIDE
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_a_session_that_changed_hands_takes_nothing_from_before(
    store: MakeSession, change: Data
) -> None:
    signed_in = {SESSION_KEY: "7", HASH_SESSION_KEY: "one", BACKEND_SESSION_KEY: "one"}
    one, other = both(store, **signed_in, a=1)
    one.update(change)
    other["a"] = 2
    one.save()
    before = counters()["conflict"]
    with pytest.raises(SessionConflictError, match="changed hands"):
        other.save()
    assert counters()["conflict"] == before + 1
    assert held(store, one) == {**signed_in, **change, "a": 1}


@engines("cached_db")
def test_what_was_merged_is_what_copies_hold(store: MakeSession) -> None:
    one, other = both(store, a=1, b=1)
    one["a"], other["b"] = 2, 2
    one.save()
    other.save()
    name = other.stored.name
    copied, _ = other.storage.copies.get(name)
    assert copied.data == {"a": 2, "b": 2}


# --- Attempts -------------------------------------------------------------------------------------


def with_rivals(store: MakeSession, session: Any, rivals: int) -> list[int]:
    """Have another request save just before each of the first attempts; count all attempts."""
    attempts: list[int] = []
    replace = session.storage.replace

    def late(*arguments: Any, **named: Any) -> Any:
        attempts.append(len(attempts))
        if len(attempts) <= rivals:
            rival = store(session.session_key)
            rival[f"rival {len(attempts)}"] = True
            rival.save()
        return replace(*arguments, **named)

    session.storage.replace = late
    return attempts


@SERVER_SIDE
@pytest.mark.parametrize("rivals", [0, 1, 2])
def test_a_save_that_others_overtake_tries_again(store: MakeSession, rivals: int) -> None:
    session, _ = both(store, a=1)
    session["a"] = 2
    attempts = with_rivals(store, session, rivals)
    session.save()
    assert len(attempts) == rivals + 1
    assert held(store, session) == {
        "a": 2,
        **{f"rival {number + 1}": True for number in range(rivals)},
    }


@SERVER_SIDE
def test_a_save_that_is_overtaken_again_and_again_gives_up(
    store: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, _ = both(store, a=1)
    session["a"] = 2
    monkeypatch.setattr(bounds, "MERGE", 0.2)
    attempts = with_rivals(store, session, 1000)
    with pytest.raises(SessionUnavailableError, match="too many saves") as raised:
        session.save()
    assert raised.value.retry_after == 1
    assert len(attempts) > 3
    assert held(store, session) == {"a": 1} | {f"rival {n + 1}": True for n in range(len(attempts))}


@SERVER_SIDE
def test_fifty_who_write_at_once_are_all_kept(store: MakeSession) -> None:
    session, _ = both(store, a=1)
    everybody = threading.Barrier(WRITERS)

    def write(number: int) -> None:
        try:
            mine = store(session.session_key)
            mine[f"key {number}"] = number
            everybody.wait()
            mine.save()
        finally:
            connections.close_all()
            if held_by_thread := getattr(redis_client().local, "connection", None):
                held_by_thread.disconnect()

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    assert held(store, session) == {"a": 1} | {f"key {n}": n for n in range(WRITERS)}


# --- Through the middleware -----------------------------------------------------------------------


def rivalled(request: HttpRequest) -> HttpResponse:
    """Change a key, and have another request change the one that is named, first."""
    from importlib import import_module

    request.session["mine"] = "7"
    make: MakeSession = import_module(django_settings.SESSION_ENGINE).SessionStore
    rival: Any = make(request.session.session_key)
    rival[request.GET["key"]] = "8"
    rival.save()
    return HttpResponse("done")


urlpatterns = [path(view.__name__, view) for view in (read, write, rivalled)]


@pytest.fixture
def visitor(store: MakeSession) -> Browser:
    """Return a browser with a session."""
    browser = Browser()
    assert browser.get("/write").content == b"1"
    return browser


@SERVER_SIDE
@pytest.mark.urls("tests.hardened_sessions.test_merge")
@pytest.mark.parametrize("conflicts", ["merge", "strict"])
def test_requests_that_change_different_keys_are_both_answered_200(
    store: MakeSession, visitor: Browser, options: Callable[..., None], conflicts: str
) -> None:
    options(CONFLICTS=conflicts)
    assert visitor.get("/rivalled?key=theirs").status_code == 200
    assert dict(store(visitor.cookie).items()) == {
        "n": 1,
        "mine": "7",
        "theirs": "8",
    }


@SERVER_SIDE
@pytest.mark.urls("tests.hardened_sessions.test_merge")
@pytest.mark.parametrize(
    ("conflicts", "key", "status"),
    [
        ("merge", "mine", 200),
        ("strict", "mine", 409),
        ("merge", SESSION_KEY, 409),
        ("strict", SESSION_KEY, 409),
    ],
)
def test_a_conflict_is_409_where_it_may_not_be_settled(
    store: MakeSession,
    visitor: Browser,
    options: Callable[..., None],
    conflicts: str,
    key: str,
    status: int,
) -> None:
    options(CONFLICTS=conflicts)
    cookie = visitor.cookie
    answer = visitor.get(f"/rivalled?key={key}")
    assert answer.status_code == status
    found = dict(store(cookie).items())
    if status == 200:
        assert found == {"n": 1, "mine": "7"}
        return
    assert found == {"n": 1, key: "8"}
    assert not answer.cookies
    assert answer["Content-Type"].startswith("text/plain")
    assert "no-store" in answer["Cache-Control"]
    assert "Retry-After" not in answer


@engines("signed_cookies")
def test_cookies_can_not_be_merged_and_the_last_answer_counts(store: MakeSession) -> None:
    one, other = both(store, a=1, b=1)
    one["a"], other["b"] = 2, 2
    one.save()
    other.save()
    browser = Browser()
    for session in (one, other):  # in the order of the answers
        browser.client.cookies[COOKIE] = session.session_key
    assert dict(store(browser.cookie).items()) == {"a": 1, "b": 2}
