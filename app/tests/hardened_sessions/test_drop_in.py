"""What a project sets or overrides for Django's engines is honoured, or refused in a line."""

import gc
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.checks import run_checks
from django.db import connection, connections
from django.db.models.signals import post_delete, post_save
from pytest_django import Settings
from redis import Connection, CredentialProvider

from hardened_sessions import conf
from hardened_sessions.checks.hooks import HOOKS
from hardened_sessions.clients.redis import connection_arguments, pool, redis_client
from hardened_sessions.format import keys, redis_names
from hardened_sessions.revocation.feed import feed
from tests.hardened_sessions.conftest import ENGINES, PACKAGES, engines, saved
from tests.hardened_sessions.test_checks import caches
from tests.servers import PASSWORD, RedisServer

TENANT = ["a"]


def by_tenant(key: str, prefix: str, version: int) -> str:
    """Put the tenant into a key, as django_tenants.cache.make_key does."""
    return f"{TENANT[0]}:{prefix}:{version}:{key}"


@pytest.fixture(autouse=True)
def _restored(settings: Settings) -> Iterator[None]:
    settings.SESSION_ENGINE = f"{PACKAGES['hardened']}.cached_db"
    yield
    TENANT[0] = "a"
    settings.CACHES = caches()
    redis_names.plain.cache_clear()


def found() -> dict[str, str]:
    """Return the messages of the checks that run without --deploy."""
    messages = run_checks(databases=["default"])
    said = [each for each in messages if str(each.id).startswith("hardened_sessions.")]
    return {str(each.id).partition(".")[2]: f"{each.msg} {each.hint}" for each in said}


# --- Names in Redis -------------------------------------------------------------------------------


@engines("cache", "cached_db")
@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ({}, "session:{}"),
        ({"KEY_PREFIX": "shop"}, "shop:1:session:{}"),
        ({"VERSION": 2}, ":2:session:{}"),
        ({"KEY_FUNCTION": f"{__name__}.by_tenant"}, "a::1:session:{}"),
    ],
)
def test_a_name_in_redis_is_as_the_alias_makes_it(
    store: Callable[..., Any],
    settings: Settings,
    redis_server: RedisServer,
    alias: dict[str, Any],
    name: str,
) -> None:
    settings.CACHES = caches(**alias)
    session = saved(store, cat="Tom")
    with redis_server.client() as client:
        found = {key.decode() for key in client.keys("*")}
    assert found == {name.format(keys.hashed(session.session_key))}
    assert store(session.session_key)["cat"] == "Tom"
    session.delete()
    with redis_server.client() as client:
        assert not client.keys("*")


@engines("cache")
@pytest.mark.parametrize("other", [{"KEY_PREFIX": "other"}, {"VERSION": 2}])
def test_a_session_is_unknown_under_another_prefix(
    store: Callable[..., Any], settings: Settings, other: dict[str, Any]
) -> None:
    session = saved(store, cat="Tom")
    settings.CACHES = caches(**other)
    assert "cat" not in store(session.session_key)


@engines("cache", "cached_db")
def test_a_session_of_one_tenant_is_unknown_at_another(
    store: Callable[..., Any], settings: Settings
) -> None:
    """With a schema for each tenant, as django-tenants has it."""
    settings.CACHES = caches(KEY_FUNCTION=f"{__name__}.by_tenant")
    session = saved(store, cat="Tom")
    mine = feed()
    TENANT[0] = "b"
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA b CREATE TABLE django_session (LIKE public.django_session)")
        cursor.execute("SET search_path TO b, public")
    try:
        assert "cat" not in store(session.session_key)
        assert feed() is not mine  # else b's reading would pass over what is new in a
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET search_path TO public")
            cursor.execute("DROP SCHEMA b CASCADE")
        TENANT[0] = "a"
    assert store(session.session_key)["cat"] == "Tom"


# --- Ways to Redis --------------------------------------------------------------------------------


class Provider(CredentialProvider):
    """Gives the password, as one that rotates it would."""

    asked = 0

    def get_credentials(self) -> tuple[str]:
        Provider.asked += 1
        return (PASSWORD,)


@engines("cache", "cached_db")
@pytest.mark.parametrize("place", ["option", "pool"])
def test_a_credential_provider_is_asked(
    store: Callable[..., Any], settings: Settings, place: str
) -> None:
    given = {"credential_provider": Provider()}
    options = given if place == "option" else {"CONNECTION_POOL_KWARGS": given}
    settings.CACHES = caches(
        OPTIONS={"socket_timeout": 0.3, "socket_connect_timeout": 0.3, **options}
    )
    redis_client.cache_clear()
    before = Provider.asked
    session = saved(store, cat="Tom")
    assert redis_client().call("EXISTS", redis_names.redis_name(keys.hashed(session.session_key)))
    assert Provider.asked > before


def test_a_pool_for_tls_keeps_its_authority(settings: Settings) -> None:
    settings.CACHES = caches(
        LOCATION="rediss://redis.example:6380/0",
        OPTIONS={
            **caches()["sessions"]["OPTIONS"],
            "ssl_ca_certs": "/etc/ssl/certs/ca.pem",
        },
    )
    made = pool("sessions", connection_arguments("sessions"))
    assert made.connection_class.__name__ == "SSLConnection"
    assert made.connection_kwargs["ssl_ca_certs"] == "/etc/ssl/certs/ca.pem"
    assert not {"E021", "E025"} & found().keys()


class Plain(Connection):
    """Speaks no TLS."""


@engines("cache", "cached_db")
@pytest.mark.parametrize(
    ("alias", "id", "said"),
    [
        (
            {"OPTIONS": {"CLIENT_CLASS": "django_redis.client.SentinelClient"}},
            "E021",
            "CLIENT_CLASS django_redis.client.SentinelClient",
        ),
        (
            {"OPTIONS": {"CONNECTION_POOL_CLASS": "redis.sentinel.SentinelConnectionPool"}},
            "E021",
            "no Sentinel",
        ),
        (
            {"OPTIONS": {"CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory"}},
            "E021",
            "no Sentinel",
        ),
        (
            {"OPTIONS": {"pool_class": "redis.sentinel.SentinelConnectionPool"}},
            "E021",
            "pool_class",
        ),
        ({"OPTIONS": {"CLIENT_CLASS": "myproject.ClusterClient"}}, "E021", "cluster"),
        ({"LOCATION": "redis+sentinel://127.0.0.1/0"}, "E005", "no Redis"),
        (
            {
                "LOCATION": "rediss://127.0.0.1:6390/0",
                "OPTIONS": {"CONNECTION_POOL_KWARGS": {"connection_class": Plain}},
            },
            "E025",
            "in clear",
        ),
    ],
)
def test_a_way_to_redis_that_sessions_would_not_go(
    settings: Settings, engine: str, alias: dict[str, Any], id: str, said: str
) -> None:
    settings.SESSION_ENGINE = f"{PACKAGES['hardened']}.{engine}"
    settings.CACHES = caches(**alias)
    assert said in found()[id]


def test_a_usual_pool_is_left_in_peace(settings: Settings) -> None:
    for options in (
        {"CONNECTION_POOL_CLASS": "redis.BlockingConnectionPool"},
        {"CONNECTION_POOL_CLASS": "redis.connection.BlockingConnectionPool"},
        {"CLIENT_CLASS": "django_redis.client.DefaultClient"},
    ):
        settings.CACHES = caches(OPTIONS={**caches()["sessions"]["OPTIONS"], **options})
        assert found() == {}, options


# --- Session classes of a project's own -----------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("configured", [True, False])
def test_a_hook_that_would_never_be_called(engine: str, configured: bool) -> None:
    """Also where the class is no SESSION_ENGINE, but a view's own."""
    base = import_module(f"{PACKAGES['hardened']}.{engine}").SessionStore
    for name in HOOKS:
        made = type("Own", (base,), {name: None, "__module__": "shop"})
        (said,) = [each for each in [found()["E020"]] if name in each]
        assert said.startswith(f"shop.Own overrides {name}, which")
        assert HOOKS[name] in said
        del made
        gc.collect()
    assert found() == {}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_hook_that_is_honoured(
    engine: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = import_module(f"{PACKAGES['hardened']}.{engine}").SessionStore
    own = type("SessionStore", (base,), {"get_session_cookie_age": lambda self: 60})
    monkeypatch.setitem(globals(), "SessionStore", own)
    settings.SESSION_ENGINE = __name__
    assert found() == {}
    assert own().get_expiry_age() == 60
    settings.SESSION_COOKIE_NAME = "sessionid"
    assert set(found()) == {"E004"}  # a project's own engine is judged as its base
    del own
    monkeypatch.undo()
    gc.collect()


def test_an_engine_of_somebody_elses_under_this_middleware(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = import_module("django.contrib.sessions.backends.db").SessionStore
    monkeypatch.setitem(globals(), "SessionStore", theirs)
    settings.SESSION_ENGINE = __name__
    assert set(found()) == {"W005"}


# --- Signals, routers, tenants --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signal", "name"), [(post_save, "post_save"), (post_delete, "post_delete")]
)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_receiver_of_signals_that_are_never_sent(
    settings: Settings, engine: str, signal: Any, name: str
) -> None:
    settings.SESSION_ENGINE = f"{PACKAGES['hardened']}.{engine}"

    def receiver(**kwargs: Any) -> None:
        raise AssertionError

    signal.connect(receiver)  # of every model, as an audit trail has it
    assert found() == {}
    signal.connect(receiver, sender=Session)
    try:
        expected = {"E024"} if engine in ("db", "cached_db") else set()
        assert set(found()) == expected
        assert all(name in said for said in found().values())
    finally:
        signal.disconnect(receiver, sender=Session)
        signal.disconnect(receiver)


class Routes:
    """Keep the sessions elsewhere, and what the layer has beside them where `beside` says."""

    beside = "elsewhere"

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "elsewhere" if model._meta.app_label == "sessions" else None

    db_for_read = db_for_write

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        wanted = {"sessions": "elsewhere", "hardened_sessions": self.beside}.get(app_label)
        return None if wanted is None else db == wanted


@engines("db", "cached_db")
def test_routers_say_where_sessions_are(
    store: Callable[..., Any],
    settings: Settings,
    use_database: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_database(**connections.databases["default"])
    settings.HARDENED_SESSIONS = {}
    settings.DATABASE_ROUTERS = [f"{__name__}.Routes"]
    assert conf.options().database == "elsewhere"
    assert found() == {}
    session = saved(store, cat="Tom")
    assert session.storage.database.alias == "elsewhere"
    assert store(session.session_key)["cat"] == "Tom"
    monkeypatch.setattr(Routes, "beside", "default")
    assert "hardened_sessions as they treat sessions" in found()["E023"]


@engines("cache", "cached_db")
def test_schemas_without_names_of_their_own_in_redis(
    settings: Settings, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SESSION_ENGINE = f"{PACKAGES['hardened']}.{engine}"
    monkeypatch.setattr(connections["default"], "schema_name", "a", raising=False)
    assert "django_tenants.cache.make_key" in found()["E022"]
    settings.CACHES = caches(KEY_FUNCTION=f"{__name__}.by_tenant")
    assert found() == {}
