"""What happens to Redis, and to the way there."""

import secrets

from proof.drill.faults.model import WITH_REDIS, Fault, Scene
from stack import ENGINES, STORES, StackError

CAPACITY = "/run/secrets/capacity.conf"
CONFIGURATION = "deploy/redis/redis.conf"
FORGETS = {
    engine: "Redis is the only place, and is empty"
    for engine in ENGINES
    if STORES[engine][0] == "redis"
}
PROXY = "slow-link"


def configured(scene: Scene, setting: str) -> str:
    """Return what Redis is started with."""
    for line in (scene.stack.folder / CONFIGURATION).read_text().splitlines():
        name, _, value = line.partition(" ")
        if name == setting:
            return value
    raise StackError(f"{CONFIGURATION} has no {setting}")


def back(scene: Scene) -> None:
    """Have the container run, however it was left."""
    scene.stack.start("redis")
    scene.stack.wait_ready("redis")


# --- The process ----------------------------------------------------------------------------------


def kill(scene: Scene) -> None:
    scene.stack.kill("redis")


def down(scene: Scene) -> None:
    scene.stack.compose("stop", "redis")


def restart(scene: Scene) -> None:
    scene.stack.compose("restart", "redis")


def restart_empty(scene: Scene) -> None:
    scene.stack.kill("redis", first="rm -r /data/appendonlydir")


def stop(scene: Scene) -> None:
    scene.stack.signal("redis", "STOP")


def resume(scene: Scene) -> None:
    scene.stack.start("redis")
    scene.stack.signal("redis", "CONT")
    scene.stack.wait_ready("redis")


# --- What it holds, and for whom ------------------------------------------------------------------


def fill(scene: Scene) -> None:
    scene.stack.redis("CONFIG", "SET", "maxmemory", "1")  # less than is in use, whatever that is


def make_room(scene: Scene) -> None:
    back(scene)
    given = scene.stack.execute("redis", "sed", "-n", "s/^maxmemory //p", CAPACITY).strip()
    scene.stack.redis("CONFIG", "SET", "maxmemory", given)


def flush(scene: Scene) -> None:
    scene.stack.redis("FLUSHDB")


def change_password(scene: Scene) -> None:
    # A hash that nobody knows a password for.
    scene.stack.redis("ACL", "SETUSER", "app", "resetpass", f"#{secrets.token_hex(32)}")
    scene.stack.redis("CLIENT", "KILL", "USER", "app")


def change_back(scene: Scene) -> None:
    scene.stack.start("redis")
    scene.stack.redis("ACL", "LOAD")  # the file holds the password of the stack's secrets
    scene.stack.wait_ready("redis")


# --- The way there --------------------------------------------------------------------------------


def cut(scene: Scene) -> None:
    scene.stack.link("redis", "down")


def join(scene: Scene) -> None:
    scene.stack.start("redis")
    scene.stack.link("redis", "up")
    scene.stack.wait_ready("redis")


def slow(scene: Scene) -> None:
    """Have a proxy take Redis's place on the network; connections are opened anew, through it."""
    scene.stack.compose("up", "--detach", "--no-deps", PROXY)
    scene.stack.redis("CONFIG", "SET", "bind", "127.0.0.1")
    scene.stack.redis("CLIENT", "KILL", "USER", "app")


def fast(scene: Scene) -> None:
    scene.stack.compose("rm", "--stop", "--force", PROXY)
    back(scene)
    scene.stack.redis("CONFIG", "SET", "bind", configured(scene, "bind"))


FAULTS = (
    Fault(
        "redis-kill",
        "SIGKILL to Redis; the container's policy starts it again, with its data",
        "redis",
        kill,
        back,
        hold=0,
        engines=WITH_REDIS,
    ),
    Fault(
        "redis-down",
        "Redis is stopped, and started after 5 s",
        "redis",
        down,
        back,
        engines=WITH_REDIS,
    ),
    Fault(
        "redis-restart",
        "Redis is restarted, and reads its data again",
        "redis",
        restart,
        back,
        hold=0,
        engines=WITH_REDIS,
    ),
    Fault(
        "redis-restart-empty",
        "Redis loses its data files and is started again",
        "redis",
        restart_empty,
        back,
        hold=0,
        engines=WITH_REDIS,
        loses=FORGETS,
    ),
    Fault(
        "redis-stop",
        "SIGSTOP to Redis for 10 s: it accepts connections and answers nothing",
        "redis",
        stop,
        resume,
        hold=10,
        engines=WITH_REDIS,
    ),
    Fault(
        "redis-full",
        "Redis is at maxmemory and refuses writes",
        "redis",
        fill,
        make_room,
        engines=WITH_REDIS,
    ),
    Fault(
        "redis-flush",
        "FLUSHDB",
        "redis",
        flush,
        back,
        hold=1,
        engines=WITH_REDIS,
        loses=FORGETS,
    ),
    Fault(
        "redis-password",
        "the app's password in Redis is another, and its connections are closed",
        "redis",
        change_password,
        change_back,
        engines=WITH_REDIS,
    ),
    Fault(
        "redis-cut",
        "Redis is off the network: packets get lost, and nobody is told",
        "redis",
        cut,
        join,
        engines=WITH_REDIS,
    ),
    Fault(
        "redis-slow",
        "each round trip to Redis takes 200 ms longer",
        "redis",
        slow,
        fast,
        hold=10,
        engines=WITH_REDIS,
    ),
)
