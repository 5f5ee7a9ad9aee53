"""Any sequence of operations ends as a dict would, whoever else is at it, wherever it breaks off.

The examples are drawn anew in each run but for CI, where they are always the same.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardened_sessions.revocation.feed import feed
from tests.hardened_sessions.conftest import ON_SERVER, MakeSession
from tests.hardened_sessions.schedules import Left, Stepper, stepping

EXAMPLES = int(os.environ.get("EXAMPLES", "40"))
drawn = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    database=None,
    # The stores are emptied by no fixture in between: each example has a session of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

NAMES = st.sampled_from(["a", "b", "c", "d"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)

OPERATION = st.one_of(
    st.tuples(st.just("set"), NAMES, VALUES),
    st.tuples(st.just("pop"), NAMES),
    st.tuples(st.just("setdefault"), NAMES, VALUES),
    st.tuples(st.just("update"), st.dictionaries(NAMES, VALUES, max_size=3)),
    st.tuples(st.just("clear")),
    st.tuples(st.just("cycle_key")),
    st.tuples(st.just("flush")),
    st.tuples(st.just("save")),
    st.tuples(st.just("next request")),
)


def apply(session: Any, model: dict[str, Any], operation: tuple[Any, ...]) -> None:
    """Do to the session what is done to a dict."""
    word, *arguments = operation
    if word == "set":
        session[arguments[0]] = model[arguments[0]] = arguments[1]
    elif word == "pop":
        assert session.pop(arguments[0], None) == model.pop(arguments[0], None)
    elif word == "setdefault":
        assert session.setdefault(*arguments) == model.setdefault(*arguments)
    elif word == "update":
        session.update(*arguments)
        model.update(*arguments)
    else:
        getattr(session, word)()
        if word in ("clear", "flush"):
            model.clear()


@pytest.mark.parametrize("engine", [*ON_SERVER, "signed_cookies"])
@drawn
@given(operations=st.lists(OPERATION, max_size=12))
def test_a_session_is_a_dict_that_lasts(
    store: MakeSession, operations: list[tuple[Any, ...]]
) -> None:
    session, model = store(), dict[str, Any]()
    for operation in [*operations, ("next request",)]:
        if operation[0] == "next request":
            session.save()
            session = store(session.session_key)
        else:
            apply(session, model, operation)
        assert dict(session.items()) == model


CHANGE = st.one_of(
    st.tuples(st.just("set"), NAMES, st.integers(0, 99)),
    st.tuples(st.just("pop"), NAMES),
)
STEP = st.tuples(st.integers(0, 1), CHANGE | st.just(("save",)))


@pytest.mark.parametrize("engine", ON_SERVER)
@drawn
@given(steps=st.lists(STEP, max_size=14))
def test_two_requests_at_once_keep_each_others_changes(
    store: MakeSession, steps: list[tuple[int, tuple[Any, ...]]]
) -> None:
    """Of each key the last save of a change counts; a request changes what it changed, no more."""
    first = store()
    first["a"] = -1
    first.save()
    shared = {"a": -1}
    clients = [store(first.session_key) for _ in range(2)]
    bases = [dict(client.items()) for client in clients]
    models = [dict(base) for base in bases]
    for number, operation in [*steps, (0, ("save",)), (1, ("save",))]:
        client, base, model = clients[number], bases[number], models[number]
        if operation[0] != "save":
            apply(client, model, operation)
            continue
        client.save()
        for name in {*base, *model}:
            if name in model and (name not in base or model[name] != base[name]):
                shared[name] = model[name]
            elif name in base and name not in model:
                shared.pop(name, None)
        assert dict(store(first.session_key).items()) == shared
        bases[number], models[number] = dict(client.items()), dict(client.items())


# --- Crashes --------------------------------------------------------------------------------------


class Crashing(Stepper):
    """Ends a client before one of its calls, as a crash of its process would."""

    def __init__(self) -> None:
        super().__init__()
        self.calls_left: int | None = None

    def call(self, store: str, make: Callable[[], Any], *, reads: bool = False) -> Any:
        if self.calls_left is not None:
            if not self.calls_left:
                raise Left
            self.calls_left -= 1
        return make()


@pytest.fixture
def crashing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Crashing]:
    stepper = Crashing()
    with stepping(monkeypatch, stepper):
        yield stepper


def crash(stepper: Crashing, after: int, work: Callable[[], object]) -> bool:
    """Do the work until so many calls were made; return whether that broke it off."""
    stepper.calls_left = after
    try:
        work()
    except Left:
        return True
    finally:
        stepper.calls_left = None
    return False


def every_crash(stepper: Crashing, start: Callable[[], Callable[[], object]]) -> Iterator[bool]:
    """Break the work that `start` gives off before its first call, its second, and so on."""
    after = 0
    while crash(stepper, after, start()):
        yield True
        after += 1
    yield False
    assert after > 0


def read_the_feed() -> None:
    """Know what every process knows once the bound is over."""
    feed().read_at = float("-inf")


@pytest.mark.parametrize("engine", ON_SERVER)
def test_a_save_that_breaks_off_happened_or_did_not(store: MakeSession, crashing: Crashing) -> None:
    keys: list[str] = []

    def start() -> Callable[[], object]:
        session = store()
        session.update({SESSION_KEY: "7", "n": 1, "m": 1})
        session.save()
        keys.append(session.session_key or "")
        session = store(session.session_key)
        session.update({"n": 2, "m": 2})
        return session.save

    for broke_off in every_crash(crashing, start):
        read_the_feed()
        found = store(keys[-1])
        values = (found.get(SESSION_KEY), found.get("n"), found.get("m"))
        assert values in ([("7", 1, 1), ("7", 2, 2)] if broke_off else [("7", 2, 2)])
        # The next request can go on from there, and what it saves counts.
        found["n"] = 3
        found.save()
        assert store(keys[-1])["n"] == 3


@pytest.mark.parametrize("engine", [*ON_SERVER, "signed_cookies"])
def test_a_sign_out_that_breaks_off_happened_or_did_not(
    store: MakeSession, crashing: Crashing
) -> None:
    keys: list[str] = []

    def start() -> Callable[[], object]:
        session = store()
        session[SESSION_KEY] = "7"
        session.save()
        keys.append(session.session_key or "")
        session = store(session.session_key)
        assert session[SESSION_KEY]
        return session.flush

    for broke_off in every_crash(crashing, start):
        read_the_feed()
        first, second = (SESSION_KEY in store(keys[-1]) for _ in range(2))
        assert first == second
        assert broke_off or not first


@pytest.mark.parametrize("engine", ON_SERVER)
def test_a_rotation_that_breaks_off_leaves_one_key_or_the_other(
    store: MakeSession, crashing: Crashing
) -> None:
    sessions: list[tuple[str, Any]] = []

    def start() -> Callable[[], object]:
        session = store()
        session.update({SESSION_KEY: "7", "n": 1})
        session.save()
        former = session.session_key or ""
        session = store(former)
        assert session[SESSION_KEY]
        sessions.append((former, session))
        return session.cycle_key

    for broke_off in every_crash(crashing, start):
        read_the_feed()
        former, session = sessions[-1]
        kept = store(former).get("n")
        if session.session_key == former:
            # Nobody heard of the new key: only what was not rotated is of any use.
            assert broke_off
            assert kept in (1, None)
        else:
            assert kept is None
            assert store(session.session_key)["n"] == 1


@pytest.mark.parametrize("engine", ON_SERVER)
def test_a_save_after_a_sign_out_is_refused(store: MakeSession) -> None:
    session = store()
    session[SESSION_KEY] = "7"
    session.save()
    other = store(session.session_key)
    other["n"] = 1
    session.flush()
    with pytest.raises(UpdateError):
        other.save()
