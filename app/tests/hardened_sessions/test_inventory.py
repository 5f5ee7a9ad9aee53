"""Whose sessions are these: the list, and every way to end what is on it."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from hardened_sessions import inventory
from hardened_sessions.clearing.ended import remove_ended
from hardened_sessions.errors import SessionUnavailableError
from hardened_sessions.format import visitor
from hardened_sessions.models import SignedInSession, SignOutEpoch
from hardened_sessions.revocation import users
from hardened_sessions.revocation.feed import feed
from hardened_sessions.revocation.users import TABLE
from tests.hardened_sessions.conftest import Browser, MakeSession, engines
from tests.hardened_sessions.test_checks import caches
from tests.hardened_sessions.test_drop_in import TENANT, by_tenant

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

type User = Any


def signed_in(name: str = "ada", **meta: str) -> Browser:
    """Return a browser in which that user signed in."""
    browser = Browser()
    browser.client = Client(raise_request_exception=False, **meta)  # type: ignore[arg-type]
    assert browser.get(f"/sign_in?name={name}").content == b"in"
    return browser


def who(browser: Browser) -> str:
    """Return who the site takes the browser for, or the status of its refusal."""
    answer = browser.get("/who")
    text: str = answer.content.decode() if answer.status_code == 200 else str(answer.status_code)
    return text


def elsewhere() -> None:
    """Go on as a process that knows nothing but what the stores say."""
    feed().forget()
    users.epochs().forget()


@pytest.fixture
def ada(store: MakeSession) -> User:
    return get_user_model().objects.create_user("ada", password="p" * 20)


@pytest.fixture
def bob(store: MakeSession) -> User:
    return get_user_model().objects.create_user("bob", password="p" * 20)


def test_a_sign_in_is_listed_and_ends_by_its_row(store: MakeSession, ada: User, bob: User) -> None:
    one = signed_in(HTTP_USER_AGENT=FIREFOX, REMOTE_ADDR="192.0.2.77")
    two, others = signed_in(), signed_in("bob")
    assert one.get("/write").content == b"1"
    (second, first) = inventory.sessions_of(ada)
    assert (first.client, first.address) == ("Firefox on Linux", "192.0.2.0/24")
    assert first.backend == "django.contrib.auth.backends.ModelBackend"
    everything = str(list(SignedInSession.objects.values()))
    assert not any(browser.cookie in everything for browser in (one, two, others))
    inventory.end_session(first)
    assert [row.name for row in inventory.sessions_of(ada)] == [second.name]
    elsewhere()
    assert [who(one), who(two), who(others)] == ["nobody", "ada", "bob"]
    two.get("/sign_out")
    assert inventory.sessions_of(ada) == []
    assert len(inventory.sessions_of(bob)) == 1


def test_what_ended_is_cleared_off_the_list(store: MakeSession, ada: User) -> None:
    stays, goes = signed_in(), signed_in()
    goes.get("/sign_out")
    remove_ended()
    assert SignedInSession.objects.count() == 2  # it may be listed a moment before it is there
    SignedInSession.objects.update(created="2026-01-01T00:00Z")
    remove_ended()
    (row,) = SignedInSession.objects.all()
    inventory.end_session(row)
    assert who(stays) == "nobody"


def test_a_new_key_stays_one_entry(store: MakeSession, ada: User) -> None:
    browser = signed_in()
    (before,) = inventory.sessions_of(ada)
    browser.get("/sign_in")
    browser.get("/new_password?password=q")
    (after,) = inventory.sessions_of(ada)
    assert who(browser) == "ada"
    assert after.created == before.created
    assert after.name != before.name
    assert SignedInSession.objects.count() == 1


def test_the_others_end_and_this_one_goes_on(store: MakeSession, ada: User) -> None:
    this, other = signed_in(), signed_in()
    SignedInSession.objects.all().delete()  # what is not listed ends too
    assert this.get("/end_others").content == b"ended"
    assert len(inventory.sessions_of(ada)) == 1
    for _ in range(2):
        assert [who(this), who(other)] == ["ada", "nobody"]
        elsewhere()
    assert this.get("/end_others").content == b"ended"
    assert who(this) == "ada"
    inventory.end_all_of(ada)
    assert who(this) == "nobody"


def deactivate(ada: User) -> None:
    get_user_model().objects.filter(pk=ada.pk).update(is_active=False)
    assert SignOutEpoch.objects.filter(user_id=str(ada.pk)).exists()
    get_user_model().objects.filter(pk=ada.pk).update(is_active=True)


def new_password_by_sql(ada: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE auth_user SET password = 'x' WHERE id = %s", [ada.pk])
        cursor.execute("UPDATE auth_user SET password = %s WHERE id = %s", [ada.password, ada.pk])


def delete(ada: User) -> None:
    get_user_model().objects.filter(pk=ada.pk).delete()
    get_user_model().objects.create_user("ada", pk=ada.pk).save()
    get_user_model().objects.filter(pk=ada.pk).update(password=ada.password)


def end_all(ada: User) -> None:
    call_command("end_sessions", all=True)


def by_name(ada: User) -> None:
    call_command("end_sessions", user="ada")


@pytest.mark.parametrize(
    "end", [inventory.end_all_of, deactivate, new_password_by_sql, delete, end_all, by_name]
)
def test_all_of_a_users_sessions_end_and_stay_dead(
    store: MakeSession, ada: User, bob: User, end: Callable[[User], None]
) -> None:
    one, others = signed_in(), signed_in("bob")
    stranger = Browser()
    assert stranger.get("/write").content == b"1"
    assert who(one) == "ada"
    SignedInSession.objects.all().delete()
    started = time.monotonic()
    end(ada)
    assert time.monotonic() - started < 1.0
    feed().read_at = float("-inf")  # as a second later
    assert [who(one), who(others)] == ["nobody", "nobody" if end is end_all else "bob"]
    assert inventory.sessions_of(ada) == []
    assert stranger.get("/write").content == b"2"
    again = signed_in()  # who signs in afterwards is signed in
    elsewhere()
    assert who(again) == "ada"
    assert len(inventory.sessions_of(ada)) == 1


def test_other_processes_hear_of_it_within_two_seconds(store: MakeSession, ada: User) -> None:
    browser = signed_in()
    assert who(browser) == "ada"
    with connection.cursor() as cursor:  # as another process would, whom this one does not hear
        cursor.execute("UPDATE auth_user SET is_active = FALSE")
        cursor.execute("UPDATE auth_user SET is_active = TRUE")
    deadline = time.monotonic() + 2.5
    while who(browser) != "nobody":
        assert time.monotonic() < deadline


def test_reading_costs_no_further_statement(store: MakeSession, engine: str, ada: User) -> None:
    browser = signed_in()
    counts = []
    for name in ("/read", "/read"):
        feed().current()
        feed().read_at = time.monotonic() + 60
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(name).status_code == 200
        counts.append(len(queries))
        feed().read_at = time.monotonic()
    assert counts[-1] == (1 if engine == "db" else 0)


@engines("cached_db")
def test_more_epochs_than_a_process_keeps_are_read_by_user(
    store: MakeSession, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users, "MOST", 3)
    SignOutEpoch.objects.bulk_create(SignOutEpoch(user_id=f"u{n}", epoch=1) for n in range(5))
    browser = signed_in()
    users.epochs().forget()
    assert who(browser) == "ada"
    users.end(ada.pk)
    assert who(browser) == "nobody"
    again = signed_in()
    users.epochs().forget()
    assert who(again) == "ada"


@engines("cached_db")
def test_a_user_of_another_tenant_with_the_same_key_is_another_one(
    store: MakeSession, settings: Settings
) -> None:
    """With a schema for each tenant, of which this process serves all."""
    settings.CACHES = caches(KEY_FUNCTION=f"{by_tenant.__module__}.by_tenant")
    assert users.counts(1, 5)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA b CREATE TABLE {TABLE} (LIKE public.{TABLE})")
            cursor.execute(f"INSERT INTO b.{TABLE} VALUES ('1', 10)")
            cursor.execute("SET search_path TO b, public")
        TENANT[0] = "b"
        assert not users.counts(1, 5)
    finally:
        TENANT[0] = "a"
        with connection.cursor() as cursor:
            cursor.execute("SET search_path TO public")
            cursor.execute("DROP SCHEMA b CASCADE")
    assert users.counts(1, 5)


@engines("cached_db")
def test_a_user_with_ten_thousand_sessions_ends_as_fast_as_any(
    store: MakeSession, ada: User
) -> None:
    browser = signed_in()
    (row,) = inventory.sessions_of(ada)
    kept = {field.name: getattr(row, field.name) for field in row._meta.fields}
    SignedInSession.objects.bulk_create(
        SignedInSession(**{**kept, "name": f"{n:040x}"}) for n in range(10_000)
    )
    with CaptureQueriesContext(connection) as queries:
        inventory.end_all_of(ada)
    assert len(queries) == 2
    assert who(browser) == "nobody"
    assert inventory.sessions_of(ada) == []


def test_without_the_table_nobody_decides_and_the_reason_is_named(
    store: MakeSession, engine: str, ada: User, caplog: pytest.LogCaptureFixture
) -> None:
    browser = signed_in()
    cookie = browser.cookie
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE hardened_sessions_signoutepoch RENAME TO away")
    try:
        elsewhere()
        with pytest.raises(SessionUnavailableError, match=r"run manage\.py migrate"):
            inventory.end_all_of(ada)
        assert who(browser) == "503"
        assert browser.cookie == cookie
        assert Browser().get("/read").status_code == 200  # nobody's needs no user
        with pytest.raises(CommandError, match=r"run manage\.py migrate"):
            call_command("end_sessions", all=True)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO hardened_sessions_signoutepoch")
    assert who(browser) == "ada"


@engines("cached_db")
def test_sessions_end_by_age_and_idleness(store: MakeSession, ada: User) -> None:
    one, two = signed_in(), signed_in()
    (_, first) = inventory.sessions_of(ada)
    SignedInSession.objects.filter(name=first.name).update(
        created="2026-01-01T00:00Z", last_seen="2026-01-01T00:00Z"
    )
    call_command("end_sessions", before="2026-01-02")
    assert [who(one), who(two)] == ["nobody", "ada"]
    call_command("end_sessions", "--idle=3600")
    assert who(two) == "ada"
    call_command("end_sessions", "--idle=0")
    assert who(two) == "nobody"


@engines("cached_db")
@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("--user=eve", "no user 'eve'"),
        ("--before=yesterday", "--before is 'yesterday'; it may be"),
        ("--idle=-1", "a number of seconds"),
    ],
)
def test_the_command_refuses_in_one_line(store: MakeSession, wanted: str, says: str) -> None:
    with pytest.raises(CommandError, match=says):
        call_command("end_sessions", wanted)


@pytest.mark.parametrize(
    ("meta", "client", "network"),
    [
        ({}, "", ""),
        ({"HTTP_USER_AGENT": "x" * 65_536, "REMOTE_ADDR": "a" * 65_536}, "x" * 30, ""),
        ({"HTTP_USER_AGENT": "\x00<b>\r\n", "REMOTE_ADDR": "\x00"}, "", ""),
        (
            {"HTTP_USER_AGENT": "curl/8.14", "REMOTE_ADDR": "2001:db8:1:2::3"},
            "curl",
            "2001:db8:1::/48",
        ),
        ({"REMOTE_ADDR": "fe80::1%eth0"}, "", "fe80::/48"),
        ({"REMOTE_ADDR": "::ffff:192.0.2.9"}, "", "192.0.2.0/24"),
        (
            {"REMOTE_ADDR": "6.6.6.6, 192.0.2.9"},
            "",
            "192.0.2.0/24",
        ),  # the first is the client's word
    ],
)
def test_of_browser_and_address_little_is_kept(
    meta: dict[str, str], client: str, network: str
) -> None:
    assert (visitor.client(meta), visitor.network(meta)) == (client, network)


@engines("cached_db")
def test_the_longest_name_of_a_user_has_an_epoch(store: MakeSession) -> None:
    name = f"{'a' * 240}@example.org"
    assert users.counts(name, 0)
    users.end(name)
    assert not users.counts(name, 0)
