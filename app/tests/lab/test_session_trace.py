"""What a request's session cost, as `Server-Timing` says it."""

import json
import re
import time
from pathlib import Path

import pytest
from django.test import Client

from tests import hardened_sessions as hardened
from tests.lab.visiting import STOCK, text_of

pytestmark = pytest.mark.django_db

HEADER = re.compile(
    r"session-load;dur=(\d+\.\d\d), session-save;dur=(\d+\.\d\d), "
    r'session-sql;desc="(\d+)", session-redis;desc="(\d+)"'
)

BUDGETS = json.loads((Path(hardened.__file__).parent / "round_trips.json").read_text())


def numbers(operation: str) -> dict[str, tuple[int, int]]:
    """Return how many SQL statements and Redis commands an operation takes, for each engine."""
    return {engine: (len(sql), len(redis)) for engine, (sql, redis) in BUDGETS[operation].items()}


READS, WRITES = numbers("load"), numbers("save")
if STOCK:
    WRITES["cache"] = (0, 2)
# Django's engine begins and ends a transaction; within a test's, that is two more statements.
SAVEPOINT = 2 if STOCK else 0


def cost(visitor: Client, path: str) -> tuple[float, float, int, int]:
    match = HEADER.fullmatch(visitor.get(path)["Server-Timing"])
    assert match
    return float(match[1]), float(match[2]), int(match[3]), int(match[4])


def test_calls_are_counted_where_the_session_caused_them(
    engine: str, visitor: Client, ada: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not STOCK and engine in ("cached_db", "signed_cookies"):
        pytest.skip("copies and feed want committed transactions; the layer's own tests count them")
    visitor.force_login(ada)  # type: ignore[arg-type]
    visitor.get("/")
    if not STOCK:
        from hardened_sessions.revocation.feed import feed

        # Which a process reads once a second: on a slow machine between these visits too.
        monkeypatch.setattr(feed(), "read_at", time.monotonic() + 60)
    reads, writes = READS[engine], WRITES[engine]
    load, save, sql, redis = cost(visitor, "/cart/")
    # The catalogue and the user are asked of Postgres too, and not by the session.
    assert (sql, redis) == reads
    assert load > 0
    assert save == 0
    load, save, sql, redis = cost(visitor, "/")
    savepoint = SAVEPOINT * writes[0]
    assert (sql, redis) == (reads[0] + writes[0] + savepoint, reads[1] + writes[1])
    assert load > 0
    assert save > 0


@pytest.mark.lesson(17)
def test_a_visit_without_a_cookie_asks_no_store(engine: str, visitor: Client) -> None:
    assert cost(visitor, "/values/")[2:] == (0, 0)


@pytest.mark.lesson(18)
def test_the_page_says_what_its_own_request_did(engine: str, visitor: Client) -> None:
    page = text_of(visitor.get("/"))
    assert 'data-modified="yes"' in page
    assert 'data-saved="yes"' in page
    assert "__Host-sessionid=" in page.split("data-set-cookie>")[1]
    page = text_of(visitor.get("/compare/"))
    assert 'data-accessed="yes"' in page
    assert 'data-saved="no"' in page
    assert "data-set-cookie" not in page
