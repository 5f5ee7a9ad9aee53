"""One engine at a time: switching, two at once, none at all, and more of the same."""

import itertools
import re
import threading
import time
from collections.abc import Callable

import httpx
import pytest
from conftest import Visitor, trust

from stack import ENGINES, CommandError, Stack, eventually, run

REFUSAL = "the engine in force is cache, and this is app-db"


def in_force(stack: Stack) -> str:
    return stack.sql("SELECT backend FROM engine_engineinforce")


def test_a_clean_switch_changes_the_engine_in_force(
    cache_site: Stack, new_visitor: Callable[[], Visitor]
) -> None:
    cache_site.switch("db")
    assert in_force(cache_site) == "db"
    assert "<code>db</code>" in new_visitor().http.get("/").text


def test_a_second_engine_refuses_and_the_first_one_serves_on(
    cache_site: Stack, visitor: Visitor
) -> None:
    cookie = visitor.visit() and visitor.cookie
    with pytest.raises(CommandError) as caught:
        cache_site.up("db")
    assert "app-db-1 is unhealthy" in caught.value.output
    log = cache_site.logs("app-db")
    assert REFUSAL in log
    assert "./scripts/up db" in log
    assert log.count(REFUSAL) == 1
    # Requests that would go to the refusing container go to the one that serves.
    assert [visitor.visit() for _ in range(20)] == list(range(2, 22))
    assert visitor.cookie == cookie
    assert in_force(cache_site) == "cache"


def second_engine(stack: Stack) -> None:
    """Start one beside the first and wait until it has refused, not until `up` gives it up."""
    stack.compose("up", "--detach", profile="db")
    assert eventually(lambda: REFUSAL in stack.logs("app-db"))


def test_a_refused_engine_starts_by_itself_once_the_other_one_stops(cache_site: Stack) -> None:
    second_engine(cache_site)
    cache_site.compose("stop", "app-cache")
    cache_site.wait_healthy("app-db", seconds=30)
    assert in_force(cache_site) == "db"


def test_of_two_engines_started_together_the_named_one_wins(cache_site: Stack) -> None:
    second_engine(cache_site)
    apps = [c["Id"] for c in cache_site.containers("app-cache", "app-db")]
    for order in (apps, apps[::-1]):
        run("docker", "stop", "--time", "10", *apps)
        for container in order:
            run("docker", "start", container)
        cache_site.wait_healthy("app-cache", seconds=30)
        assert in_force(cache_site) == "cache"
        assert eventually(lambda: REFUSAL in cache_site.logs("app-db"))


def test_of_two_engines_on_a_new_database_one_wins(stack: Stack) -> None:
    stack.down("--volumes")
    command = ["--profile", "db", "up", "--detach"]
    stack.compose(*command, profile="file")
    assert eventually(lambda: in_force(stack) in ("db", "file"), 60, 1)
    winner = in_force(stack)
    loser = {"db": "file", "file": "db"}[winner]
    stack.wait_healthy(f"app-{winner}")
    assert eventually(
        lambda: f"in force is {winner}, and this is app-{loser}" in stack.logs(f"app-{loser}")
    )


def test_without_a_profile_a_page_names_the_five(stack: Stack) -> None:
    stack.down()
    stack.compose("up", "--detach", "--wait", profile="")
    answer = httpx.get(stack.url, verify=trust(stack))
    assert answer.status_code == 503
    offered = re.findall(r"docker compose --profile (\w+) up", answer.text)
    assert {"cache" if name == "redis" else name for name in offered} == set(ENGINES)


def test_redis_is_a_second_name_of_cache(cache_site: Stack) -> None:
    services = cache_site.compose("config", "--services", profile="redis").stdout.split()
    assert sorted(services) == sorted(
        cache_site.compose("config", "--services", profile="cache").stdout.split()
    )
    assert "app-cache" in services


def test_redis_runs_only_for_the_engines_that_use_it(stack: Stack) -> None:
    for engine in ENGINES:
        services = stack.compose("config", "--services", profile=engine).stdout.split()
        assert ("redis" in services) is (engine in ("cache", "cached_db"))
        assert f"app-{engine}" in services


def test_two_replicas_share_the_sessions(
    site: Stack, engine: str, new_visitor: Callable[[], Visitor]
) -> None:
    site.compose("up", "--detach", "--wait", "--scale", f"app-{engine}=2", profile=engine)
    try:
        visitor = new_visitor()
        visits = itertools.count(1)

        def both_answered() -> bool:
            assert [visitor.visit() for _ in range(10)] == [next(visits) for _ in range(10)]
            replicas = re.findall(r'"upstream":"([^"]+)"', site.logs("nginx")[-4000:])
            return len(set(replicas)) == 2

        # nginx looks up their addresses once a second.
        assert eventually(both_answered, 10)
    finally:
        site.up(engine)


def test_a_recreated_app_is_found_at_once(
    cache_site: Stack, new_visitor: Callable[[], Visitor]
) -> None:
    """Under load, the first 200 comes within 2 s of the new container's first healthy answer."""
    visitor = new_visitor()
    answers: list[tuple[float, int]] = []
    done = threading.Event()

    def load() -> None:
        while not done.is_set():
            answers.append((time.time(), visitor.http.get("/accounts/login/").status_code))
            time.sleep(0.02)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        cache_site.compose("up", "--detach", "--no-deps", "--force-recreate", "app-cache")
        cache_site.wait_healthy("app-cache")
        listening = time.time()
        assert eventually(lambda: answers[-1][1] == 200 and answers[-1][0] > listening)
    finally:
        done.set()
        thread.join()
    statuses = {status for _, status in answers}
    assert statuses <= {200, 503}
    first = next(at for at, status in answers if status == 200 and at > listening)
    assert first - listening < 2
