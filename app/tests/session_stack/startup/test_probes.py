"""What each backend can't serve without is asked, and a store that fails says so in one line."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from django.db import connections
from pytest_django import Settings

from session_stack.layers import LAYERS, engines, named
from session_stack.startup.probes import (
    PROBES,
    StoreUnavailableError,
    probe_folder,
    probe_postgres,
    probe_redis,
)


@pytest.mark.parametrize("name", LAYERS)
def test_every_store_that_an_engine_needs_has_its_probe(name: str) -> None:
    for engine in engines(name):
        store = import_module(f"{named(name).ENGINES}.{engine}").SessionStore
        assert set(named(name).needed(store)) <= set(named(name).stores(store)) <= set(PROBES)


@pytest.mark.django_db
def test_stores_that_answer_pass(tmp_path: Path, settings: Settings) -> None:
    settings.SESSION_FILE_PATH = str(tmp_path)
    probe_postgres()
    probe_redis()
    probe_folder()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["missing", "a file", "read-only"])
def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, settings: Settings, kind: str
) -> None:
    folder = tmp_path / "sessions"
    if kind == "a file":
        folder.write_text("")
    elif kind == "read-only":
        folder.mkdir(mode=0o500)
    settings.SESSION_FILE_PATH = str(folder)
    with pytest.raises(
        StoreUnavailableError, match=f"SESSION_FILE_PATH is {folder}, .*can't write"
    ):
        probe_folder()


@pytest.fixture
def other_redis(settings: Settings):
    """Point the session alias elsewhere."""

    def point(**changes: object) -> None:
        server = replace(settings.ENV.redis, **changes)
        settings.ENV = replace(settings.ENV, redis=server)
        alias = settings.CACHES["sessions"]
        settings.CACHES = {
            **settings.CACHES,
            "sessions": {
                **alias,
                "LOCATION": server.location,
                "OPTIONS": {**alias["OPTIONS"], "PASSWORD": server.password},
            },
        }

    return point


def test_a_wrong_redis_password_names_the_repair_and_not_the_password(other_redis) -> None:
    other_redis(user="nobody", password="w" * 16)
    with pytest.raises(StoreUnavailableError) as caught:
        probe_redis()
    assert "refuses the password of user 'nobody'" in str(caught.value)
    assert "docker compose restart redis" in str(caught.value)
    assert "wwww" not in str(caught.value)


def test_a_redis_that_is_not_there_is_named(other_redis) -> None:
    other_redis(port="1")
    with pytest.raises(StoreUnavailableError, match=r"Redis at 127.0.0.1:1 is not available \("):
        probe_redis()


@pytest.mark.django_db(transaction=True)
def test_a_wrong_database_password_names_the_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = connections["default"]
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "PASSWORD", "w" * 16)
    with pytest.raises(StoreUnavailableError) as caught:
        probe_postgres()
    assert "refuses the password of role 'postgres'" in str(caught.value)
    assert "/etc/postgresql/roles.sh" in str(caught.value)
    assert "wwww" not in str(caught.value)
