"""Four questions, one engine."""

from itertools import product

import pytest
from django.core.cache.backends import memcached
from django.core.cache.backends.base import BaseCache
from django.test import Client

from lab.lessons import choose as lesson
from session_stack.layers import engines as names
from tests.lab.visiting import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.lesson(31, 33)]

RARE, OFTEN = 1, 100_000


@pytest.mark.parametrize(
    ("answers", "engine"),
    [
        (("yes", "no", "no", RARE), "db"),
        (("yes", "yes", "yes", RARE), "db"),
        (("yes", "no", "no", OFTEN), "cached_db"),
        (("yes", "yes", "yes", OFTEN), "cache"),
        (("one", "no", "no", OFTEN), "file"),
        (("no", "no", "no", RARE), "signed_cookies"),
        (("no", "yes", "no", RARE), "cache"),
    ],
)
def test_the_answers_lead_to_one_engine_with_its_reason(
    visitor: Client, answers: tuple[str, str, str, int], engine: str
) -> None:
    database, contents, loss, rate = answers
    query = f"database={database}&contents={contents}&loss={loss}&rate={rate}"
    page = text_of(visitor.get(f"/choose/?{query}"))
    choice = lesson.choose(database, contents, loss, rate)
    assert choice.engine == engine
    assert f"<code data-choice>{engine}</code>" in page
    assert choice.reason in page
    assert choice.changes in page


def test_the_rate_at_which_the_answer_changes_follows_from_the_bench() -> None:
    costs = lesson.microseconds()
    saved = costs["db"]["hardened"]["read"] - costs["cached_db"]["hardened"]["read"]
    at = lesson.pays_from()
    assert abs(at * saved / 1e6 - lesson.PAYS_AT_PROCESSORS) < 0.03
    assert lesson.choose("yes", "no", "no", at - 1).engine == "db"
    assert lesson.choose("yes", "no", "no", at).engine == "cached_db"


def test_every_combination_has_an_answer() -> None:
    engines = {
        lesson.choose(database, contents, loss, rate).engine
        for database, contents, loss, rate in product(
            ("yes", "one", "no"), ("yes", "no"), ("yes", "no"), (RARE, OFTEN)
        )
    }
    assert engines == set(names("hardened"))


@pytest.mark.parametrize("rate", ["-1", "many", "", "1000001"])
def test_a_rate_that_is_none_is_told_so_beside_the_field(visitor: Client, rate: str) -> None:
    answer = visitor.get(
        "/choose/", {"database": "yes", "contents": "no", "loss": "no", "rate": rate}
    )
    assert answer.status_code == 200
    page = text_of(answer)
    assert "data-choice" not in page
    assert 'aria-invalid="true"' in page


def test_memcached_is_answered_too(visitor: Client) -> None:
    page = text_of(visitor.get("/choose/"))
    for name in ("PyMemcacheCache", "PyLibMCCache"):
        assert f"<code>{name}</code>" in page
        assert issubclass(getattr(memcached, name), BaseCache)
