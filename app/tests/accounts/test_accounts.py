"""Signing in and out, and the demo user."""

from io import StringIO

import pytest
from django.conf import settings
from django.contrib.auth import authenticate, get_user_model
from django.core.management import CommandError, call_command
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def password() -> str:
    output = StringIO()
    call_command("demo_user", "add", "ada", stdout=output)
    return output.getvalue().strip()


@pytest.fixture
def visitor() -> Client:
    return Client(headers={"Host": "www.example.org", "X-Forwarded-Proto": "https"})


def session_key(visitor: Client) -> str:
    return visitor.cookies[settings.SESSION_COOKIE_NAME].value


def sign_in(visitor: Client, password: str) -> int:
    form = {"username": "ada", "password": password}
    return visitor.post("/accounts/login/", form).status_code


def test_signing_in_changes_the_key_and_opens_the_account(visitor: Client, password: str) -> None:
    visitor.get("/")
    before = session_key(visitor)
    assert sign_in(visitor, password) == 302
    assert session_key(visitor) != before
    assert b"ada" in visitor.get("/accounts/").content


def test_a_wrong_password_signs_nobody_in(visitor: Client, password: str) -> None:
    assert sign_in(visitor, f"{password}x") == 200
    assert visitor.get("/accounts/").status_code == 302


def test_signing_out_ends_the_session_on_the_server(visitor: Client, password: str) -> None:
    sign_in(visitor, password)
    stolen = session_key(visitor)
    assert visitor.post("/accounts/logout/").status_code == 302
    visitor.cookies[settings.SESSION_COOKIE_NAME] = stolen
    assert visitor.get("/accounts/").status_code == 302


def test_only_a_post_signs_out(visitor: Client, password: str) -> None:
    sign_in(visitor, password)
    assert visitor.get("/accounts/logout/").status_code == 405
    assert visitor.get("/accounts/").status_code == 200


def test_a_post_without_the_csrf_token_is_refused(password: str) -> None:
    visitor = Client(
        enforce_csrf_checks=True,
        headers={"Host": "www.example.org", "X-Forwarded-Proto": "https"},
    )
    assert sign_in(visitor, password) == 403


def test_each_demo_user_has_a_password_of_its_own(password: str) -> None:
    output = StringIO()
    call_command("demo_user", "add", "grace", stdout=output)
    assert len(password) >= 24
    assert output.getvalue().strip() != password
    assert authenticate(username="ada", password=password)
    assert not authenticate(username="grace", password=password)


def test_a_taken_name_is_refused(password: str) -> None:
    with pytest.raises(CommandError, match="'ada' is taken"):
        call_command("demo_user", "add", "ada")
    assert authenticate(username="ada", password=password)


def test_only_a_demo_user_is_ever_removed(password: str) -> None:
    users = get_user_model().objects
    users.create_user("root", "root@example.org", "x" * 20)
    with pytest.raises(CommandError, match="no demo user 'root'"):
        call_command("demo_user", "remove", "root")
    call_command("demo_user", "remove", "ada")
    assert [user.username for user in users.all()] == ["root"]


def test_there_is_no_user_until_somebody_makes_one() -> None:
    assert not get_user_model().objects.exists()
