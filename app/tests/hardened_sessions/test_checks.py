"""What would break a promise is refused before anything is served, and nothing else is."""

import pickle
import sys
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.sessions.serializers import JSONSerializer
from django.core.checks import Error, Warning, run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from pytest_django import Settings

from tests.hardened_sessions.conftest import ENGINES, PACKAGES
from tests.servers import RedisServer

type Options = Callable[..., None]

ON_REDIS = ("cache", "cached_db")


@pytest.fixture(autouse=True)
def _clean_settings(settings: Settings, engine: str, options: Options) -> Iterator[None]:
    """Configure the engine as its README does; each test then spoils one thing."""
    settings.SESSION_ENGINE = f"{PACKAGES['hardened']}.{engine}"
    settings.HARDENED_SESSIONS = {}
    yield
    settings.SESSION_CACHE_ALIAS = "sessions"
    settings.CACHES = caches()
    options(ENCRYPTION_KEYS=())


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """Return the default's word; tests that depend on it parametrise it."""
    return "cached_db"


def found() -> dict[str, Any]:
    """Return what all checks say of the layer, as `check --deploy --database default` has it."""
    messages = run_checks(include_deployment_checks=True, databases=["default"])
    said = [each for each in messages if str(each.id).startswith("hardened_sessions.")]
    return {str(each.id).partition(".")[2]: each for each in said}


def caches(**changes: Any) -> dict[str, Any]:
    """Return the tests' CACHES with changes to the session alias."""
    from tests.hardened_sessions import settings as given

    before: dict[str, Any] = given.CACHES
    return {**before, "sessions": {**before["sessions"], **changes}}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_good_configuration_is_left_in_peace() -> None:
    assert found() == {}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_refusal_ends_the_command_and_says_what_may_be(settings: Settings) -> None:
    settings.SESSION_COOKIE_NAME = "sessionid"
    with pytest.raises(SystemCheckError, match=r"\(hardened_sessions.E004\)[^\n]*\n\tHINT: .*Host"):
        call_command("check")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("options_given", "said"),
    [
        ({"KEYZ": "hash"}, "has no KEYZ; it may hold KEYS, GRACE_UNTIL"),
        ({"KEYS": "raw"}, "'raw'; it may be read, hash"),
        ({"GRACE_UNTIL": True}, "a moment with a time zone"),
        ({"GRACE_UNTIL": "soon"}, "a moment with a time zone"),
        ({"GRACE_UNTIL": "2026-12-24T00:00"}, "a moment with a time zone"),
        ({"GRACE_UNTIL": "2999-12-24T00:00Z"}, "within the next 400 days"),
        ({"MAX_BYTES": 4095}, "a whole number from 4096"),
        ({"MAX_BYTES": "65536"}, "a whole number from 4096"),
        ({"CONFLICTS": "ignore"}, "'ignore'; it may be merge, strict"),
        ({"ENCRYPTION_KEYS": ["a1" * 16]}, "not 64 hexadecimal digits"),
        ({"ENCRYPTION_KEYS": ["a1" * 32, "no hexadecimal digits"]}, "not 64 hexadecimal digits"),
        ({"ENCRYPTION_KEYS": "a1" * 32}, "not 64 hexadecimal digits"),
        ({"PREVIOUS_ENGINES": ["memcached"]}, "'memcached'; it may have cache, cached_db, db"),
    ],
)
def test_settings_that_can_not_be_read(
    settings: Settings, options_given: dict[str, Any], said: str
) -> None:
    settings.HARDENED_SESSIONS = options_given
    messages = found()
    settings.HARDENED_SESSIONS = {}
    assert said in messages["E001"].msg
    assert "a1a1" not in messages["E001"].msg
    assert messages["E001"].level == Error("").level


def test_encryption_without_its_package(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("cryptography")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert found() == {}  # nobody who does not encrypt needs it
    options(ENCRYPTION_KEYS=["d4" * 32])
    assert "needs the package cryptography" in found()["E001"].msg


@pytest.mark.parametrize("engine", ENGINES)
def test_encryption_while_djangos_own_engines_may_run(options: Options) -> None:
    options(ENCRYPTION_KEYS=["d4" * 32])
    assert found() == {}
    options(KEYS="read")
    assert set(found()) == {"E013"}


class Plain:
    """A pickle as Django once had it, by a name that says nothing."""

    dumps = staticmethod(pickle.dumps)
    loads = staticmethod(pickle.loads)


class Packed:
    """A pickle that does not look like one."""

    dumps = staticmethod(lambda value: b64encode(zlib.compress(pickle.dumps(value, 0))))
    loads = staticmethod(lambda data: pickle.loads(zlib.decompress(b64decode(data))))


class Former(JSONSerializer):
    """Writes JSON, and still reads what a pickle left."""

    def loads(self, data: bytes) -> Any:
        return pickle.loads(data) if data.startswith(b"\x80") else super().loads(data)


class PickleSerializer(JSONSerializer):
    """Pickles nothing but by its name."""


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("serializer", "said"),
    [
        ("Plain", "could run code"),
        ("Packed", "could run code"),
        ("Former", "could run code"),
        ("Absent", "does not define a"),
        ("PickleSerializer", None),
    ],
)
def test_a_serializer_is_judged_by_what_it_does(
    settings: Settings, serializer: str, said: str | None
) -> None:
    settings.SESSION_SERIALIZER = f"{__name__}.{serializer}"
    assert {id: said in message.msg for id, message in found().items()} == (
        {"E002": True} if said else {}
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_djangos_own_middleware(settings: Settings) -> None:
    settings.MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
    assert set(found()) == {"E003"}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("grace", "expected"), [("2026-12-24T00:00Z", "W001"), (None, "E004"), (lambda: None, "W001")]
)
def test_a_cookie_that_another_host_could_plant(
    settings: Settings, options: Options, grace: Any, expected: str
) -> None:
    settings.SESSION_COOKIE_NAME = "sessionid"
    options(GRACE_UNTIL=grace)
    assert set(found()) == {expected}
    assert found()[expected].level == (Warning("") if grace else Error("")).level


@pytest.mark.parametrize("engine", ON_REDIS)
def test_a_session_alias_that_there_is_not(settings: Settings) -> None:
    settings.SESSION_CACHE_ALIAS = "nowhere"
    assert "E005" in found()


@pytest.mark.parametrize("engine", ON_REDIS)
def test_a_session_alias_that_is_no_redis(settings: Settings) -> None:
    settings.CACHES = caches(
        BACKEND="django.core.cache.backends.locmem.LocMemCache", LOCATION="sessions"
    )
    assert set(found()) == {"E005"}


@pytest.mark.parametrize("engine", ON_REDIS)
@pytest.mark.parametrize(
    "location",
    [
        ["redis://127.0.0.1:6390/0", "redis://127.0.0.1:6391/0"],
        "redis://127.0.0.1:6390/0,redis://127.0.0.1:6391/0",
    ],
)
def test_a_replica_in_the_session_alias(settings: Settings, location: Any) -> None:
    settings.CACHES = caches(LOCATION=location)
    assert "E006" in found()


@pytest.mark.parametrize("engine", ON_REDIS)
def test_an_alias_that_others_share(settings: Settings) -> None:
    shared = caches()
    settings.CACHES = {**shared, "pages": {**shared["sessions"]}}
    assert set(found()) == {"E007"}
    assert "pages" in found()["E007"].msg


@pytest.mark.parametrize("engine", ON_REDIS)
def test_the_alias_of_everything_that_caches(settings: Settings) -> None:
    settings.CACHES = {"default": caches()["sessions"]}
    settings.SESSION_CACHE_ALIAS = "default"
    assert set(found()) == {"E007"}


@pytest.mark.parametrize("engine", ON_REDIS)
@pytest.mark.parametrize(
    "missing",
    [
        {"socket_timeout": 0.3},
        {"socket_connect_timeout": 0.3},
        {"socket_timeout": 5, "socket_connect_timeout": 0.3},
        {"socket_timeout": 0, "socket_connect_timeout": 0.3},
        {"socket_timeout": None, "socket_connect_timeout": 0.3},
    ],
)
def test_an_alias_without_short_timeouts(settings: Settings, missing: dict[str, Any]) -> None:
    from tests.servers import PASSWORD

    settings.CACHES = caches(OPTIONS={"password": PASSWORD, **missing})
    assert set(found()) == {"E008"}


def test_timeouts_as_django_redis_spells_them(settings: Settings) -> None:
    from tests.servers import PASSWORD

    settings.CACHES = caches(
        OPTIONS={"PASSWORD": PASSWORD, "SOCKET_TIMEOUT": 0.3, "SOCKET_CONNECT_TIMEOUT": 0.3}
    )
    assert found() == {}


# --- The database ---------------------------------------------------------------------------------


def found_elsewhere() -> set[str]:
    messages = run_checks(databases=["elsewhere"])
    return {
        str(each.id).partition(".")[2]
        for each in messages
        if str(each.id).startswith("hardened_sessions.")
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_a_database_that_is_neither_postgresql_nor_sqlite(
    use_database: Callable[..., None], engine: str
) -> None:
    use_database(ENGINE="django.db.backends.dummy")
    needed = engine in ("db", "cached_db", "signed_cookies")
    assert found_elsewhere() == ({"E009"} if needed else set())


@pytest.mark.parametrize("engine", ENGINES)
def test_sqlite_is_told_what_it_lacks(use_database: Callable[..., None], engine: str) -> None:
    use_database(ENGINE="django.db.backends.sqlite3", NAME=":memory:")
    expected = {"W002"} if engine in ("cached_db", "signed_cookies") else set()
    assert found_elsewhere() == expected


@pytest.mark.parametrize("engine", ["db", "cached_db", "signed_cookies"])
@pytest.mark.parametrize(
    ("pool", "threads", "expected"),
    [
        (None, 8, set()),
        (False, 8, set()),
        (True, None, {"W004"}),
        (True, 4, set()),
        (True, 5, {"E012"}),
        ({"min_size": 2}, 3, {"E012"}),
        ({"min_size": 2, "max_size": 8}, 8, set()),
        ({"min_size": 2, "max_size": 8}, 9, {"E012"}),
        ({"max_size": 8}, None, {"W004"}),
    ],
)
def test_a_pool_with_fewer_connections_than_threads(
    use_database: Callable[..., None],
    options: Options,
    pool: Any,
    threads: int | None,
    expected: set[str],
) -> None:
    use_database(ENGINE="django.db.backends.postgresql", NAME="x", OPTIONS={"pool": pool})
    options(THREADS=threads)
    assert found_elsewhere() == expected


@pytest.mark.parametrize("engine", ["cache", "file"])
def test_a_pool_that_sessions_do_not_use(
    use_database: Callable[..., None], options: Options
) -> None:
    use_database(ENGINE="django.db.backends.postgresql", NAME="x", OPTIONS={"pool": True})
    options(THREADS=100)
    assert found_elsewhere() == set()


# --- Redis itself ---------------------------------------------------------------------------------


@pytest.fixture
def configured(redis_server: RedisServer) -> Iterator[Callable[[str, str], None]]:
    """Return what configures the running Redis; it is undone."""
    client: Any = redis_server.client()
    before: dict[str, str] = {}

    def change(name: str, value: str) -> None:
        before.setdefault(name, client.config_get(name)[name])
        client.config_set(name, value)

    yield change
    for name, value in before.items():
        client.config_set(name, value)
    client.close()


@pytest.mark.parametrize("engine", ON_REDIS)
@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "volatile-lru"])
def test_a_redis_that_evicts(configured: Callable[[str, str], None], policy: str) -> None:
    configured("maxmemory-policy", policy)
    assert set(found()) == {"E010"}
    assert policy in found()["E010"].msg


@pytest.mark.parametrize(("engine", "expected"), [("cache", {"E011"}), ("cached_db", set())])
def test_a_redis_without_an_append_only_file(
    configured: Callable[[str, str], None], expected: set[str]
) -> None:
    configured("appendonly", "no")
    assert set(found()) == expected


@pytest.mark.parametrize(
    ("engine", "refused", "expected"),
    [
        ("cached_db", "eval", {"E027"}),
        ("cache", "eval", {"E027"}),
        ("cache", "waitaof", {"E027"}),
        ("cached_db", "waitaof", set()),
    ],
)
def test_a_redis_that_lacks_a_command(
    redis_server: RedisServer, refused: str, expected: set[str]
) -> None:
    with redis_server.client() as client:
        client.execute_command("ACL", "SETUSER", "default", f"-{refused}")
        try:
            said = found()
        finally:
            client.execute_command("ACL", "SETUSER", "default", "+@all")
        assert not client.keys("*")
    assert set(said) == expected
    assert not said or refused.upper() in said["E027"].msg


@pytest.mark.parametrize("engine", ON_REDIS)
def test_a_redis_cluster(settings: Settings, engine: str) -> None:
    cluster = RedisCluster()
    try:
        cluster.start()
        alias = settings.CACHES["sessions"]
        location = f"redis://127.0.0.1:{cluster.port}/0"
        settings.CACHES = {**settings.CACHES, "sessions": {**alias, "LOCATION": location}}
        assert set(found()) == {"E026"}
    finally:
        cluster.remove()


class RedisCluster(RedisServer):
    """One node of a cluster."""

    port = 6392

    def command(self) -> list[str]:
        return [*super().command(), "--cluster-enabled", "yes"]


@pytest.mark.parametrize("engine", ON_REDIS)
def test_a_redis_that_is_down_blocks_no_start(redis_server: RedisServer) -> None:
    redis_server.kill()
    try:
        said = found()
        call_command("check", deploy=False)
    finally:
        redis_server.start()
    assert set(said) == {"W003"}
    assert said["W003"].level == Warning("").level
    assert "unverified" in said["W003"].msg


@pytest.mark.parametrize("engine", ON_REDIS)
def test_a_redis_that_hangs_blocks_no_start(redis_server: RedisServer) -> None:
    redis_server.hang()
    try:
        assert set(found()) == {"W003"}
    finally:
        redis_server.go_on()


@pytest.mark.parametrize("engine", ["db", "file", "signed_cookies"])
def test_an_engine_without_redis_asks_none(
    redis_server: RedisServer, configured: Callable[[str, str], None]
) -> None:
    configured("maxmemory-policy", "allkeys-lru")
    assert found() == {}


@pytest.mark.parametrize("engine", ENGINES)
def test_djangos_own_engines_are_not_this_layers_to_judge(
    settings: Settings, engine: str, configured: Callable[[str, str], None]
) -> None:
    configured("maxmemory-policy", "allkeys-lru")
    settings.SESSION_ENGINE = f"{PACKAGES['stock']}.{engine}"
    settings.SESSION_COOKIE_NAME = "sessionid"
    settings.SESSION_CACHE_ALIAS = "default"
    settings.MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
    assert found() == {}
