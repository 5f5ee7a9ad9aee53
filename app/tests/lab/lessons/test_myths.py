"""Each statement of tutorials is disproved by code that runs."""

from typing import Any

import pytest
from django.test import Client

from lab.lessons.myths import MYTHS, keys
from tests.lab.visiting import stored, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.lesson(21, 42)]

SAYS = {
    "files": "KEY holds ",
    "redis": 'django.contrib.sessions.cacheKEY holds {"cart": ["apple"]}',
    "keys": "Redis",
    "encrypted": 'without any key: {"cart":["apple"]}',
    "truncated": "whole: it is the browser that drops it",
    "order": "authentication middleware requires session middleware",
    "as-safe-as-rows": "cache: signed out, cached_db: still signed in",
    "ends-on-the-server": "file: no, signed_cookies: no",
    "reading-renews": "the row’s end moved: False",
    "slides": "stored: str, a moment",
    "for-everybody": "key None, to be saved: False",
    "any-object": "Object of type timedelta is not JSON serializable",
}


def test_every_proof_says_what_the_statement_denies(engine: str, visitor: Client) -> None:
    visitor.get("/compare/")  # the first connection to Redis
    before = stored()
    page = text_of(visitor.post("/myths/"))
    assert stored() == before
    assert {myth.slug for myth in MYTHS} == set(SAYS)
    for myth in MYTHS:
        assert SAYS[myth.slug] in myth.proof()
        assert SAYS[myth.slug] in page
        assert myth.statement in page


@pytest.mark.lesson(30)
def test_keys_is_refused_where_redis_has_rights_as_here(use: Any, redis_server: Any) -> None:
    use("cache")
    with redis_server.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "-keys")
        try:
            assert "no permissions to run the 'keys' command" in keys()
        finally:
            client.execute_command("ACL", "SETUSER", "default", "+keys")


def test_nothing_runs_until_somebody_asks(visitor: Client) -> None:
    page = text_of(visitor.get("/myths/"))
    assert "data-said" not in page
    assert all(myth.code in page for myth in MYTHS)
