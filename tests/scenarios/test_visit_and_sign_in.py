"""A visitor on each engine: the counter counts, signing in and out holds, a cookie may be large."""

from collections.abc import Callable
from http.cookies import SimpleCookie

import pytest
from conftest import SESSION_COOKIE, Visitor

from stack import Stack, eventually


def test_visits_are_counted_for_each_visitor(
    site: Stack, new_visitor: Callable[[], Visitor]
) -> None:
    one, other = new_visitor(), new_visitor()
    assert [one.visit(), one.visit(), other.visit(), one.visit()] == [1, 2, 1, 3]


def test_the_page_names_the_engine_that_runs(site: Stack, engine: str, visitor: Visitor) -> None:
    assert f"<code>{engine}</code>" in visitor.http.get("/").text


def test_the_session_cookie_is_for_https_and_this_host_alone(site: Stack, visitor: Visitor) -> None:
    cookie = SimpleCookie(visitor.http.get("/").headers["Set-Cookie"])[SESSION_COOKIE]
    assert cookie["secure"]
    assert cookie["httponly"]
    assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/", "", "Lax")


def test_signing_in_and_out(site: Stack, visitor: Visitor, user: tuple[str, str]) -> None:
    visitor.visit()
    anonymous = visitor.cookie
    assert visitor.sign_in(*user).status_code == 302
    assert visitor.signed_in()
    assert visitor.cookie != anonymous
    assert visitor.visit() == 2
    assert visitor.sign_out().status_code == 302
    assert not visitor.signed_in()


def test_a_cookie_from_before_signing_out_is_dead_afterwards(
    site: Stack, engine: str, layer: str, new_visitor: Callable[[], Visitor], user: tuple[str, str]
) -> None:
    visitor, thief = new_visitor(), new_visitor()
    visitor.sign_in(*user)
    assert visitor.cookie
    thief.cookie = visitor.cookie
    assert thief.signed_in()
    visitor.sign_out()
    if engine != "signed_cookies":
        assert not thief.signed_in()
    elif layer == "stock":
        # They can't be revoked: signing out only asks the browser to forget.
        assert thief.signed_in()
    else:
        # Each process reads the list of the revoked once a second.
        assert eventually(lambda: not thief.signed_in(), 10)
        assert not any(thief.signed_in() for _ in range(20))


def test_a_session_of_almost_4_kb_fits_into_a_signed_cookie_both_ways(
    site: Stack, engine: str, visitor: Visitor
) -> None:
    if engine != "signed_cookies":
        pytest.skip("the cookie of this engine is a key")
    # 2,800 random bytes do not compress: signed and encoded, they are 3.9 KB.
    script = """
import base64, os
from django.contrib.sessions.backends.signed_cookies import SessionStore
store = SessionStore()
store["blob"] = base64.b64encode(os.urandom(2800)).decode()
store["visits"] = 41
store.save()
print(store.session_key)
"""
    shell = ["python", "manage.py", "shell", "--verbosity=0", "-c", script]
    visitor.cookie = site.execute("app-signed_cookies", *shell).strip()
    answer = visitor.http.get("/")
    assert answer.status_code == 200
    assert 'data-visits="42"' in answer.text
    sent = SimpleCookie(answer.headers["Set-Cookie"])[SESSION_COOKIE].value
    assert 3700 < len(SESSION_COOKIE) + len(sent) <= 4096


def test_a_wrong_password_signs_nobody_in(
    site: Stack, visitor: Visitor, user: tuple[str, str]
) -> None:
    name, password = user
    assert visitor.sign_in(name, f"{password}x").status_code == 200
    assert not visitor.signed_in()
