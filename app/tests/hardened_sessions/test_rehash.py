"""Renaming rows to hashes: a step at a time, and whoever is at it keeps the session."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command

from hardened_sessions.format.keys import hashed
from tests.hardened_sessions.conftest import FOUND, MakeSession, engines, rows, stock_store


def stock_rows(number: int) -> list[str]:
    """Return the keys of that many sessions, each under its key."""
    keys = []
    for n in range(number):
        session = stock_store("db")()
        session["n"] = n
        session.save()
        keys.append(session.session_key or "")
    return keys


@engines("db", "cached_db")
def test_rows_are_renamed_to_hashes_in_steps(
    store: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "hardened_sessions.management.commands.rehash_sessions"
    monkeypatch.setattr(f"{module}.PAGES", 1)
    monkeypatch.setattr(f"{module}.PAUSE_SECONDS", 0.0)
    keys = stock_rows(60)
    out = StringIO()
    call_command("rehash_sessions", stdout=out)
    assert set(rows()) == {hashed(key) for key in keys}
    assert out.getvalue().count("\n") > 2
    assert out.getvalue().endswith("every row lies under a hash; the grace may end\n")
    assert [store(key)["n"] for key in keys] == list(range(60))


@engines("db")
def test_a_row_in_use_keeps_its_name_and_is_reported(
    store: MakeSession, other: psycopg.Connection[Any]
) -> None:
    keys = stock_rows(5)
    with other.transaction():
        other.execute("SELECT 1 FROM django_session WHERE session_key = %s FOR UPDATE", [keys[2]])
        with pytest.raises(CommandError, match="1 rows were in use; run this again"):
            call_command("rehash_sessions", verbosity=0)
    assert set(rows()) == {hashed(key) for key in keys} - {hashed(keys[2])} | {keys[2]}
    call_command("rehash_sessions", verbosity=0)
    assert set(rows()) == {hashed(key) for key in keys}


@engines("db")
def test_while_one_form_is_read_nothing_is_renamed(
    store: MakeSession, options: Callable[..., None]
) -> None:
    keys = stock_rows(3)
    options(KEYS="read")
    with pytest.raises(CommandError, match="it must be"):
        call_command("rehash_sessions")
    assert set(rows()) == set(keys)


@engines("db", "cached_db")
def test_a_request_under_way_saves_a_row_that_was_renamed_meanwhile(
    store: MakeSession, options: Callable[..., None]
) -> None:
    options(**FOUND)
    (key,) = stock_rows(1)
    session: Any = store(key)
    assert session["n"] == 0
    call_command("rehash_sessions", verbosity=0)
    session["n"] = 5
    session.save()
    assert store(key)["n"] == 5
    assert list(rows()) == [hashed(key)]
