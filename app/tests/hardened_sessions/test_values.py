"""What the stores hold: JSON of one session each, that nobody can change, move or, sealed, read."""

import base64
import json
import logging
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.contrib.sessions.serializers import JSONSerializer
from django.core import signing
from django.core.management import call_command
from django.db import connection
from django.views.debug import SafeExceptionReporterFilter
from pytest_django import Settings

from hardened_sessions.conf import options as layer_options
from hardened_sessions.errors import SessionUnavailableError
from hardened_sessions.format import codec, encryption
from hardened_sessions.format.keys import hashed
from tests.hardened_sessions.conftest import (
    COOKIE,
    ENGINES,
    FOUND,
    ON_SERVER,
    PACKAGES,
    Browser,
    MakeSession,
    engines,
    forget,
    layers,
    rows,
)
from tests.servers import RedisServer

SERVER_SIDE = engines(*ON_SERVER)
KEYS = ("a1" * 32, "b2" * 32, "c3" * 32)
CARD = "4111-1111-1111-1111"


class Place:
    """Where an engine keeps the bytes of one session."""

    def __init__(self, engine: str, redis_server: RedisServer, settings: Settings) -> None:
        self.engine = engine
        self.redis: Any = redis_server.client()
        self.settings = settings

    def path(self, name: str) -> Path:
        return Path(self.settings.SESSION_FILE_PATH) / f"{COOKIE}{name}"

    def read(self, name: str) -> bytes:
        """Return the bytes under a name."""
        if self.engine == "db":
            return rows()[name].encode()
        if self.engine == "file":
            return self.path(name).read_bytes()
        value: bytes = self.redis.get(f"session:{name}")
        return value

    def write(self, name: str, value: bytes) -> None:
        """Put bytes there, as somebody could who has broken into the store."""
        if self.engine == "db":
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE django_session SET session_data = %s WHERE session_key = %s",
                    [value.decode("latin-1"), name],
                )
        elif self.engine == "file":
            self.path(name).write_bytes(value)
        else:
            self.redis.set(f"session:{name}", value)


@pytest.fixture
def place(engine: str, redis_server: RedisServer, settings: Settings) -> Iterator[Place]:
    place = Place(engine, redis_server, settings)
    yield place
    place.redis.close()


def saved(store: MakeSession, **data: Any) -> Any:
    """Return a saved session, copied where the engine copies."""
    session: Any = store()
    session.update(data)
    session.save()
    store(session.session_key).load()
    return session


# --- JSON -----------------------------------------------------------------------------------------


@engines("cache", "file")
def test_a_value_is_json_behind_its_seal(store: MakeSession, place: Place) -> None:
    session = saved(store, n=[1, {"a": None}])
    form, _, version, expires, notes, body = place.read(hashed(session.session_key)).split(b"|", 5)
    assert (form, version, notes) == (b"s1", b"1", b"")
    assert int(expires) > 0
    assert json.loads(body) == {"n": [1, {"a": None}]}


@engines("cached_db")
def test_a_copy_is_the_rows_own_text_behind_its_seal(store: MakeSession, place: Place) -> None:
    session = saved(store, n=1)
    name = hashed(session.session_key)
    assert place.read(name).split(b"|", 5)[5].decode() == rows()[name]


ROW_NAME = hashed("a" * 32)


@pytest.mark.parametrize(
    ("told", "found"),
    [
        pytest.param(f"7,2000000000,{ROW_NAME[: codec.BOUND_DIGITS]}", True, id="its own name"),
        pytest.param(f"7,2000000000,{hashed('b' * 32)[: codec.BOUND_DIGITS]}", False, id="another"),
        pytest.param(f"7,2000000000,{ROW_NAME[: codec.BOUND_DIGITS - 1]}", False, id="too little"),
        pytest.param("7,2000000000,", False, id="no name"),
        pytest.param("7,soon,", False, id="no number"),
        pytest.param("7", False, id="too few parts"),
        pytest.param([7], False, id="no text"),
    ],
)
def test_a_row_that_says_whose_it_is_is_nobody_elses(told: object, found: bool) -> None:
    text = signing.dumps({codec.META: told, "n": 1}, salt=codec.SALT)
    stored = codec.decode_row(ROW_NAME, text, 0.0, JSONSerializer())
    assert (stored is not None) == found
    if stored is not None:
        assert (stored.version, stored.expires, stored.data) == (7, 2_000_000_000, {"n": 1})


PICKLED = pytest.mark.xfail(strict=True, reason="the cache pickles what the session's can't hold")


@pytest.mark.parametrize(
    ("layer", "engine"),
    [
        pytest.param("stock", "cache", marks=PICKLED),
        *(("hardened", engine) for engine in ON_SERVER),
    ],
)
def test_what_json_can_not_hold_is_refused_by_every_engine(store: MakeSession) -> None:
    session: Any = store()
    session["when"] = object
    with pytest.raises(TypeError):
        session.save()


@engines("db", "cached_db")
def test_a_row_says_the_same_to_djangos_own_model(store: MakeSession) -> None:
    session = saved(store, n=1, nested={"a": [1, 2]})
    decoded = Session.objects.get(pk=hashed(session.session_key)).get_decoded()
    assert {name: decoded[name] for name in ("n", "nested")} == {"n": 1, "nested": {"a": [1, 2]}}


@pytest.mark.parametrize("name", [codec.META, codec.POINTER, codec.CIPHERTEXT])
@pytest.mark.parametrize("encrypted", [False, True])
def test_no_application_can_pass_its_data_for_the_layers_own(
    store: MakeSession, options: Callable[..., None], name: str, encrypted: bool
) -> None:
    options(ENCRYPTION_KEYS=KEYS[:1] if encrypted else ())
    session: Any = store()
    session[name] = ["key", "f" * 40, [None, None]]
    with pytest.raises(ValueError, match=f"{name} are the session layer's own"):
        session.save()


class Reversed:
    """A serializer of the project's own."""

    def dumps(self, obj: Any) -> bytes:
        return json.dumps(obj).encode()[::-1]

    def loads(self, data: bytes) -> Any:
        return json.loads(data[::-1])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_serializer_of_the_projects_own_is_used_everywhere(
    store: MakeSession, settings: Settings
) -> None:
    settings.SESSION_SERIALIZER = f"{__name__}.Reversed"
    session = saved(store, n=1)
    assert store(session.session_key)["n"] == 1


@engines("db", "cached_db", "file")
def test_what_another_serializer_wrote_is_no_session_and_no_server_error(
    store: MakeSession, settings: Settings, engine: str, options: Callable[..., None]
) -> None:
    options(**FOUND)
    settings.SESSION_SERIALIZER = f"{__name__}.Reversed"
    old = saved(import_module(f"{PACKAGES['stock']}.{engine}").SessionStore, n=1)
    settings.SESSION_SERIALIZER = "django.contrib.sessions.serializers.JSONSerializer"
    assert store(old.session_key).get("n") is None


# --- Nobody else's, and unchanged -----------------------------------------------------------------


def damaged(value: bytes) -> Iterator[bytes]:
    """Return the value with each byte changed, cut at each length, and longer."""
    for position in range(len(value)):
        yield value[:position] + bytes([value[position] ^ 1]) + value[position + 1 :]
        yield value[:position]
    yield value + b"0"
    yield value + b"\n"


@SERVER_SIDE
def test_a_value_that_was_tampered_with_is_no_session(
    store: MakeSession, place: Place, engine: str
) -> None:
    session = saved(store, n=1)
    name = hashed(session.session_key)
    value = place.read(name)
    # A bad copy is no copy: the row is read, and says what it said.
    wanted = 1 if engine == "cached_db" else None
    for other in damaged(value):
        place.write(name, other)
        assert store(session.session_key).get("n") == wanted, other
    place.write(name, value)
    assert store(session.session_key)["n"] == 1


@engines("signed_cookies")
def test_a_cookie_that_was_tampered_with_is_no_session(store: MakeSession) -> None:
    value = saved(store, n=1).session_key
    for other in damaged(value.encode()):
        assert store(other.decode()).get("n") is None, other
    assert store(value)["n"] == 1


def move(source: str, target: str, redis_server: RedisServer, settings: Settings) -> None:
    """Put the source's stored value under the target's name, wherever it lies, as a thief would."""
    pairs = ((source, target), (hashed(source), hashed(target)))
    with redis_server.client() as client:
        for key in client.keys("*"):
            for old, new in pairs:
                if old.encode() in key:
                    client.set(key.replace(old.encode(), new.encode()), client.get(key))
    with connection.cursor() as cursor:
        for old, new in pairs:
            cursor.execute(
                "UPDATE django_session SET session_data = "
                "(SELECT session_data FROM django_session WHERE session_key = %s) "
                "WHERE session_key = %s",
                [old, new],
            )
    for path in Path(settings.SESSION_FILE_PATH).iterdir():
        for old, new in pairs:
            if path.name.endswith(old):
                path.with_name(path.name.replace(old, new)).write_bytes(path.read_bytes())
    forget()


@layers(stock="the signature names no key")
@SERVER_SIDE
def test_another_sessions_value_is_no_session(
    store: MakeSession, engine: str, layer: str, redis_server: RedisServer, settings: Settings
) -> None:
    victim, attacker = saved(store, who="victim"), saved(store, who="attacker")
    move(victim.session_key, attacker.session_key, redis_server, settings)
    assert store(attacker.session_key).get("who") != "victim"
    assert store(victim.session_key)["who"] == "victim"


@engines("cached_db")
def test_another_sessions_copy_is_no_copy(store: MakeSession, place: Place) -> None:
    victim, attacker = saved(store, who="victim"), saved(store, who="attacker")
    place.write(hashed(attacker.session_key), place.read(hashed(victim.session_key)))
    assert store(attacker.session_key)["who"] == "attacker"


@engines("cached_db")
def test_a_row_does_not_pass_for_a_copy(store: MakeSession, place: Place) -> None:
    session = saved(store, n=1)
    name = hashed(session.session_key)
    place.write(name, rows()[name].encode())
    assert store(session.session_key)["n"] == 1


@pytest.mark.parametrize(("engine", "former"), [("cache", "cached_db"), ("cached_db", "cache")])
def test_what_the_other_engine_left_in_redis_is_no_session_and_no_server_error(
    store: MakeSession, former: str
) -> None:
    old = saved(import_module(f"{PACKAGES['hardened']}.{former}").SessionStore, n=1)
    browser = Browser()
    browser.client.cookies[COOKIE] = old.session_key
    assert browser.get("/write").content == b"1"
    assert browser.get("/write").content == b"2"
    assert browser.cookie != old.session_key


# --- Encryption at rest ---------------------------------------------------------------------------


def texts(value: str) -> Iterator[str]:
    """Return what anybody can make of a stored value: itself, and what its parts decode to."""
    yield value
    for part in value.replace("|", ":").replace('"', ":").split(":"):
        for candidate in (part, part.lstrip(".")):
            try:
                raw = base64.urlsafe_b64decode(candidate + "=" * (-len(candidate) % 4))
            except ValueError:
                continue
            yield raw.decode("latin-1")
            try:
                inner = zlib.decompress(raw).decode("latin-1")
            except zlib.error:
                continue
            yield inner
            if inner != value:
                yield from texts(inner)


def stored_texts(store_key: str, redis_server: RedisServer, settings: Settings) -> list[str]:
    """Return all that can be read in any store, and in the cookie."""
    with redis_server.client() as client:
        values = [client.get(key).decode("latin-1") for key in client.keys("*")]
    values += rows().values()
    values += [
        path.read_text("latin-1")
        for path in Path(settings.SESSION_FILE_PATH).iterdir()
        if path.is_file()
    ]
    return [text for value in [*values, store_key] for text in texts(value)]


@pytest.mark.parametrize("encrypted", [False, True])
def test_encrypted_no_store_shows_what_a_session_holds(
    store: MakeSession,
    options: Callable[..., None],
    redis_server: RedisServer,
    settings: Settings,
    encrypted: bool,
) -> None:
    options(ENCRYPTION_KEYS=KEYS[:1] if encrypted else ())
    session = saved(store, card=CARD, padding="x" * 200)
    session["more"] = 1
    session.save()
    session.cycle_key()
    session.save()
    reopened = store(session.session_key)
    assert (reopened["card"], reopened["more"]) == (CARD, 1)
    shown = [
        text
        for text in stored_texts(session.session_key, redis_server, settings)
        if CARD in text or "card" in text
    ]
    assert bool(shown) is not encrypted  # in clear it is found, so the test can see


@SERVER_SIDE
def test_one_value_is_encrypted_differently_each_time(
    store: MakeSession, options: Callable[..., None], place: Place
) -> None:
    options(ENCRYPTION_KEYS=KEYS[:1])
    one, two = saved(store, card=CARD), saved(store, card=CARD)
    assert place.read(hashed(one.session_key)) != place.read(hashed(two.session_key))


def test_a_ciphertext_is_tied_to_its_session_apart_from_any_signature(
    options: Callable[..., None],
) -> None:
    options(ENCRYPTION_KEYS=KEYS[:1])
    sealed = encryption.encrypt("f" * 40, b"{}")
    assert encryption.decrypt("f" * 40, sealed) == b"{}"
    assert encryption.decrypt("e" * 40, sealed) is None


@pytest.mark.parametrize("kind", [tuple, list])
def test_keys_rotate_by_list(
    store: MakeSession, options: Callable[..., None], kind: Callable[..., Any]
) -> None:
    options(ENCRYPTION_KEYS=kind(KEYS[:1]))
    session = saved(store, n=1)
    options(ENCRYPTION_KEYS=kind(KEYS[1::-1]))  # the new one first, the former one behind it
    session = store(session.session_key)
    assert session["n"] == 1
    session["n"] = 2
    session.save()
    options(ENCRYPTION_KEYS=kind(KEYS[1:2]))
    forget()
    assert store(session.session_key)["n"] == 2


def test_sessions_from_before_encryption_are_encrypted_by_their_next_save(
    store: MakeSession,
    options: Callable[..., None],
    redis_server: RedisServer,
    settings: Settings,
) -> None:
    key = saved(store, card=CARD).session_key
    options(ENCRYPTION_KEYS=KEYS[:1])
    session: Any = store(key)
    assert session["card"] == CARD
    session["n"] = 1
    session.save()
    found = stored_texts(session.session_key, redis_server, settings)
    assert not [text for text in found if CARD in text]


WRONG = [(KEYS[1],), (KEYS[1], KEYS[2]), ()]


@pytest.mark.parametrize("wrong", WRONG, ids=["another key", "other keys", "no key"])
def test_a_session_that_no_key_opens_is_unavailable_and_found_again_with_its_key(
    store: MakeSession,
    options: Callable[..., None],
    wrong: tuple[str, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    options(ENCRYPTION_KEYS=KEYS[:1])
    session = saved(store, n=1, card=CARD)
    options(ENCRYPTION_KEYS=wrong)
    browser = Browser()
    browser.client.cookies[COOKIE] = session.session_key
    with caplog.at_level(logging.DEBUG):
        answers = [browser.get(path) for path in ("/read", "/write", "/sign_out", "/greeting")]
    assert [answer.status_code for answer in answers] == [503] * 4
    assert not any(answer.cookies for answer in answers)
    # It is said what is missing, and nothing that is secret.
    assert "HARDENED_SESSIONS['ENCRYPTION_KEYS']" in json.dumps(
        [getattr(record, "reason", "") for record in caplog.records]
    )
    told = repr([vars(record) for record in caplog.records]) + repr(answers)
    assert not [secret for secret in (*KEYS, CARD, session.session_key) if secret in told]
    options(ENCRYPTION_KEYS=KEYS[:1])
    assert browser.get("/read").content == b"1"
    assert store(session.session_key)["card"] == CARD


@SERVER_SIDE
def test_a_session_that_no_key_opens_can_be_ended_and_expires(
    store: MakeSession, options: Callable[..., None]
) -> None:
    options(ENCRYPTION_KEYS=KEYS[:1])
    ended, expired = saved(store, n=1), store()
    expired["n"] = 1
    expired.set_expiry(-1000)
    expired.save()
    options(ENCRYPTION_KEYS=KEYS[1:2])
    store(ended.session_key).delete()
    assert store(ended.session_key).get("n") is None
    assert store(expired.session_key).get("n") is None
    call_command("clearsessions", verbosity=0)
    assert not rows()


@engines("signed_cookies")
def test_a_cookie_that_no_key_opens_expires(
    store: MakeSession, options: Callable[..., None]
) -> None:
    options(ENCRYPTION_KEYS=KEYS[:1])
    session: Any = store()
    session["n"] = 1
    session.set_expiry(-1)
    session.save()
    options(ENCRYPTION_KEYS=KEYS[1:2])
    assert store(session.session_key).get("n") is None


@engines("cached_db")
def test_a_worker_without_the_new_key_serves_no_copy_and_harms_none(
    store: MakeSession, options: Callable[..., None]
) -> None:
    options(ENCRYPTION_KEYS=KEYS[1::-1])
    session = saved(store, n=1)
    options(ENCRYPTION_KEYS=KEYS[:1])  # a worker that was not restarted yet
    with pytest.raises(SessionUnavailableError):
        store(session.session_key).load()
    options(ENCRYPTION_KEYS=KEYS[1::-1])
    assert store(session.session_key)["n"] == 1


@engines("db", "cached_db")
def test_rows_that_were_encrypted_under_their_key_are_opened_under_its_hash(
    store: MakeSession, options: Callable[..., None]
) -> None:
    options(KEYS="read", ENCRYPTION_KEYS=KEYS[:1])
    session = saved(store, n=1)
    options(KEYS="hash")
    call_command("rehash_sessions", verbosity=0)
    assert store(session.session_key)["n"] == 1
    assert list(rows()) == [hashed(session.session_key)]


def test_neither_settings_nor_errors_show_a_key(options: Callable[..., None]) -> None:
    options(ENCRYPTION_KEYS=KEYS)
    assert not [key for key in KEYS if key in repr(layer_options())]
    shown = repr(SafeExceptionReporterFilter().get_safe_settings()["HARDENED_SESSIONS"])
    assert not [key for key in KEYS if key in shown]
