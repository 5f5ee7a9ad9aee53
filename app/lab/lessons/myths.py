"""What tutorials get wrong, each with code that shows how it is.

A proof runs when a visitor asks for it, in this process, with sessions of its own that it ends.
"""

import base64
import inspect
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

from django.conf import settings
from django.contrib.sessions.backends import db, file, signed_cookies
from django.contrib.sessions.backends.cache import KEY_PREFIX
from django.contrib.sessions.models import Session
from django.core import signing
from django_redis import get_redis_connection
from django_redis.serializers.json import JSONSerializer
from redis.exceptions import ResponseError

from lab import facts
from lab.lessons import middleware
from session_stack.layers import layer as session_layer
from session_stack.layers import session_class


def files() -> str:
    with tempfile.TemporaryDirectory() as folder:
        store = type("Store", (file.SessionStore,), {"_storage_path": folder})()
        store["cart"] = ["apple"]
        store.save()
        (path,) = Path(folder).iterdir()
        return f"{path.name.replace(store.session_key, 'KEY')} holds {path.read_text()[:24]}…"


def redis() -> str:
    value = JSONSerializer({}).dumps({"cart": ["apple"]})
    return f"{KEY_PREFIX}KEY holds {value.decode()}"


def keys() -> str:
    if settings.SESSION_CACHE_ALIAS not in settings.CACHES:
        return "no Redis runs with this engine: start --profile redis, and see By hand"
    try:
        get_redis_connection(settings.SESSION_CACHE_ALIAS).keys("nobody:*")
    except ResponseError as error:
        return str(error)
    return "this Redis lets the app walk everybody’s keys"


def encrypted() -> str:
    cookie = signing.dumps({"cart": ["apple"]}, key="nobody needs it", salt="lab.myths")
    part = cookie.partition(":")[0]
    return f"without any key: {base64.urlsafe_b64decode(part + '===').decode()}"


def truncated() -> str:
    store = signed_cookies.SessionStore()
    store["letters"] = [str(number) for number in range(4000)]
    store.save()
    size = len(store.session_key or "")
    return f"Django made a cookie of {size} bytes, whole: it is the browser that drops it"


def order() -> str:
    return middleware.travel(middleware.wrong_order(), {}).error


def as_safe_as_rows() -> str:
    after = {True: "still signed in", False: "signed out"}
    return ", ".join(
        f"{engine}: {after[bool(facts.answer('Redis emptied', engine))]}"
        for engine in settings.ENGINES
        if "redis" in session_layer().stores(session_class(engine))
    )


def ends_on_the_server() -> str:
    ends = facts.recorded("stock")["ends on the server"]
    return ", ".join(f"{engine}: {'yes' if yes else 'no'}" for engine, yes in ends.items())


def reading_renews() -> str:
    store = db.SessionStore()
    store["cart"] = ["apple"]
    store.save()
    try:
        row = Session.objects.filter(session_key=store.session_key)
        before = row.get().expire_date
        db.SessionStore(store.session_key)["cart"]
        return f"the row’s end moved: {row.get().expire_date != before}"
    finally:
        store.delete()


def slides() -> str:
    store = db.SessionStore()
    store.set_expiry(timedelta(minutes=30))
    return f"stored: {type(store['_session_expiry']).__name__}, a moment, not a duration"


def for_everybody() -> str:
    store = db.SessionStore()
    store.get("cart")
    return f"after reading: key {store.session_key}, to be saved: {store.modified}"


def any_object() -> str:
    try:
        json.dumps({"when": timedelta(minutes=30)})
    except TypeError as error:
        return str(error)
    return "it does"


@dataclass(frozen=True, slots=True)
class Myth:
    """A statement of tutorials, how it is, and code that shows it."""

    slug: str
    statement: str
    truth: str
    proof: Callable[[], str]

    @property
    def code(self) -> str:
        """Return the proof's source without its first line."""
        return dedent(inspect.getsource(self.proof).split("\n", 1)[1]).strip()


MYTHS = (
    Myth(
        "files",
        "Session files are called sess_… and hold JSON.",
        "PHP names them so. The names of Django’s begin with the cookie’s name, and they hold "
        "signed text.",
        files,
    ),
    Myth(
        "redis",
        "Redis holds django_session:… with a dict in Python’s notation.",
        "The name begins with the cache’s prefix and Django’s own; the value is what the cache’s "
        "serializer makes, here JSON.",
        redis,
    ),
    Myth(
        "keys",
        "KEYS * is how one looks at sessions.",
        "KEYS walks all keys in one command, and every other client waits until it has finished. "
        "SCAN walks in small steps. Here only the administrator of Redis may use it: the app asks "
        "for each session by its key.",
        keys,
    ),
    Myth(
        "encrypted",
        "Cookies of signed_cookies are encrypted.",
        "They are signed: nobody can change them, and anybody can read them.",
        encrypted,
    ),
    Myth(
        "truncated",
        "A cookie that is too large is truncated.",
        "The browser drops it and keeps the former one, without a word. Pitfalls tries it in your "
        "browser.",
        truncated,
    ),
    Myth(
        "order",
        "The session middleware stands after authentication.",
        "It stands before, as authentication reads the user from the session.",
        order,
    ),
    Myth(
        "as-safe-as-rows",
        "Sessions in a cache are as safe as rows.",
        "Measured on this stack: a signed-in visitor, after Redis was emptied.",
        as_safe_as_rows,
    ),
    Myth(
        "ends-on-the-server",
        "SESSION_COOKIE_AGE and set_expiry end a session on the server with every engine.",
        "Measured with Django’s own engines: does a copy of the cookie stop working after the "
        "seconds of set_expiry?",
        ends_on_the_server,
    ),
    Myth(
        "reading-renews",
        "A session lives for SESSION_COOKIE_AGE after the last visit.",
        "After the last change. A visit that only reads moves nothing, unless "
        "SESSION_SAVE_EVERY_REQUEST is on.",
        reading_renews,
    ),
    Myth(
        "slides",
        "set_expiry(timedelta(minutes=30)) is half an hour of inactivity.",
        "It is half an hour from now. A number of seconds counts from each change.",
        slides,
    ),
    Myth(
        "for-everybody",
        "Django makes a session for each visitor.",
        "Only for visitors for whom code stores something. Reading makes no session.",
        for_everybody,
    ),
    Myth(
        "any-object",
        "A session takes any Python object.",
        "It takes what JSON takes. Pickle took more, and ran what an attacker stored.",
        any_object,
    ),
)
