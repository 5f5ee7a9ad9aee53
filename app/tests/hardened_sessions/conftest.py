"""Engines and layers, against a real Postgres and a real Redis."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.serializers import JSONSerializer
from django.core import signing
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client
from django.test.utils import setup_databases, teardown_databases
from django.utils import timezone
from pytest_django import DjangoDbBlocker, Settings

from hardened_sessions import bounds, conf, orm
from hardened_sessions.clients.database import database
from hardened_sessions.clients.redis import redis_client
from hardened_sessions.format import codec
from hardened_sessions.revocation.cookies import known
from hardened_sessions.revocation.feed import feed
from hardened_sessions.revocation.users import epochs
from hardened_sessions.stored_session import StoredSession
from tests.servers import Postgres, RedisServer

PACKAGES = {
    "stock": "django.contrib.sessions.backends",
    "hardened": "hardened_sessions.backends",
}
ENGINES = conf.ENGINES
ON_SERVER = tuple(
    name
    for name in ENGINES
    if issubclass(import_module(f"{PACKAGES['hardened']}.{name}").SessionStore, StoredSession)
)

COOKIE = "__Host-sessionid"

FOUND = {"KEYS": "hash", "GRACE_UNTIL": lambda: timezone.now() + timedelta(days=1)}

type MakeSession = Callable[..., SessionBase]


TABLES = (
    "django_session",
    "hardened_sessions_change",
    "hardened_sessions_revokedcookie",
    "hardened_sessions_signedinsession",
    "hardened_sessions_signoutepoch",
    "hardened_sessions_purgeposition",
    "auth_user",
)


class Browser:
    """A client that keeps cookies; a view that fails is a 500."""

    def __init__(self) -> None:
        self.client = Client(raise_request_exception=False)

    def get(self, path: str) -> Any:
        return self.client.get(path, secure=True)

    @property
    def cookie(self) -> str:
        morsel = self.client.cookies.get(COOKIE)
        return morsel.value if morsel is not None else ""


@pytest.fixture(scope="session")
def tables(
    servers: None, django_test_environment: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Make the test database; pytest-django would begin a transaction for each test."""
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False)
        yield
        teardown_databases(made, verbosity=0)


@pytest.fixture(autouse=True)
def _clean(
    tables: None,
    django_db_blocker: DjangoDbBlocker,
    redis_server: RedisServer,
    settings: Settings,
    tmp_path: Path,
) -> Iterator[None]:
    """Begin each test with empty stores, and knowing nothing of them.

    The tests' transactions are real ones: what a rolled back one would never show is the matter.
    """
    settings.SESSION_FILE_PATH = str(tmp_path)
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            for table in TABLES:
                cursor.execute(f"DELETE FROM {table}")
            cursor.execute("DELETE FROM hardened_sessions_change")  # what the first one announced
        with redis_server.client() as client:
            client.flushall()
        forget()
        yield
        forget()


def forget() -> None:
    """Know nothing of any store, as a new process does."""
    conf.forget()
    database("default").breaker.opened = None
    feed().forget()
    known.forget()
    epochs().forget()
    redis_client.cache_clear()
    file_store = import_module(f"{PACKAGES['stock']}.file").SessionStore
    if hasattr(file_store, "_storage_path"):
        del file_store._storage_path


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Return each engine's word."""
    word: str = request.param
    return word


@pytest.fixture
def layer() -> str:
    """Return the layer; tests that compare both parametrise it."""
    return "hardened"


@pytest.fixture
def store(settings: Settings, layer: str, engine: str) -> MakeSession:
    """Return the engine's `SessionStore`, which is also the one that is configured."""
    settings.SESSION_ENGINE = f"{PACKAGES[layer]}.{engine}"
    if layer == "stock":
        settings.MIDDLEWARE = [
            name.replace(
                "hardened_sessions.middleware.HardenedSessionMiddleware",
                "django.contrib.sessions.middleware.SessionMiddleware",
            )
            for name in settings.MIDDLEWARE
        ]
    session_store: MakeSession = import_module(settings.SESSION_ENGINE).SessionStore
    return session_store


def stock_store(engine: str) -> MakeSession:
    """Return the `SessionStore` of Django's own engine, as in a process that runs that one."""
    djangos = import_module(f"{PACKAGES['stock']}.{engine}").SessionStore

    def alone(name: str) -> Callable[..., Any]:
        def call(session: Any, *arguments: Any, **named: Any) -> Any:
            # This layer's field would hash the keys, as it does for code beside the layer's engine.
            with patch.object(orm, "rows_are_hashed", return_value=False):
                return getattr(djangos, name)(session, *arguments, **named)

        return call

    methods = {name: alone(name) for name in ("load", "exists", "save", "delete")}
    made: MakeSession = type("SessionStore", (djangos,), methods)
    return made


def saved(store: MakeSession, **data: Any) -> Any:
    """Return a saved session."""
    session: Any = store()
    session.update(data)
    session.save()
    return session


@pytest.fixture
def other(postgres: Postgres) -> Iterator[psycopg.Connection[Any]]:
    """Return a connection of somebody else's, which sees what is committed."""
    with postgres.connect(connection.settings_dict["NAME"]) as made:
        yield made


@pytest.fixture
def options(settings: Settings) -> Callable[..., None]:
    """Return what sets `HARDENED_SESSIONS`."""

    def change(**values: Any) -> None:
        settings.HARDENED_SESSIONS = {**getattr(settings, "HARDENED_SESSIONS", {}), **values}
        conf.forget()

    return change


@pytest.fixture(autouse=True)
def _patient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Wait longer for stores than the layer promises, in tests that don't run alone.

    A busy machine is not the matter there.
    """
    if request.node.get_closest_marker("alone") is None:
        stores = ("DATABASE_STATEMENT", "REDIS_READ", "REDIS_CONNECT", "FILE_LOCK")
        for bound in (*stores, "UNDER_WAY"):
            monkeypatch.setattr(bounds, bound, 10.0)
    redis_client.cache_clear()
    yield
    redis_client.cache_clear()


@pytest.fixture
def use_database(options: Callable[..., None]) -> Iterator[Callable[..., None]]:
    """Return what puts sessions into another database, by its settings."""

    def use(**values: Any) -> None:
        configured = connections.configure_settings({"default": {}, "elsewhere": values})
        connections.databases["elsewhere"] = configured["elsewhere"]
        options(DATABASE="elsewhere")

    yield use
    options(DATABASE="default")
    with suppress(AttributeError):  # where nobody asked for it
        connections["elsewhere"].close()
        del connections["elsewhere"]
    connections.databases.pop("elsewhere", None)


@pytest.fixture(scope="session")
def migrated(
    tmp_path_factory: pytest.TempPathFactory, tables: None, django_db_blocker: DjangoDbBlocker
) -> Path:
    """Return a SQLite database with the tables of sessions."""
    file = tmp_path_factory.mktemp("sqlite") / "db.sqlite3"
    configured = connections.configure_settings(
        {"default": {}, "elsewhere": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)}}
    )
    connections.databases["elsewhere"] = configured["elsewhere"]
    with django_db_blocker.unblock():
        call_command("migrate", database="elsewhere", verbosity=0)
        connections["elsewhere"].close()
    del connections["elsewhere"]
    del connections.databases["elsewhere"]
    return file


@pytest.fixture
def sqlite(migrated: Path, tmp_path: Path, use_database: Callable[..., None]) -> Path:
    """Keep sessions in SQLite; users stay where they are."""
    file = tmp_path / "sessions.sqlite3"
    file.write_bytes(migrated.read_bytes())
    use_database(ENGINE="django.db.backends.sqlite3", NAME=str(file), OPTIONS={"timeout": 0.1})
    return file


@pytest.fixture
def browser(store: MakeSession) -> Browser:
    """Return a browser whose user is signed in and has a counter of 1."""
    get_user_model().objects.create_user("ada", password="p" * 20)
    browser = Browser()
    assert browser.get("/sign_in").status_code == 200
    assert browser.get("/write").content == b"1"
    return browser


def rows() -> dict[str, str]:
    """Return what lies in Django's table: name to text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_key, session_data FROM django_session")
        return dict(cursor.fetchall())


def everything_at_rest(redis_server: RedisServer, folder: str) -> str:
    """Return all that the stores hold: rows, feed, Redis keys and values, file names and bytes.

    What is signed is also decoded, since a key would not show in base64.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_key, session_data FROM django_session")
        table = cursor.fetchall()
        cursor.execute("SELECT * FROM hardened_sessions_change")
        feed_rows = cursor.fetchall()
    decoded = [signing.loads(text, salt=codec.SALT, serializer=JSONSerializer) for _, text in table]
    with redis_server.client() as client:
        keys = client.keys("*")
        values = [client.get(key) for key in keys]
    files = [(path.name, path.read_bytes()) for path in Path(folder).iterdir() if path.is_file()]
    return f"{table}{decoded}{feed_rows}{keys!r}{values!r}{files!r}"


def layers(*, stock: str = "") -> pytest.MarkDecorator:
    """Parametrise over both layers; `stock` says what Django's own does instead."""
    mark = pytest.mark.xfail(strict=True, reason=stock) if stock else ()
    return pytest.mark.parametrize("layer", [pytest.param("stock", marks=mark), "hardened"])


def engines(*names: str) -> pytest.MarkDecorator:
    """Parametrise over some engines."""
    return pytest.mark.parametrize("engine", names)
