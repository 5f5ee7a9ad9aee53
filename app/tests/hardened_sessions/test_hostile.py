"""Whatever lies in a store is a session, or none with a log line: never a server error.

The examples are drawn anew in each run but for CI, where they are always the same.
"""

import json
import os
import pickle
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core import signing
from django.db import connection
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from hardened_sessions import events
from hardened_sessions.format import codec, cookie, django_cache, plain_pickle
from hardened_sessions.format.keys import hashed
from hardened_sessions.format.seal import seal
from tests.hardened_sessions.conftest import COOKIE, ENGINES, FOUND, ON_SERVER, MakeSession, engines
from tests.servers import RedisServer

drawn = settings(
    max_examples=int(os.environ.get("EXAMPLES", "40")),
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

KEY = "a1b2c3d4" * 4
SOON = 2_000_000_000

type Plant = Callable[[bytes, bool], None]


@pytest.fixture
def plant(
    store: MakeSession,
    engine: str,
    redis_server: RedisServer,
    settings: Settings,
    options: Callable[..., None],
) -> Iterator[Plant]:
    """Return what puts bytes where a session with `KEY` would lie, in either form."""
    options(**FOUND)
    with redis_server.client() as redis:

        def put(value: bytes, djangos: bool) -> None:
            name = KEY if djangos else hashed(KEY)
            if engine == "db":
                with connection.cursor() as cursor:
                    cursor.execute("DELETE FROM django_session")
                    text = value.decode("latin-1").replace("\0", "")  # which Postgres refuses
                    cursor.execute(
                        "INSERT INTO django_session VALUES (%s, %s, %s)",
                        [name, text, timezone.now() + timedelta(days=1)],
                    )
            elif engine == "file":
                (Path(settings.SESSION_FILE_PATH) / f"{COOKIE}{name}").write_bytes(value)
            else:  # in cached_db that is the copy
                redis.set(django_cache.redis_key(KEY) if djangos else f"session:{name}", value)

        yield put


def visit(cookie: str = KEY, most: int = 499) -> tuple[bytes, int]:
    """Return what pages say to the cookie, with a status up to that, and how much they refused."""
    before = events.counters()
    client = Client(raise_request_exception=False)
    client.cookies[COOKIE] = cookie
    answers = [client.get(path, secure=True) for path in ("/who", "/greeting", "/write")]
    for answer in answers:
        assert answer.status_code <= most, answer.content
    after = events.counters()
    names = ("refused_value", "refused_cookie")
    return b" ".join(each.content for each in answers), sum(after[n] - before[n] for n in names)


NOBODY = b"nobody nobody 1"

# --- Bytes that nobody signed ---------------------------------------------------------------------


def nested(levels: int) -> bytes:
    """Return JSON of so many lists, one in the other."""
    return b'{"a": ' + b"[" * levels + b"]" * levels + b"}"


def shared(item: bytes) -> bytes:
    """Return a pickle of two to the power of 40 parts in 350 bytes, in an item of an object."""
    level = b"".join(b"h%ch%c\x86q%c" % (level, level, level + 1) for level in range(40))
    return b"\x80\x04)q\x00" + level + b"}" + item + b"s."


RECURSIVE: dict[str, Any] = {}
RECURSIVE["a"] = RECURSIVE
USER = {SESSION_KEY: "1", BACKEND_SESSION_KEY: "b", HASH_SESSION_KEY: "h"}

REFUSED = {
    "a bomb of zlib": zlib.compress(b'{"a": "' + b"a" * 60_000_000),
    "a stream that is cut off": zlib.compress(b'{"a": 1}')[:-6],
    "no stream": b"x" * 100,
    "a large value": b'{"a": "' + b"a" * (django_cache.LARGEST + 1) + b'"}',
    "many parts": json.dumps({"a": [0] * (django_cache.MOST + 1)}).encode(),
    "a pickle of many parts": b"(" + b"N" * plain_pickle.MOST + b"l.",
    "nesting that JSON takes": nested(django_cache.DEEPEST + 1),
    "nesting that JSON refuses": nested(100_000),
    "a dict in itself": pickle.dumps(RECURSIVE),
    "tuples that share": shared(b"X\x01\x00\x00\x00ah\x28"),
    "a key of tuples that share": shared(b"h\x28N"),
    "a text that is longer than it is": b"\x80\x04\x8d" + b"\xff" * 7 + b"\x0f.",
    "a number too long": b'{"a": 1' + b"0" * 5000 + b"}",
    "a number rather long": b'{"a": 1' + b"0" * 4000 + b"}",
    "half of a character": b'{"a": "\\ud800"}',
    "half of a key": b'{"\\ud800": 1}',
    "a set": pickle.dumps({"a": {1}}),
    "bytes": pickle.dumps({"a": b"1"}),
    "a key that is bytes": pickle.dumps({b"a": 1}),
    "a key that is a tuple": pickle.dumps({(1,): 1}),
    "no object": b"[1]",
    "a number": b"1",
    "nothing": b"",
    "an append to no list": b"K\x01K\x02a.",
    "an item of no object": b"]K\x01K\x02s.",
    "a build": b"}}b.",
    "an extension": b"\x82\x01.",
    "a persistent id": b"Pa\n.",
    "an instance": b"(ios\nsystem\n.",
    "a pop of nothing": b"0.",
    "no stop": b"}",
    "a user that is an object": json.dumps({**USER, SESSION_KEY: {"a": 1}}).encode(),
    "a user that is a list": json.dumps({**USER, SESSION_KEY: ["1"]}).encode(),
    "a user that is true": json.dumps({**USER, SESSION_KEY: True}).encode(),
    "a user that is no number": json.dumps({**USER, SESSION_KEY: "ada"}).encode(),
    "a user that is half of a character": b'{"_auth_user_id": "\\ud800"}',
    "a backend that is a list": json.dumps({**USER, BACKEND_SESSION_KEY: ["b"]}).encode(),
    "a hash that is an object": json.dumps({**USER, HASH_SESSION_KEY: {}}).encode(),
    "an expiry that is a word": b'{"_session_expiry": "soon"}',
    "an expiry that is empty": b'{"_session_expiry": ""}',
    "an expiry without a zone": b'{"_session_expiry": "2030-01-01T00:00:00"}',
    "an expiry that is a list": b'{"_session_expiry": [1]}',
    "an expiry without end": b'{"_session_expiry": Infinity}',
    "an expiry that is none": b'{"_session_expiry": NaN}',
    "an expiry of ages": b'{"_session_expiry": 1' + b"0" * 20 + b"}",
}


@pytest.mark.parametrize("case", REFUSED)
@engines("cache")
def test_in_redis_a_value_that_nobody_signed_costs_little_and_is_no_session(
    plant: Plant, case: str
) -> None:
    plant(REFUSED[case], True)
    assert visit() == (NOBODY, 1)  # the answer to the first visit deletes the cookie


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_of_plain_values_is_what_its_json_would_be(protocol: int) -> None:
    one = ["x", 1.5]
    data: dict[Any, Any] = {
        "a": [1, -(2**40), 2**600, True, None, "ä" * 300, one, one],
        5: (1, 2, 3, 4),
        "b": {},
    }
    data |= {"t": [(), (1,), (1, 2), (1, 2, 3)], "many": list(range(3000)), "_messages": "[]"}
    wanted = {name: value for name, value in json.loads(json.dumps(data)).items() if name[0] != "_"}
    assert django_cache.loads(pickle.dumps(data, protocol)) == (wanted, "")
    assert django_cache.loads(zlib.compress(json.dumps(data).encode())) == (wanted, "")


def test_a_pickle_makes_room_for_no_more_than_it_holds() -> None:
    assert django_cache.loads(b"\x80\x04}r\xff\xff\xff\x7f.") == ({}, "")


# --- Anything, everywhere -------------------------------------------------------------------------

SPECIAL = [*USER, "_session_expiry", "n", codec.META, codec.POINTER, codec.CIPHERTEXT, codec.MARK]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(SPECIAL) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(SPECIAL) | st.text(max_size=3), JSON, max_size=5)
PARTS: list[Any] = ["key", "identity", "f" * 40, None, {}, 5, [None, None]]
POINTERS = st.lists(st.sampled_from(PARTS))
METAS = st.lists(JSON, max_size=5) | st.sampled_from(["1", "1,2", f"1,{SOON},{hashed(KEY)[:16]}"])
FORGED = st.builds(
    lambda data, special: {**data, **special},
    OBJECTS.map(lambda data: {**data, "n": 0} if isinstance(data.get("n"), str) else data),
    st.fixed_dictionaries({}, optional={codec.POINTER: POINTERS, codec.META: METAS}),
)
OPCODES = st.lists(
    st.sampled_from([bytes([code]) for code in b"}])(tauesNK\x01.0\x94\x85\x86\x87q\x00h\x00X2bR"])
    | st.binary(max_size=4),
    max_size=24,
).map(b"".join)


def usable(value: Any) -> bool:
    """Return whether the site's own key holds what the site writes there, as it must."""
    return not isinstance(value, dict) or isinstance(value.get("n", 0), int | float)


BYTES = (
    st.binary(max_size=64)
    | OPCODES
    | OPCODES.map(lambda code: code + b".")
    | JSON.map(lambda value: pickle.dumps(value))
    | st.one_of(JSON, OBJECTS).filter(usable).map(lambda value: json.dumps(value).encode())
)
BYTES |= BYTES.map(zlib.compress)


@engines(*ON_SERVER)
@pytest.mark.parametrize("djangos", [True, False])
@drawn
@given(value=BYTES)
def test_whatever_bytes_lie_in_a_store_no_page_fails(
    plant: Plant, djangos: bool, value: bytes
) -> None:
    try:
        if not usable(django_cache.loads(value)[0]):
            return
    except Exception:  # noqa: BLE001 - which is what the page is about to say
        pass
    plant(value, djangos)
    said, _ = visit()
    assert said.startswith(b"nobody nobody ")


@engines(*ENGINES)
@pytest.mark.parametrize("djangos", [True, False])
@drawn
@given(kept=JSON | FORGED)
def test_whatever_an_authentic_value_says_no_page_fails(
    plant: Plant, engine: str, djangos: bool, kept: Any
) -> None:
    if not usable(kept):
        return
    try:
        body = json.dumps(kept)
        body.encode()
    except UnicodeEncodeError:
        return
    # What another key encrypted is unavailable, and a former key asks for patience.
    waits = isinstance(kept, dict) and {codec.CIPHERTEXT, codec.POINTER} & kept.keys()
    most = 503 if waits else 499
    if engine == "signed_cookies":
        visit(signing.dumps(kept, salt=cookie.SALT), most)
        return
    value = signing.dumps(kept, salt=codec.SALT, compress=len(body) % 2 == 0).encode()
    if engine == "cached_db":
        value = seal(hashed(KEY), 1, SOON, value, b"%d,0,0" % time.time())
    elif engine == "cache" or (engine == "file" and not djangos):
        value = body.encode() if djangos else seal(hashed(KEY), 1, SOON, body.encode())
    plant(value, djangos)
    visit(most=most)


@engines("cache")
def test_what_refuses_a_value_is_logged_without_it(
    plant: Plant, caplog: pytest.LogCaptureFixture
) -> None:
    plant(b"secret", False)
    visit()
    record = next(each for each in caplog.records if each.event == "refused_value")  # type: ignore[attr-defined]
    assert (record.store, record.reason) == ("redis", "its seal does not hold")  # type: ignore[attr-defined]
    assert "secret" not in str(vars(record))
