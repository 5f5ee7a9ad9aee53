"""What visitors get while a store is away, and what has become of their sessions after it.

The results stand in app/lab/recorded/outages.json, which the README shows. To record them anew:

    .venv/bin/pytest tests/scenarios/test_outages.py --record
    .venv/bin/pytest tests/scenarios/test_outages.py --record --layer stock
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from conftest import LAYERS, RECORDED, SESSION_COOKIE, SIGN_OUT_SECONDS, VISITS, Visitor, eventually

from stack import ENGINES, ROOT, Stack

FACTS = RECORDED / "outages.json"
README = ROOT / "README.md"

# Longer than the layer believes a copy without asking; and longer than any answer may take.
OUTAGE_SECONDS = 4.0
ANSWER_SECONDS = 5.0

# From best to worst: what stands in the facts is the worst that a visitor met.
PAGES = ("served", "503", "500", "hangs", "signed out")


@contextmanager
def stopped(stack: Stack, service: str) -> Iterator[None]:
    stack.compose("stop", "--timeout", "5", service)
    try:
        yield
    finally:
        stack.compose("start", service)


@contextmanager
def hanging(stack: Stack, service: str) -> Iterator[None]:
    stack.execute(service, "sh", "-c", "kill -STOP -1")
    try:
        yield
    finally:
        stack.execute(service, "sh", "-c", "kill -CONT -1")


@contextmanager
def restarted_empty(stack: Stack, service: str) -> Iterator[None]:
    stack.redis("FLUSHALL")
    stack.compose("restart", service)
    yield


OUTAGES: dict[str, tuple[Callable[[Stack, str], Any], str]] = {
    "Redis stopped": (stopped, "redis"),
    "Redis hanging": (hanging, "redis"),
    "Redis restarted empty": (restarted_empty, "redis"),
    "Postgres stopped": (stopped, "postgres"),
    "Postgres hanging": (hanging, "postgres"),
}


class Witness:
    """A visitor who looks at pages during an outage and keeps the worst of what comes."""

    def __init__(self, visitor: Visitor, name: str | None = None) -> None:
        self.visitor = visitor
        self.name = name
        self.visits = visitor.visit()
        self.met: list[str] = []
        self.cookie_deleted = False
        visitor.http.timeout = httpx.Timeout(ANSWER_SECONDS)

    def look(self, path: str) -> None:
        """Open a page and judge the answer."""
        try:
            answer = self.visitor.http.get(path)
        except httpx.TimeoutException:
            self.met.append("hangs")
            return
        deleting = rf'^{SESSION_COOKIE}=(""|);'
        self.cookie_deleted |= any(
            re.match(deleting, cookie) for cookie in answer.headers.get_list("Set-Cookie")
        )
        self.met.append(self.judge(path, answer))

    def judge(self, path: str, answer: httpx.Response) -> str:
        """Return one of `PAGES`."""
        if answer.status_code == 503:
            return "503" if answer.headers.get("Retry-After") else "500"
        if answer.status_code == 200 and path == "/":
            match = VISITS.search(answer.text)
            assert match
            if int(match[1]) <= self.visits or (self.name and self.name not in answer.text):
                return "signed out"
            self.visits = int(match[1])
            return "served"
        if answer.status_code == 200:
            return "served" if self.name and self.name in answer.text else "signed out"
        return "signed out" if answer.status_code == 302 else "500"

    @property
    def worst(self) -> str:
        """Return the worst that was met."""
        return max(self.met, key=PAGES.index)

    def kept(self) -> bool:
        """Return whether the session is what it was: the same visits, the same name."""

        def served() -> bool:
            self.met.clear()
            self.look("/")
            return self.worst == "served"

        return eventually(served, 10) and not self.cookie_deleted


@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_is_what_it_was_recorded_to_be(
    site: Stack,
    engine: str,
    layer: str,
    outage: str,
    new_visitor: Callable[[], Visitor],
    user: tuple[str, str],
    fact: Callable[[str, dict[str, str]], None],
) -> None:
    cause, service = OUTAGES[outage]
    if service == "redis" and engine not in ("cache", "cached_db"):
        pytest.skip("this engine keeps nothing in Redis")
    stranger = Witness(new_visitor())
    visitor, leaving, thief = new_visitor(), new_visitor(), new_visitor()
    visitor.sign_in(*user)
    signed_in = Witness(visitor, user[0])
    leaving.sign_in(*user)
    assert leaving.cookie
    thief.cookie = leaving.cookie
    page = leaving.http.get("/accounts/").text
    with cause(site, service):
        started = time.monotonic()
        while time.monotonic() - started < OUTAGE_SECONDS:
            signed_in.look("/accounts/")
            signed_in.look("/")
            stranger.look("/")
            time.sleep(0.1)
        signed_out = says_signed_out(leaving, page)
        time.sleep(SIGN_OUT_SECONDS)
    site.wait_healthy(seconds=90)
    found = {
        "signed in": signed_in.worst,
        "not signed in": stranger.worst,
        "afterwards": "kept" if signed_in.kept() and stranger.kept() else "lost",
        "sign-out": "refused" if not signed_out else "undone" if opens(thief) else "holds",
    }
    if layer == "hardened" and outage != "Redis restarted empty":
        # Whatever was recorded, this was promised.
        assert {found["signed in"], found["not signed in"]} <= {"served", "503"}
        assert found["afterwards"] == "kept"
        assert found["sign-out"] != "undone"
    fact(outage, found)


def says_signed_out(visitor: Visitor, page: str) -> bool:
    """Sign out; return whether the answer says that it was done."""
    visitor.http.timeout = httpx.Timeout(ANSWER_SECONDS)
    try:
        return visitor.post("/accounts/logout/", page).status_code == 302
    except httpx.TimeoutException:
        return False


def opens(visitor: Visitor) -> bool:
    """Return whether the account page opens at any of a few times, in whichever process."""
    return any(visitor.signed_in() for _ in range(10))


@pytest.fixture
def fact(
    request: pytest.FixtureRequest, layer: str, engine: str
) -> Callable[[str, dict[str, str]], None]:
    """Return what compares a result with the recorded one, or records it."""

    def compare(outage: str, found: dict[str, str]) -> None:
        facts = json.loads(FACTS.read_text())
        if request.config.getoption("--record"):
            facts.setdefault(layer, {}).setdefault(outage, {})[engine] = found
            FACTS.write_text(f"{json.dumps(in_order(facts), indent=2)}\n")
            return
        assert found == facts[layer][outage][engine]

    return compare


def in_order(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts in the order of layers, outages and engines, however they were found."""
    return {
        layer: {
            outage: {e: facts[layer][outage][e] for e in ENGINES if e in facts[layer][outage]}
            for outage in OUTAGES
            if outage in facts[layer]
        }
        for layer in LAYERS
        if layer in facts
    }


def test_cached_db_starts_and_serves_without_redis(
    stack: Stack, layer: str, new_visitor: Callable[[], Visitor]
) -> None:
    if layer == "stock":
        pytest.skip("Django's own engine can't")
    stack.switch("cached_db")
    visitor = new_visitor()
    assert visitor.visit() == 1
    stack.compose("stop", "redis")
    try:
        stack.compose("restart", "app-cached_db")
        stack.wait_healthy("app-cached_db")
        stack.wait_served()
        assert visitor.visit() == 2
        log = stack.logs("app-cached_db")
        assert "hardened_sessions.W003: Redis's eviction policy is unverified" in log
    finally:
        stack.compose("start", "redis")
    stack.wait_healthy()
    assert visitor.visit() == 3


def cell(found: dict[str, str]) -> str:
    """Return what the README says of one result."""
    pages = dict.fromkeys((found["signed in"], found["not signed in"]))
    return f"{' / '.join(pages)}, {found['afterwards']}, {found['sign-out']}"


def test_facts_and_readme_agree() -> None:
    facts, readme = json.loads(FACTS.read_text()), README.read_text()
    assert tuple(facts) == LAYERS
    for layer, outages in facts.items():
        assert tuple(outages) == tuple(OUTAGES), layer
        for outage, results in outages.items():
            cells = [cell(results[e]) if e in results else "n/a" for e in ENGINES]
            assert f"| {outage} | {' | '.join(cells)} |" in readme, layer
