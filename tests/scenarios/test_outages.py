"""The stack without a store that it can do without; what an outage does, the drills judge."""

from collections.abc import Callable

import pytest
from conftest import Visitor

from stack import Stack


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
