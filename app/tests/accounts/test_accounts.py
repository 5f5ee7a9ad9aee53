"""Signing in and out, and the demo user."""

import re
from io import StringIO

import pytest
from django.conf import settings
from django.contrib.auth import authenticate, get_user_model
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.fingerprint import fingerprint

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


def steps(page: bytes) -> list[tuple[str, str, str]]:
    """Return each step with the fingerprints before and after it."""
    row = re.compile(
        rb'data-step="([a-z ]+)">.*?<code>(\w+)</code>.*?<code>(\w+)</code></td></tr>', re.DOTALL
    )
    return [
        (match[1].decode(), match[2].decode(), match[3].decode()) for match in row.finditer(page)
    ]


def change_password(visitor: Client, old: str, new: str, again: str | None = None) -> bytes:
    form = {"old_password": old, "new_password1": new, "new_password2": again or new}
    return visitor.post("/accounts/password/", form, follow=True).content


def test_each_step_shows_the_fingerprint_before_and_after(visitor: Client, password: str) -> None:
    visitor.get("/")
    anonymous = fingerprint(session_key(visitor))
    assert anonymous.encode() in visitor.get("/accounts/login/").content
    sign_in(visitor, password)
    signed_in = fingerprint(session_key(visitor))
    page = visitor.get("/accounts/").content
    assert steps(page) == [("signed in", anonymous, signed_in)]
    page = change_password(visitor, password, "a long and new password")
    changed = fingerprint(session_key(visitor))
    assert steps(page) == [
        ("signed in", anonymous, signed_in),
        ("changed the password", signed_in, changed),
    ]
    assert len({anonymous, signed_in, changed}) == 3
    assert session_key(visitor).encode() not in page
    page = visitor.post("/accounts/logout/", follow=True).content
    assert f'data-before="{changed}"'.encode() in page
    assert b'data-fingerprint=""' in page


def test_signing_in_without_a_session_comes_from_no_key(visitor: Client, password: str) -> None:
    sign_in(visitor, password)
    assert steps(visitor.get("/accounts/").content) == [
        ("signed in", "none", fingerprint(session_key(visitor)))
    ]


def test_a_new_password_ends_every_other_session(visitor: Client, password: str) -> None:
    other = Client(headers={"Host": "www.example.org", "X-Forwarded-Proto": "https"})
    sign_in(visitor, password)
    sign_in(other, password)
    change_password(visitor, password, "a long and new password")
    assert visitor.get("/accounts/").status_code == 200
    assert other.get("/accounts/").status_code == 302
    assert authenticate(username="ada", password="a long and new password")


@pytest.mark.parametrize(
    ("old", "new", "again", "field"),
    [
        ("wrong", "a long and new password", None, "old_password"),
        (None, "too short", None, "new_password2"),
        (None, "123456789012345", None, "new_password2"),
        (None, "a long and new password", "another password", "new_password2"),
    ],
)
def test_a_password_that_may_not_be_is_said_beside_the_field_and_changes_nothing(
    visitor: Client, password: str, old: str | None, new: str, again: str | None, field: str
) -> None:
    sign_in(visitor, password)
    key = session_key(visitor)
    page = change_password(visitor, old or password, new, again)
    assert f'id="id_{field}_error"'.encode() in page
    assert f'value="{new}"'.encode() not in page
    assert session_key(visitor) == key
    assert authenticate(username="ada", password=password)


def test_nobody_changes_a_password_without_signing_in(visitor: Client) -> None:
    assert visitor.get("/accounts/password/")["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("before", ["<script>", "0" * 13, "g" * 12, "", "0123456789ab\n"])
def test_only_a_fingerprint_is_taken_from_the_address(visitor: Client, before: str) -> None:
    page = visitor.get("/accounts/signed-out/", {"before": before}).content
    assert b'data-before=""' in page
    assert not visitor.cookies.get(settings.SESSION_COOKIE_NAME)


def test_the_name_that_was_typed_stays_after_a_wrong_password(
    visitor: Client, password: str
) -> None:
    form = {"username": "ada", "password": f"{password}x"}
    page = visitor.post("/accounts/login/", form).content
    assert b'value="ada"' in page
    assert f"{password}x".encode() not in page
    assert b"Please enter a correct username and password" in page
