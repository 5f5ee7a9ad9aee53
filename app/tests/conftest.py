"""What every test of the app shares."""

from collections.abc import Iterator

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from tests.servers import Postgres, RedisServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Return the server that the settings name; whoever stops it starts it again."""
    server = Postgres()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Return the server that the settings name; whoever stops it starts it again."""
    server = RedisServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session", autouse=True)
def servers(postgres: Postgres, redis_server: RedisServer) -> None:
    """Have both servers before anything else."""


@pytest.fixture(scope="session")
def django_db_setup(servers: None, django_db_setup: None) -> None:
    """Make the test database once its server runs."""


@pytest.fixture(autouse=True)
def static_files_of_the_image(settings: Settings) -> None:
    """Take the static files from the image, which collected them when it was built."""
    if django_settings.ROOT_URLCONF == "config.urls":
        settings.STATIC_ROOT = "/app/staticfiles"


@pytest.fixture(autouse=True)
def passwords_that_are_hashed_fast(settings: Settings) -> None:
    """Hash passwords fast: nobody guesses at those of the tests."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
