"""The comparison: recorded facts, and a measurement on the spot."""

import re
from xml.etree import ElementTree

import pytest
from django.conf import settings
from django.test import Client

from lab import measure as measuring
from lab.facts import FACTS, recorded, survivals, table
from lab.measure import BusyError, measure, reachable
from session_stack.layers import LAYERS, engines
from tests.lab.visiting import stored, text_of

ENGINES = engines("hardened")

pytestmark = pytest.mark.django_db


def test_every_recorded_fact_is_a_row_and_every_row_is_recorded() -> None:
    facts = {fact.name for fact in FACTS}
    for layer in LAYERS:
        results = recorded(layer)
        assert set(results) == facts, layer
        for name, answers in results.items():
            assert set(answers) <= set(ENGINES), name
            assert answers, name


@pytest.mark.lesson(10)
def test_the_page_says_what_was_recorded(visitor: Client) -> None:
    page = text_of(visitor.get("/compare/"))
    assert re.findall(r'<th scope="col"[^>]*><code>(\w+)</code>', page) == [*ENGINES]
    words = {True: "yes", False: "no", None: "–"}
    for fact, answers in table():
        row = page.split(f'<th scope="row">{fact.question}</th>')[1].split("</tr>")[0]
        assert re.findall(r'<span class="mark [a-z]*">(.+?)</span>', row) == [
            words[recorded(settings.ENV.session_layer)[fact.name].get(backend)]
            for backend in ENGINES
        ]
        assert [answer.word for answer in answers] == re.findall(r'">(.+?)</span>', row)


def test_home_tells_what_a_session_outlives() -> None:
    lives, dies = survivals("cache")
    assert "Redis restart" in lives
    assert dies == ["Redis emptied"]


def test_a_layer_that_nobody_measured_claims_nothing() -> None:
    unheard: str | str = "unheard-of"
    assert recorded(unheard) == {}


def test_measuring_shows_each_engine_in_reach(engine: str, visitor: Client) -> None:
    before = stored()
    page = text_of(visitor.post("/compare/"))
    redis = ("cache", "cached_db")
    reached = [b for b in ENGINES if engine in redis or b not in redis]
    assert re.findall(r'data-measured="([a-z_]+)"', page) == reached
    assert stored() == before
    svg = ElementTree.fromstring(re.search(r"<svg.*?</svg>", page, re.DOTALL)[0])  # type: ignore[index]
    texts = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    for result in reached:
        assert any(text and text.startswith(f"{result}, load: ") for text in texts)
        assert any(text and text.startswith(f"{result}, save: ") for text in texts)
    widths = [bar.get("width", "") for bar in svg.iter("{http://www.w3.org/2000/svg}rect")]
    assert all(re.fullmatch(r"[\d.]+%", width) for width in widths)


def test_what_is_measured_is_plausible(use) -> None:
    use("db")
    for result in measure():
        for timing in (result.load, result.save):
            assert 0 < timing.median <= timing.p95
        assert 100 < result.size < 2000


def test_an_engine_out_of_reach_is_not_measured(use, settings, visitor: Client) -> None:
    use("db")
    settings.SESSION_FILE_PATH = "/nowhere"
    assert reachable() == ["db", "signed_cookies"]
    page = text_of(visitor.get("/compare/"))
    assert re.search(r"Not in reach of this one: .*file", page)


def test_two_measurements_at_once_are_one_too_many(visitor: Client) -> None:
    with measuring._one_at_a_time:
        with pytest.raises(BusyError):
            measure()
        answer = visitor.post("/compare/")
    assert answer.status_code == 429
    assert answer["Retry-After"]
    assert "Too many at once" in text_of(answer)
    assert visitor.post("/compare/").status_code == 200
