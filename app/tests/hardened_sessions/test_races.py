"""No order of the stores' calls brings a session back that was signed out, nor loses a change.

`RANDOM_SCHEDULES=10000 pytest -k random` runs as many random ones of three clients.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import combinations_with_replacement
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted

from hardened_sessions import events
from hardened_sessions.clients.redis import redis_client
from hardened_sessions.errors import SessionConflictError, SessionUnavailableError
from hardened_sessions.revocation.feed import feed
from hardened_sessions.revocation.users import epochs
from tests.hardened_sessions.conftest import ON_SERVER, MakeSession
from tests.hardened_sessions.schedules import (
    Call,
    Run,
    Step,
    Stepper,
    every_schedule,
    random_schedules,
    stepping,
)
from tests.servers import RedisServer

HELD = (UpdateError, SessionInterrupted, SessionUnavailableError, SessionConflictError)

RANDOM_SCHEDULES = int(os.environ.get("RANDOM_SCHEDULES", "200"))


class Scene:
    """One signed-in session and the clients that use it at once."""

    beginning: dict[str, Any] = {SESSION_KEY: "7"}  # noqa: RUF012 - nobody changes it

    def __init__(self, store: MakeSession, engine: str, copied: bool) -> None:
        self.store = store
        session = store()
        session.update(self.beginning)
        session.save()
        self.key = session.session_key
        self.keys = {self.key}
        # Trust what is copied, as a process that has just read the feed.
        feed().read_at = time.monotonic()
        epochs().read()  # or the first client to ask would make a call more than the others
        if engine == "cached_db" and not copied:
            redis_client().redis.flushall()

    def logout(self) -> str:
        session = self.store(self.key)
        session.load()
        session.flush()
        return "out"

    def save(self) -> str:
        session = self.store(self.key)
        if SESSION_KEY not in session:
            return self.absent(session)
        session[f"changed {id(session)}"] = True
        session.save()
        self.keys.add(session.session_key)
        return f"changed {id(session)}"

    def load(self) -> str:
        session = self.store(self.key)
        return "found" if SESSION_KEY in session else self.absent(session)

    def cycle(self) -> str:
        session = self.store(self.key)
        if SESSION_KEY not in session:
            return self.absent(session)
        session.cycle_key()
        session.save()
        self.keys.add(session.session_key)
        return "cycled"

    def renew(self) -> str:
        session: Any = self.store(self.key)
        if SESSION_KEY not in session:
            return self.absent(session)
        session.renew_key()
        session[f"changed {id(session)}"] = True
        session.save()
        self.keys.add(session.session_key)
        return f"changed {id(session)}"

    @staticmethod
    def absent(session: Any) -> str:
        """Return what a request that found nothing makes of it; a former key is no sign-out."""
        return "former" if session.replaced else "absent"

    def alive(self) -> list[dict[str, Any]]:
        """Return the sessions that any key still leads to, by whoever trusts copies."""
        feed().read_at = time.monotonic()
        found = []
        for key in self.keys:
            session = self.store(key)
            if SESSION_KEY in session:
                found.append(dict(session.items()))
        return found


class Anonymous(Scene):
    """A visitor's session, over which the visitor signs in."""

    beginning: dict[str, Any] = {"cart": 1}  # noqa: RUF012 - nobody changes it

    def sign_in(self) -> str:
        session = self.store(self.key)
        cart = session.get("cart")
        session.cycle_key()
        session[SESSION_KEY] = "7"
        session.save()
        self.keys.add(session.session_key)
        return f"{cart} {session.session_key}"

    def add(self) -> str:
        session = self.store(self.key)
        cart = session.get("cart")
        session["more"] = True
        session.save()
        return f"{cart} {session.session_key}"


@pytest.fixture
def stepper(monkeypatch: pytest.MonkeyPatch, redis_server: RedisServer) -> Iterator[Stepper]:
    with redis_server.client() as client:
        client.config_set("appendfsync", "always")  # or each sign-out waits for the next second
    monkeypatch.setattr(events.logger, "disabled", True)  # conflicts by the thousand
    with stepping(monkeypatch) as made:
        yield made


def check(scene: Scene, names: tuple[str, ...], made: Run) -> None:
    """Assert what must hold after any schedule."""
    where = f"{names} {made.chosen} {made.results}"
    for result in made.results.values():
        assert isinstance(result, (str, *HELD)), f"{where}: {result!r}"
    absent = [client for client, result in made.results.items() if result == "absent"]
    for client in absent:
        assert began_after_a_logout(client, names, made), f"{where}: {client} was signed out"
    alive = scene.alive()
    if "out" in made.results.values():
        assert alive == [], where
        return
    if absent:  # of a logout that failed half-way
        return
    # Nobody signed out: one session, with every change that was confirmed.
    assert alive, where
    for result in made.results.values():
        if isinstance(result, str) and result.startswith("changed"):
            assert all(result in data for data in alive), where


def began_after_a_logout(client: int, names: tuple[str, ...], made: Run) -> bool:
    """Return whether a logout made a call before the client's last one."""
    last = max((place for place, chosen in enumerate(made.chosen) if chosen == client), default=0)
    return any(names[chosen] == "logout" for chosen in made.chosen[:last])


@pytest.mark.parametrize(
    ("names", "order", "results", "fails"),
    [
        (("save", "save"), [0, 1], ["absent", "absent"], True),
        (("cycle", "save"), [0, 0, 1], ["cycled", "absent"], True),
        (("logout", "load"), [1, 0], ["out", "absent"], True),
        (("logout", "load"), [0, 1], ["out", "absent"], False),
        (("logout", "save"), [1, 0, 1], [SessionInterrupted(), "absent"], False),
        (("logout", "save"), [0, 1], ["out", KeyError()], True),
    ],
)
def test_absent_without_a_sign_out_fails_a_schedule(
    names: tuple[str, ...], order: list[int], results: list[Any], fails: bool
) -> None:
    class Gone:
        def alive(self) -> list[dict[str, Any]]:
            return []

    steps = [Step([client], client, Call("database")) for client in order]
    made = Run(steps=steps, results=dict(enumerate(results)))
    with pytest.raises(AssertionError, match=r"signed out|KeyError") if fails else nullcontext():
        check(Gone(), names, made)  # type: ignore[arg-type]


GROUPS = [
    names
    for size in (2, 3)
    for names in combinations_with_replacement(("logout", "save", "load", "cycle"), size)
    if "logout" in names or names in (("save", "save"), ("cycle", "cycle"), ("cycle", "save"))
]
# Where nobody signs in, both requests go on with one key.
GROUPS += [("renew", "renew"), ("renew", "save"), ("logout", "renew")]


@pytest.mark.parametrize("engine", ON_SERVER)
@pytest.mark.parametrize("names", [names for names in GROUPS if len(names) == 2], ids="-".join)
def test_every_schedule_of_two_clients(
    store: MakeSession, engine: str, stepper: Stepper, names: tuple[str, ...]
) -> None:
    for copied in (True, False) if engine == "cached_db" else (True,):
        explore(store, engine, stepper, names, copied)


@pytest.mark.parametrize("engine", ON_SERVER)
def test_every_schedule_of_an_anonymous_visitor_who_signs_in(
    store: MakeSession, engine: str, stepper: Stepper
) -> None:
    for names in (("sign_in", "sign_in"), ("add", "sign_in")):
        scenes: list[Anonymous] = []

        def start(names: tuple[str, ...] = names, scenes: list[Anonymous] = scenes) -> Any:
            scenes.append(Anonymous(store, engine, copied=True))
            return [getattr(scenes[-1], name) for name in names]

        for made in every_schedule(stepper, names, start):
            where = f"{names} {made.chosen} {made.results}"
            results = list(made.results.values())
            assert all(isinstance(result, str) for result in results), where
            assert all(result.startswith("1 ") for result in results), where
            signed_in = {key for key in scenes[-1].keys if SESSION_KEY in store(key)}
            assert len(signed_in) == names.count("sign_in"), where
            assert scenes[-1].key not in signed_in, where


@pytest.mark.parametrize("engine", ON_SERVER)
@pytest.mark.parametrize("names", [names for names in GROUPS if len(names) == 3], ids="-".join)
def test_every_schedule_of_three_clients(
    store: MakeSession, engine: str, stepper: Stepper, names: tuple[str, ...]
) -> None:
    for copied in (True, False) if engine == "cached_db" else (True,):
        explore(store, engine, stepper, names, copied)


def test_a_schedule_whose_clients_called_otherwise_this_time_is_begun_again(
    stepper: Stepper,
) -> None:
    """As where the machine stood still until what is known of the feed was too old."""

    def schedules(short: tuple[int, ...]) -> list[list[int]]:
        begun: list[int] = []

        def start() -> list[Callable[[], None]]:
            begun.append(1 if len(begun) in short else 3)

            def client(calls: int = begun[-1]) -> None:
                for _ in range(calls):
                    stepper.call("redis", lambda: True)

            return [client, client]

        return [made.chosen for made in every_schedule(stepper, ("one", "other"), start)]

    assert len(schedules(())) > 1
    assert schedules((1, 4)) == schedules(())
    with pytest.raises(AssertionError, match="others each time"):
        schedules(tuple(range(1, 100)))


def explore(
    store: MakeSession, engine: str, stepper: Stepper, names: tuple[str, ...], copied: bool
) -> None:
    """Run every schedule of the named clients and check each."""
    scenes: list[Scene] = []

    def start() -> list[Callable[[], str]]:
        scenes.append(Scene(store, engine, copied))
        return [getattr(scenes[-1], name) for name in names]

    count = 0
    for made in every_schedule(stepper, names, start):
        check(scenes[-1], names, made)
        count += 1
    assert count > 1


@pytest.mark.parametrize("engine", ON_SERVER)
def test_random_schedules_of_three_clients(
    store: MakeSession, engine: str, stepper: Stepper
) -> None:
    share = max(1, RANDOM_SCHEDULES // len(GROUPS))
    for seed, names in enumerate(GROUPS):
        scenes: list[Scene] = []

        def start(scenes: list[Scene] = scenes, names: tuple[str, ...] = names) -> Any:
            scenes.append(Scene(store, engine, copied=True))
            return [getattr(scenes[-1], name) for name in names]

        for made in random_schedules(stepper, start, share, seed):
            check(scenes[-1], names, made)
