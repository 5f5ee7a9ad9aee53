"""Each fault is there once it was injected, and gone once it was lifted: on a running stack."""

import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from proof.drill.breaking import BreakableStack
from proof.drill.faults import FAULTS, OVERLAY, QUICK, Scene
from proof.drill.faults.model import Fault
from proof.drill.faults.upkeep import clearing
from stack import ENGINES, StackError, eventually, run

# Asked from where the app asks; "ok", or the kind of error.
ASK_REDIS = """
import time
from pathlib import Path
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
password = Path("/run/secrets/redis_app_password").read_text()
redis = Redis("redis", username="app", password=password, socket_timeout=1,
              socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))
try:
    redis.get("session:witness")
    started = time.monotonic()
    redis.set("session:witness", "here")
    print("slow" if time.monotonic() - started > 0.2 else "ok")
except Exception as error:
    print(type(error).__name__)
"""
ASK_POSTGRES = """
from pathlib import Path
import psycopg
password = Path("/run/secrets/database_app_password").read_text()
try:
    with psycopg.connect(host="postgres", dbname="app", user="app", password=password,
                         connect_timeout=2) as connection:
        connection.execute("DELETE FROM django_session WHERE false")
    print("ok")
except psycopg.Error as error:
    print(type(error).__name__, error)
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[BreakableStack]:
    stack = BreakableStack("faults", [OVERLAY])
    stack.create()
    stack.switch("cached_db")
    yield stack
    stack.destroy()


@pytest.fixture(scope="module")
def tls(stack: BreakableStack) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(stack.ca_file()))


@pytest.fixture
def scene(stack: BreakableStack) -> Scene:
    return Scene(stack, "cached_db", "hardened")


@pytest.fixture
def lifted(scene: Scene, tls: ssl.SSLContext) -> Iterator[Callable[[Fault], Fault]]:
    """Return what prepares a fault; at the end it is lifted twice and the site serves as before."""
    prepared: list[Fault] = []

    def prepare(fault: Fault) -> Fault:
        prepared.append(fault)
        fault.prepare(scene)
        return fault

    yield prepare
    for fault in prepared:
        fault.lift(scene)
        fault.clean(scene)
        fault.clean(scene)
    assert serves(scene.stack, tls)


def serves(stack: BreakableStack, tls: ssl.SSLContext) -> bool:
    """Return whether the first page comes, within what is promised after a fault."""

    def served() -> bool:
        try:
            return httpx.get(stack.url, verify=tls).status_code == 200
        except httpx.TransportError:
            return False

    return eventually(served, 3)


def ask(scene: Scene, script: str) -> str:
    return scene.stack.execute(scene.app, "python", "-c", script).strip()


# --- What holds on until it is lifted -------------------------------------------------------------


def redis_says(scene: Scene) -> str:
    return ask(scene, ASK_REDIS)


def postgres_says(scene: Scene) -> str:
    return ask(scene, ASK_POSTGRES)


def full_disk_says(scene: Scene) -> str:
    """Return what Postgres wrote, where it does not answer as it should."""
    said = postgres_says(scene)
    return said if said == "ok" else scene.stack.logs("postgres")


def page_says(scene: Scene) -> str:
    """Return whether the app answers where it listens, asked from beside it."""
    ask = "curl --silent --max-time 1 http://app:8000/ >&2 && echo ok || echo timeout"
    return scene.stack.execute("nginx", "sh", "-c", ask).strip()


def docker_says(scene: Scene) -> str:
    """Return whether everything that has a policy runs."""
    return "ok" if all(c["State"]["Running"] for c in servers(scene)) else "down"


def servers(scene: Scene) -> list[dict[str, Any]]:
    return [
        container
        for container in scene.stack.containers()
        if container["HostConfig"]["RestartPolicy"]["Name"] != "no"
    ]


HELD: dict[str, tuple[Callable[[Scene], str], str]] = {
    "redis-down": (docker_says, "down"),
    "redis-stop": (redis_says, "TimeoutError"),
    "redis-full": (redis_says, "OutOfMemoryError"),
    "redis-password": (redis_says, "AuthenticationError"),
    "redis-cut": (redis_says, "TimeoutError"),
    "redis-slow": (redis_says, "slow"),
    "postgres-down": (docker_says, "down"),
    "postgres-stop": (postgres_says, "ConnectionTimeout"),
    "postgres-connections": (postgres_says, "remaining connection slots are reserved"),
    "postgres-read-only": (postgres_says, "ReadOnlySqlTransaction"),
    "postgres-cut": (postgres_says, "ConnectionTimeout"),
    "app-pause": (page_says, "timeout"),
    "postgres-disk-full": (full_disk_says, "No space left on device"),
    "power-cut": (docker_says, "down"),
}


@pytest.mark.parametrize("name", HELD)
def test_it_is_there_until_it_is_lifted(
    scene: Scene, lifted: Callable[[Fault], Fault], name: str
) -> None:
    says, wanted = HELD[name]
    fault = lifted(FAULTS[name])
    fault.inject(scene)
    assert wanted in says(scene)
    fault.lift(scene)
    assert says(scene) == "ok"


# --- What is over by itself -----------------------------------------------------------------------


def started(service: str) -> Callable[[Scene], str]:
    def mark(scene: Scene) -> str:
        found: str = scene.stack.container(service or scene.app)["State"]["StartedAt"]
        return found

    return mark


def identity(scene: Scene) -> str:
    found: str = scene.stack.container(scene.app)["Id"]
    return found


def secret_key(scene: Scene) -> str:
    return scene.stack.execute(scene.app, "cat", "/run/secrets/secret_key")


def newest_worker(scene: Scene) -> str:
    """Return the process id of the nginx worker that was started last."""
    script = "grep -lx 'Name:.nginx' /proc/[0-9]*/status | sort --version-sort | tail -n 1"
    return scene.stack.execute("nginx", "sh", "-c", script)


MARKS: dict[str, Callable[[Scene], str]] = {
    "app-kill": started(""),
    "app-recreate": identity,
    "postgres-restart": started("postgres"),
    "nginx-reload": newest_worker,
    "nginx-kill": started("nginx"),
}


@pytest.mark.parametrize("name", MARKS)
def test_it_left_its_mark(scene: Scene, lifted: Callable[[Fault], Fault], name: str) -> None:
    fault = lifted(FAULTS[name])
    before = MARKS[name](scene)
    fault.inject(scene)
    fault.lift(scene)
    assert eventually(lambda: MARKS[name](scene) != before, 3)


# The fault, whether it starts Redis again, and what Redis knows after it.
REDIS = {
    "redis-kill": (True, "here"),
    "redis-restart": (True, "here"),
    "redis-restart-empty": (True, ""),
    "redis-flush": (False, ""),
}


@pytest.mark.parametrize("name", REDIS)
def test_redis_knows_what_it_should(
    scene: Scene, lifted: Callable[[Fault], Fault], name: str
) -> None:
    restarted, left = REDIS[name]
    fault = lifted(FAULTS[name])
    scene.stack.redis("SET", "witness", "here")
    before = started("redis")(scene)
    fault.inject(scene)
    fault.lift(scene)
    assert (started("redis")(scene) != before) is restarted
    assert scene.stack.redis("GET", "witness") == left


def test_a_killed_postgres_recovers(scene: Scene, lifted: Callable[[Fault], Fault]) -> None:
    fault = lifted(FAULTS["postgres-kill"])
    before = started("postgres")(scene)
    fault.inject(scene)
    fault.lift(scene)
    assert started("postgres")(scene) != before
    assert "automatic recovery in progress" in scene.stack.logs("postgres")


@pytest.mark.parametrize("service", ["redis", "postgres"])
def test_a_container_that_was_left_stopped_is_started(scene: Scene, service: str) -> None:
    scene.stack.compose("stop", service)
    FAULTS[f"{service}-stop"].lift(scene)
    assert scene.stack.container(service)["State"]["Running"]


LOCKS = {"postgres-locked-row": "RowShareLock", "postgres-vacuum-full": "AccessExclusiveLock"}


@pytest.mark.parametrize("name", LOCKS)
def test_somebody_waits_for_the_lock(
    scene: Scene, lifted: Callable[[Fault], Fault], name: str
) -> None:
    fault = lifted(FAULTS[name])
    scene.stack.sql(
        "INSERT INTO django_session VALUES (repeat('a', 40), '', now()) ON CONFLICT DO NOTHING"
    )
    with ThreadPoolExecutor(1) as pool:
        injecting = pool.submit(fault.inject, scene)
        asked = (
            "SELECT count(*) FROM pg_locks WHERE relation = 'django_session'::regclass "
            f"AND mode = '{LOCKS[name]}'"
        )
        assert eventually(lambda: scene.stack.sql(asked) == "1", 4)
        assert not injecting.done()
    assert scene.stack.sql(asked) == "0"


def test_clocks_are_put_right(scene: Scene, lifted: Callable[[Fault], Fault]) -> None:
    fault = lifted(FAULTS["client-clock"])
    assert scene.clock_offset
    fault.inject(scene)
    assert not scene.clock_offset


def test_two_replicas_are_of_the_new_image(scene: Scene, lifted: Callable[[Fault], Fault]) -> None:
    image = scene.stack.settings["APP_IMAGE"]

    def images() -> list[str]:
        return [container["Config"]["Image"] for container in scene.stack.containers(scene.app)]

    fault = lifted(FAULTS["app-roll"])
    assert images() == [image] * 2
    fault.inject(scene)
    fault.lift(scene)
    assert images() == [f"{image}:next"] * 2
    fault.clean(scene)
    assert images() == [image]
    assert not run("docker", "image", "ls", "--quiet", f"{image}:next").stdout


def test_the_former_secret_key_is_a_fallback(
    scene: Scene, lifted: Callable[[Fault], Fault]
) -> None:
    fault = lifted(FAULTS["secret-key"])
    before = secret_key(scene)
    fault.inject(scene)
    fault.lift(scene)
    fallbacks = scene.stack.execute(scene.app, "cat", "/run/secrets/secret_key_fallbacks")
    assert fallbacks == before != secret_key(scene)


def test_expired_rows_are_cleared(scene: Scene, lifted: Callable[[Fault], Fault]) -> None:
    def expired() -> str:
        """Return how many of the fault's rows there are; visitors' may expire at any time."""
        return scene.stack.sql(
            "SELECT count(*) FROM django_session WHERE session_data = repeat('x', 220)"
        )

    fault = lifted(clearing(20_000))
    assert expired() == "20000"
    fault.inject(scene)
    assert expired() == "0"


# --- Half-way -------------------------------------------------------------------------------------


class Stumbling:
    """A stack of which the second command fails, and every one after it."""

    def __init__(self, stack: BreakableStack) -> None:
        self.stack = stack
        self.left = 1

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.stack, name)
        if not callable(found):
            return found
        if not self.left:
            raise StackError("stumbled")
        self.left -= 1
        return found


@pytest.mark.parametrize(
    "name", ["redis-password", "redis-slow", "postgres-connections", "postgres-read-only"]
)
def test_half_of_it_is_lifted_too(
    scene: Scene, lifted: Callable[[Fault], Fault], name: str
) -> None:
    fault = lifted(FAULTS[name])
    stumbling: Any = Stumbling(scene.stack)
    with pytest.raises(StackError, match="stumbled"):
        fault.inject(Scene(stumbling, scene.engine, scene.layer))
    fault.lift(scene)
    assert HELD[name][0](scene) == "ok"


# --- The lists ------------------------------------------------------------------------------------


def test_every_fault_is_shown() -> None:
    others = {"postgres-kill", "client-clock", "app-roll", "secret-key", "clearsessions"}
    assert {*HELD, *MARKS, *REDIS, *LOCKS, *others} == set(FAULTS)


def test_the_quick_set_is_of_faults_that_apply() -> None:
    assert len(set(QUICK)) == len(QUICK)
    for engine, name in QUICK:
        assert engine in ENGINES
        assert FAULTS[name].applies(engine)
