"""A visitor, on any engine."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.test import Client
from pytest_django import Settings

from lab.lessons.middleware import chain
from session_stack.layers import engines, named, session_class
from tests.lab.visiting import PASSWORD
from tests.servers import RedisServer

ENGINES = engines("hardened")


@pytest.fixture
def use(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Return what makes a backend the one that runs, with a Redis and a folder to use."""

    def switch(backend: str) -> None:
        layer = named(settings.ENV.session_layer)
        settings.ENV = replace(settings.ENV, session_backend=backend)
        settings.SESSION_ENGINE = f"{layer.ENGINES}.{backend}"
        if "redis" not in layer.stores(session_class(backend)):
            settings.ENV = replace(settings.ENV, redis=None)
        settings.SESSION_FILE_PATH = str(tmp_path)
        monkeypatch.setattr(FileStore, "_storage_path", str(tmp_path), raising=False)
        chain.cache_clear()  # its session middleware has an engine

    return switch


@pytest.fixture(autouse=True)
def _empty_redis(redis_server: RedisServer) -> None:
    """Begin without what other tests left, which would expire while this one counts."""
    with redis_server.client() as client:
        client.flushall()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, use: Callable[[str], None]) -> str:
    """Run the test once on each engine."""
    backend: str = request.param
    use(backend)
    return backend


@pytest.fixture
def visitor() -> Client:
    return Client(headers={"Host": "www.example.org", "X-Forwarded-Proto": "https"})


@pytest.fixture
def ada(db: None) -> Any:
    return get_user_model().objects.create_user("ada", "ada@example.org", PASSWORD)
