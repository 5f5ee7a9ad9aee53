"""The engine of sixty lines keeps Django's contract, and lacks what the page says."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.backends.base import SessionBase
from django.test import Client

from lab.lessons import custom_engine, sqlite_engine
from session_stack.layers import engines
from tests.hardened_sessions.test_contract import *  # noqa: F403 - each runs here once more
from tests.lab.visiting import STOCK, text_of

pytestmark = pytest.mark.lesson(15, 22)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str) -> Callable[..., Any]:
    """Return what makes sessions of the small engine, in a file of the test's own."""
    monkeypatch.setattr(sqlite_engine.SessionStore, "path", tmp_path / "lesson.sqlite3")
    return sqlite_engine.SessionStore


@pytest.fixture(params=["sqlite"])
def engine(request: pytest.FixtureRequest) -> str:
    word: str = request.param
    return word


def test_it_has_sixty_lines_at_most_and_stands_on_django_alone() -> None:
    source = custom_engine.source()
    assert sum(bool(line.strip()) for line in source.splitlines()) <= 60
    assert sqlite_engine.SessionStore.__bases__ == (SessionBase,)
    imported = {
        node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)
    }
    assert {module for module in imported if module and module.startswith("django")} == {
        "django.contrib.sessions.backends.base"
    }


def test_clearing_removes_what_expired_alone(store: Callable[..., Any]) -> None:
    old, new = store(), store()
    old.set_expiry(-1)
    old.save()
    new.save()
    store.clear_expired()  # type: ignore[attr-defined]
    assert not store().exists(old.session_key)
    assert store().exists(new.session_key)


@pytest.mark.django_db
@pytest.mark.parametrize("running", engines("hardened"))
def test_the_page_runs_it_and_shows_what_it_lacks(
    store: Callable[..., Any], visitor: Client, use: Any, running: str
) -> None:
    use(running)
    assert "def load(self)" in text_of(visitor.get("/custom-engine/"))
    page = text_of(visitor.post("/custom-engine/"))
    assert "['apple']" in page
    shown = {lack.title: lack for lack in custom_engine.lacks()}
    lacks = list(shown.values())
    assert [lack.here for lack in lacks] == [
        "the key itself",
        "the cart is lost",
        "unable to open database file: a 500 for the visitor",
        "Ada’s key opens a session of Bob",
    ]
    for lack in lacks:
        assert lack.here in page
        assert lack.running in page
    if not STOCK and running != "signed_cookies":
        assert [lack.running for lack in lacks[:2]] == ["only its hash", "both are kept"]
    with_rows = store.execute("SELECT count(*) FROM session")  # type: ignore[attr-defined]
    assert with_rows == [(0,)]
