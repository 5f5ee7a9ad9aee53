"""What happens to sessions is told by signal, log line and counter, and no key is told."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from pytest_django import Settings

from hardened_sessions import events
from hardened_sessions.errors import SessionConflictError
from hardened_sessions.format.keys import hashed
from tests.hardened_sessions.conftest import (
    COOKIE,
    ENGINES,
    FOUND,
    ON_SERVER,
    Browser,
    MakeSession,
    engines,
)
from tests.servers import RedisServer


@dataclass
class Heard:
    """All that was told, in order."""

    signals: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    records: list[logging.LogRecord] = field(default_factory=list)

    def of(self, event: str) -> list[dict[str, Any]]:
        """Return what the signals of one event said."""
        return [said for name, said in self.signals if name == event]

    def lines(self, event: str) -> list[logging.LogRecord]:
        """Return the log records of one event."""
        return [
            record
            for record in self.records
            if record.name == "hardened_sessions" and vars(record)["event"] == event
        ]

    def everything(self) -> str:
        """Return all that anybody could have written down."""
        formatter = logging.Formatter()
        return repr(
            [
                self.signals,
                [{**vars(record), "exc_info": None} for record in self.records],
                [formatter.format(record) for record in self.records],
            ]
        )


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Listen to every signal, and to every logger there is."""
    heard = Heard()

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.records.append(record)

    def listener(event: str) -> Callable[..., None]:
        def hear(sender: object, signal: object, **said: Any) -> None:
            heard.signals.append((event, said))

        return hear

    listeners = {event: listener(event) for event in events.SIGNALS}
    for event, hear in listeners.items():
        events.SIGNALS[event][0].connect(hear)
    handler, root = Keep(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield heard
    root.removeHandler(handler)
    root.setLevel(level)
    for event, hear in listeners.items():
        events.SIGNALS[event][0].disconnect(hear)


def told(heard: Heard, event: str, store: str, **extra: Any) -> dict[str, Any]:
    """Check one event's signal, log line and counter; return what the signal said."""
    (said,) = heard.of(event)
    assert {**said, "fingerprint": None} == {"store": store, "fingerprint": None, **extra}
    (line,) = heard.lines(event)
    assert line.getMessage() == f"session {event.replace('_', ' ')}"
    assert line.levelno == events.SIGNALS[event][1]
    fields = {name: getattr(line, name) for name in ("event", "store", *extra)}
    assert fields == {"event": event, "store": store, **extra}
    assert getattr(line, "fingerprint", None) == said["fingerprint"]
    json.dumps([fields, said])  # as a JSON log line
    return said


# --- Each event -----------------------------------------------------------------------------------


@pytest.fixture
def before() -> dict[str, int]:
    """Return the counters before the test."""
    return events.counters()


def counted(before: dict[str, int]) -> dict[str, int]:
    """Return what was counted since."""
    now = events.counters()
    return {event: now[event] - before[event] for event in now if now[event] != before[event]}


def test_a_session_is_created_rotated_and_ended(
    store: MakeSession, engine: str, heard: Heard, before: dict[str, int]
) -> None:
    session: Any = store()
    session.update({SESSION_KEY: "7", "secret": "of a visitor"})
    session.save()
    created = told(heard, "created", engine)
    assert counted(before) == {"created": 1}
    session = store(session.session_key)
    session.cycle_key()
    session.save()
    rotated = told(heard, "rotated", engine, kind="identity")
    session = store(session.session_key)
    session.flush()
    ended = told(heard, "ended", engine)
    assert counted(before) == {"created": 1, "rotated": 1, "ended": 1}
    # The new name is the one that rotation tells, so the two halves can be joined.
    assert rotated["fingerprint"] == ended["fingerprint"] != created["fingerprint"]


@engines("db", "cached_db", "file", "signed_cookies")
def test_an_expired_session(
    store: MakeSession, engine: str, heard: Heard, before: dict[str, int]
) -> None:
    session: Any = store()
    session["n"] = 1
    session.set_expiry(-1)
    session.save()
    assert store(session.session_key).get("n") is None
    expired = told(heard, "expired", engine)
    assert counted(before) == {"created": 1, "expired": 1}
    assert expired["fingerprint"] == heard.of("created")[0]["fingerprint"]


def test_a_refused_cookie(
    store: MakeSession, engine: str, heard: Heard, before: dict[str, int]
) -> None:
    browser = Browser()
    browser.client.cookies[COOKIE] = "not a key of this site"
    browser.get("/read")
    assert told(heard, "refused_cookie", engine)["fingerprint"] is None
    assert counted(before) == {"refused_cookie": 1}


def test_two_cookies_of_one_name(
    store: MakeSession, engine: str, heard: Heard, before: dict[str, int]
) -> None:
    one = f"{COOKIE}={'a' * 32}"
    Browser().client.get("/read", headers={"Cookie": f"{one}; {one}"}, secure=True)
    told(heard, "refused_cookie", "middleware", reason="sent twice")
    assert counted(before) == {"refused_cookie": 1}


@engines(*ON_SERVER)
@pytest.mark.parametrize("strict", [False, True])
def test_a_conflict_names_the_keys_and_not_the_values(
    store: MakeSession,
    engine: str,
    heard: Heard,
    before: dict[str, int],
    options: Callable[..., None],
    strict: bool,
) -> None:
    options(CONFLICTS="strict" if strict else "merge")
    session: Any = store()
    session["n"] = 1
    session.save()
    first, second = store(session.session_key), store(session.session_key)
    first["n"], second["n"] = "one's value", "other's value"
    first.save()
    if strict:
        with pytest.raises(SessionConflictError):
            second.save()
    else:
        second.save()
    told(heard, "conflict", engine, keys=["n"])
    assert counted(before) == {"created": 1, "conflict": 1}
    assert "value" not in heard.everything()


def until(true: Callable[[], Any]) -> None:
    """Wait until it is true, for as long as any machine may need."""
    for _ in range(400):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it never came true")


@engines("cache")
def test_a_store_that_is_gone_and_comes_back(
    store: MakeSession, heard: Heard, before: dict[str, int], redis_server: RedisServer
) -> None:
    session: Any = store()
    session["n"] = 1
    session.save()
    browser = Browser()
    browser.client.cookies[COOKIE] = session.session_key
    redis_server.kill()
    try:
        assert browser.get("/read").status_code == 503
    finally:
        redis_server.start()
    (said,) = heard.of("unavailable")
    told(heard, "unavailable", "cache", reason=said["reason"])
    opened = told(heard, "breaker_opened", "redis", reason="ConnectionError")
    assert opened["fingerprint"] is None
    until(lambda: heard.lines("breaker_closed"))
    told(heard, "breaker_closed", "redis")
    assert counted(before) == {
        "created": 1,
        "unavailable": 1,
        "breaker_opened": 1,
        "breaker_closed": 1,
    }
    assert session.session_key not in heard.everything()
    assert hashed(session.session_key) not in heard.everything()


def test_every_event_is_among_the_counters(store: MakeSession) -> None:
    assert set(events.counters()) == set(events.SIGNALS)
    assert all(getattr(events, event) is signal for event, (signal, _) in events.SIGNALS.items())


def test_events_are_counted_where_nobody_listens(
    store: MakeSession, before: dict[str, int]
) -> None:
    logger = logging.getLogger("hardened_sessions")
    logger.setLevel(logging.CRITICAL)
    try:
        session = store()
        session["n"] = 1
        session.save()
    finally:
        logger.setLevel(logging.NOTSET)
    assert counted(before) == {"created": 1}


# --- No key ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("keys", ["hash", "read"])
def test_no_key_is_told_to_anybody_in_the_life_of_a_session(
    browser: Browser, heard: Heard, options: Callable[..., None], keys: str
) -> None:
    options(KEYS=keys)
    known = {browser.cookie}
    for path in ("/write", "/sign_in", "/write", "/new_password?password=other", "/sign_in"):
        browser.get(path)
        known.add(browser.cookie)
        late = Browser()
        for key in list(known):  # requests that were under way
            late.client.cookies[COOKIE] = key
            late.get("/read")
    browser.get("/sign_out")
    for key in known:
        browser.client.cookies[COOKIE] = key
        browser.get("/read")
    assert len(known) > 3
    assert heard.of("rotated")
    assert heard.of("ended")
    everything = heard.everything()
    assert not [key for key in known if key in everything or hashed(key) in everything]


@pytest.mark.parametrize("engine", ON_SERVER)
def test_a_fingerprint_is_salted_and_one_session_has_one(
    store: MakeSession, heard: Heard, settings: Settings, options: Callable[..., None]
) -> None:
    options(KEYS="read")
    session: Any = store()
    session["n"] = 1
    session.save()
    key = session.session_key
    options(**FOUND)
    other = store()
    other["n"] = 1
    other.save()
    store(key).delete()
    mine, others = [said["fingerprint"] for said in heard.of("created")]
    assert [said["fingerprint"] for said in heard.of("ended")] == [mine]
    assert mine != others
    assert len(mine) == 16
    assert not hashed(key).startswith(mine[:8])
    settings.SECRET_KEY = "another-" * 8
    assert events.fingerprint(hashed(key)) != mine


# --- Receivers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_a_receiver_that_fails_harms_nobody(store: MakeSession, browser: Browser) -> None:
    called: list[str] = []

    def fail(sender: object, **said: Any) -> None:
        called.append("fails")
        raise RuntimeError("a receiver's own mistake")

    def hear(sender: object, **said: Any) -> None:
        called.append("hears")

    signals = [signal for signal, _ in events.SIGNALS.values()]
    for signal in signals:
        signal.connect(fail)
        signal.connect(hear)
    try:
        assert browser.get("/write").content == b"2"
        assert browser.get("/sign_in").status_code == 200
        assert browser.get("/read").content == b"2"
        assert browser.get("/sign_out").status_code == 200
        assert Browser().get("/write").content == b"1"
    finally:
        for signal in signals:
            signal.disconnect(fail)
            signal.disconnect(hear)
    assert called.count("fails") == called.count("hears") >= 3
