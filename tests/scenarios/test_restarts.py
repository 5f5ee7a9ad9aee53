"""What lives on when a part of the stack stops and comes back; the README's table says the same."""

import json
import random
from collections.abc import Callable

import pytest
from conftest import LAYERS, RECORDED, Visitor

from stack import Stack, run


def restart_app(stack: Stack, engine: str) -> None:
    stack.compose("restart", f"app-{engine}")


def restart_postgres(stack: Stack, engine: str) -> None:
    stack.compose("restart", "postgres")


def restart_redis(stack: Stack, engine: str) -> None:
    stack.compose("restart", "redis")


def empty_redis(stack: Stack, engine: str) -> None:
    stack.redis("FLUSHALL")


def down_and_up(stack: Stack, engine: str) -> None:
    stack.down()
    stack.up(engine)


EVENTS: dict[str, Callable[[Stack, str], None]] = {
    "app restart": restart_app,
    "Postgres restart": restart_postgres,
    "Redis restart": restart_redis,
    "Redis emptied": empty_redis,
    "down and up": down_and_up,
}


@pytest.mark.lesson(3, 20, 25, 32)
@pytest.mark.parametrize("event", EVENTS)
def test_sessions_live_on_as_claimed(
    site: Stack,
    engine: str,
    event: str,
    new_visitor: Callable[[], Visitor],
    user: tuple[str, str],
    claim: Callable[[str, bool], None],
) -> None:
    if "Redis" in event and engine not in ("cache", "cached_db"):
        pytest.skip("this engine keeps nothing in Redis")
    visitor = new_visitor()
    visitor.visit()
    visitor.sign_in(*user)
    EVENTS[event](site, engine)
    site.wait_healthy()
    site.wait_served()
    # A new connection, as the old one ended with nginx; the same cookie.
    after = new_visitor()
    assert visitor.cookie
    after.cookie = visitor.cookie
    claim(event, after.signed_in() and after.visit() == 2)


def test_a_reboot_in_any_order_ends_healthy(
    site: Stack, engine: str, new_visitor: Callable[[], Visitor]
) -> None:
    before = new_visitor()
    before.visit()
    containers = [c for c in site.containers() if c["State"]["Running"]]
    ids = [container["Id"] for container in containers]
    run("docker", "stop", "--time", "10", *ids)
    random.shuffle(ids)
    for container in ids:
        run("docker", "start", container)
    names = [container["Name"] for container in containers]
    site.wait_healthy(seconds=30)
    site.wait_served()
    assert {c["Name"] for c in site.containers() if c["State"]["Running"]} == set(names)
    after = new_visitor()
    assert before.cookie
    after.cookie = before.cookie
    assert after.visit() == 2


def test_every_event_is_recorded_for_each_layer() -> None:
    for layer in LAYERS:
        assert set(EVENTS) < set(json.loads((RECORDED / f"{layer}.json").read_text()))
