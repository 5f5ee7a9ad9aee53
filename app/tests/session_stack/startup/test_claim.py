"""One engine at a time: who may serve, who waits, and who takes over."""

import pytest
from django.db import IntegrityError, transaction

from session_stack.models import EngineInForce
from session_stack.startup import claim as claim_module
from session_stack.startup.claim import (
    TAKEOVER_SECONDS,
    Claim,
    EngineTakenError,
    TakeoverPendingError,
)

pytestmark = pytest.mark.django_db


class World:
    """The services that resolve, and the clock."""

    def __init__(self) -> None:
        self.running: set[str] = set()
        self.now = 1000.0


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(claim_module, "service_resolves", lambda name: name in world.running)
    monkeypatch.setattr("time.monotonic", lambda: world.now)
    return world


def in_force() -> str:
    return EngineInForce.objects.get().backend


def test_the_first_engine_is_in_force(world: World) -> None:
    Claim("db").attempt()
    assert in_force() == "db"


def test_the_named_engine_always_starts(world: World) -> None:
    Claim("db").attempt()
    world.running = {"cache", "db"}
    Claim("db").attempt()
    assert in_force() == "db"


def test_another_engine_is_refused_while_the_named_one_runs(world: World) -> None:
    Claim("db").attempt()
    world.running = {"db"}
    with pytest.raises(EngineTakenError, match=r"is db, .* app-cache.*\./scripts/up cache"):
        Claim("cache").attempt()
    assert in_force() == "db"


def test_another_engine_takes_over_once_the_named_one_stayed_away(world: World) -> None:
    Claim("db").attempt()
    other = Claim("cache")
    with pytest.raises(TakeoverPendingError):
        other.attempt()
    world.now += TAKEOVER_SECONDS - 0.1
    with pytest.raises(TakeoverPendingError):
        other.attempt()
    world.now += 0.1
    other.attempt()
    assert in_force() == "cache"


def test_the_wait_begins_anew_when_the_named_one_shows_up(world: World) -> None:
    Claim("db").attempt()
    other = Claim("cache")
    with pytest.raises(TakeoverPendingError):
        other.attempt()
    world.now += TAKEOVER_SECONDS
    world.running = {"db"}
    with pytest.raises(EngineTakenError):
        other.attempt()
    world.running = set()
    with pytest.raises(TakeoverPendingError):
        other.attempt()


def test_a_named_engine_that_comes_up_during_the_takeover_keeps_its_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    Claim("db").attempt()
    other = Claim("cache")
    rename = Claim.rename

    def came_up_meanwhile(old: str, new: str) -> bool:
        world.running = {"db"}
        return rename(old, new)

    monkeypatch.setattr(Claim, "rename", staticmethod(came_up_meanwhile))
    with pytest.raises(EngineTakenError):
        other.take_over("db")
    assert in_force() == "db"


def test_of_two_takeovers_one_wins(world: World) -> None:
    Claim("db").attempt()
    Claim("cache").take_over("db")
    with pytest.raises(TakeoverPendingError):
        Claim("file").take_over("db")
    assert in_force() == "cache"


def test_there_is_never_a_second_row(world: World) -> None:
    Claim("db").attempt()
    with pytest.raises(IntegrityError), transaction.atomic():
        EngineInForce.objects.create(id=2, backend="cache")
