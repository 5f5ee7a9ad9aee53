"""From Django's own engines to the hardened ones and back: nobody is logged out on the way."""

import hashlib
import json
from collections.abc import Callable, Iterator

import pytest
from conftest import Visitor

from stack import CommandError, Stack

STOCK = {"SESSION_LAYER": "stock"}
READ = {"SESSION_LAYER": "hardened", "SESSION_KEYS": "read"}
HASH = {"SESSION_LAYER": "hardened", "SESSION_KEYS": "hash"}

RAW_ROWS = "SELECT count(*) FROM django_session WHERE length(session_key) = 32"


@pytest.fixture
def moving(stack: Stack) -> Iterator[Callable[[str, dict[str, str]], None]]:
    """Return what starts an engine with other settings of the layer; none of them stays."""

    def move(engine: str, settings: dict[str, str]) -> None:
        stack.switch(engine, **settings)

    yield move
    # The next scenario starts its own: an app with the default settings.
    stack.compose("rm", "--stop", "--force", *(c for c in services(stack) if c.startswith("app-")))


def services(stack: Stack) -> list[str]:
    return [c["Config"]["Labels"]["com.docker.compose.service"] for c in stack.containers()]


@pytest.fixture
def signed_in(
    new_visitor: Callable[[], Visitor], users: Callable[[], tuple[str, str]]
) -> Callable[[], Visitor]:
    """Return what makes a visitor who has just signed in, on the first visit."""

    def make() -> Visitor:
        visitor = new_visitor()
        visitor.sign_in(*users())
        assert visitor.visit() == 1
        return visitor

    return make


# Between them they have rows, copies of rows, and Redis alone.
@pytest.mark.parametrize("engine", ["cached_db", "cache"])
def test_a_change_of_layers_logs_nobody_out(
    stack: Stack,
    engine: str,
    moving: Callable[[str, dict[str, str]], None],
    signed_in: Callable[[], Visitor],
) -> None:
    moving(engine, STOCK)
    early, idle = signed_in(), signed_in()
    # Old and new containers serve side by side while one replaces the other, so each must find what
    # the other one wrote: `read` serves after stock, and stock after `read`.
    moving(engine, READ)
    late = signed_in()
    assert (early.visit(), early.signed_in()) == (2, True)
    if engine != "signed_cookies":
        moving(engine, STOCK)
        assert [early.visit(), late.visit()] == [3, 2]
        assert early.signed_in()
        assert late.signed_in()
        moving(engine, READ)
    moving(engine, HASH)
    assert "found until" in stack.compose("logs", f"app-{engine}").stdout
    last = signed_in()
    visits = early.visit()
    assert early.signed_in()
    assert late.signed_in()
    moving(engine, READ)
    assert (last.visit(), early.visit()) == (2, visits + 1)
    moving(engine, HASH)
    everybody = [early, late, idle, last]
    if engine in ("db", "cached_db"):
        assert int(stack.sql(RAW_ROWS)) > 0
        said = stack.execute(f"app-{engine}", "python", "manage.py", "rehash_sessions")
        assert "every row lies under a hash; the grace may end" in said
        assert stack.sql(RAW_ROWS) == "0"
        moving(engine, {**HASH, "SESSION_GRACE": "false"})
    before = [visitor.cookie for visitor in everybody]
    assert [visitor.signed_in() for visitor in everybody] == [True] * 4
    if engine != "signed_cookies":
        assert [visitor.cookie for visitor in everybody] == before


def test_a_stack_that_never_ran_stock_takes_nobodys_word_in_redis(
    stack: Stack,
    moving: Callable[[str, dict[str, str]], None],
    signed_in: Callable[[], Visitor],
    new_visitor: Callable[[], Visitor],
) -> None:
    moving("cache", {})
    victim = signed_in()
    data = json.loads(stored(stack, victim).split("|", 5)[5])
    forged = {name: value for name, value in data.items() if name.startswith("_auth")}
    found = []
    for wrote_keys in ("true", "false"):
        # As after stock, and as on new volumes.
        stack.sql(f"UPDATE engine_engineinforce SET wrote_keys = {wrote_keys}, grace_until = NULL")
        stack.compose("restart", "app-cache")
        stack.wait_healthy("app-cache")
        stack.wait_served()
        thief = new_visitor()
        thief.cookie = "0a" * 16
        stack.redis("SET", f":1:django.contrib.sessions.cache{'0a' * 16}", json.dumps(forged))
        found.append(thief.signed_in())
    assert found == [True, False]
    assert victim.signed_in()


def test_rows_are_not_renamed_while_a_worker_still_writes_keys(
    stack: Stack, moving: Callable[[str, dict[str, str]], None]
) -> None:
    moving("db", READ)
    with pytest.raises(CommandError) as caught:
        stack.execute("app-db", "python", "manage.py", "rehash_sessions")
    assert 'it must be "hash"' in caught.value.output
    assert "Traceback" not in caught.value.output


@pytest.mark.parametrize("engine", ["cached_db", "signed_cookies"])
def test_djangos_own_engines_still_serve(
    stack: Stack,
    engine: str,
    moving: Callable[[str, dict[str, str]], None],
    signed_in: Callable[[], Visitor],
) -> None:
    moving(engine, STOCK)
    visitor = signed_in()
    setting = "from django.conf import settings; print(settings.SESSION_ENGINE)"
    shell = ["python", "manage.py", "shell", "--verbosity=0", "-c", setting]
    in_use = stack.execute(f"app-{engine}", *shell).strip()
    assert in_use == f"django.contrib.sessions.backends.{engine}"
    assert visitor.visit() == 2
    visitor.sign_out()
    assert not visitor.signed_in()
    done = stack.compose("run", "--rm", "--no-TTY", "clearsessions", "once", settings=STOCK)
    assert '"store": "table django_session"' in done.stderr


def test_sessions_are_encrypted_at_rest_where_a_key_is_given(
    stack: Stack,
    moving: Callable[[str, dict[str, str]], None],
    new_visitor: Callable[[], Visitor],
) -> None:
    key = stack.folder / "deploy" / "secrets" / "session_encryption_key"
    moving("cache", {})
    stack.redis("FLUSHALL")
    visitor = new_visitor()
    visitor.visit()
    assert "visits" in stored(stack, visitor)
    key.write_text(f"{'1f' * 32}\n")
    try:
        moving("cache", {})
        stack.compose("restart", "app-cache")
        stack.wait_healthy("app-cache")
        stack.wait_served()
        assert visitor.visit() == 2
        assert "visits" not in stored(stack, visitor)
        assert visitor.visit() == 3
    finally:
        key.unlink()
        stack.redis("FLUSHALL")


def stored(stack: Stack, visitor: Visitor) -> str:
    """Return a visitor's session as it lies in Redis."""
    return stack.redis("GET", f"session:{hashlib.sha256(visitor.cookie.encode()).hexdigest()[:40]}")
