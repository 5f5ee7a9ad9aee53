"""Sessions for a load test: signed in, as demo users only; and nothing of the benchmarks' own."""

from importlib import import_module
from io import StringIO

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from session_stack.layers import engines

ENGINES = engines("hardened")


pytestmark = pytest.mark.django_db


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, settings: Settings, tmp_path) -> str:
    package = settings.SESSION_ENGINE.rpartition(".")[0]
    name = f"{package}.{request.param}"
    settings.SESSION_ENGINE = name
    settings.SESSION_FILE_PATH = str(tmp_path)
    return name


def minted(number: int, *options: str) -> list[str]:
    output = StringIO()
    call_command("mint_sessions", str(number), "--user=ada", *options, stdout=output)
    return output.getvalue().splitlines()


def test_each_minted_cookie_is_a_session_of_its_own_that_is_signed_in(engine: str) -> None:
    call_command("demo_user", "add", "ada", stdout=StringIO())
    headers = minted(3, '--data={"theme": "dark"}')
    assert len(set(headers)) == 3
    for header in headers:
        visitor = Client(headers={"Host": "www.example.org", "X-Forwarded-Proto": "https"})
        name, _, value = header.partition("=")
        visitor.cookies[name] = value
        assert b"ada" in visitor.get("/accounts/").content
        assert import_module(engine).SessionStore(value)["theme"] == "dark"


def test_no_session_is_minted_for_a_user_who_is_no_demo_user() -> None:
    get_user_model().objects.create_user("ada", "ada@example.org", "a password")
    with pytest.raises(CommandError, match="no demo user 'ada'"):
        minted(1)


@pytest.mark.parametrize("view", ["ping", "read", "write"])
def test_the_views_that_are_measured_are_in_no_image(view: str) -> None:
    visitor = Client(headers={"Host": "www.example.org", "X-Forwarded-Proto": "https"})
    assert visitor.get(f"/bench/{view}").status_code == 404
    assert settings.ROOT_URLCONF == "config.urls"
