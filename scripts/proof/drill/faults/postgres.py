"""What happens to Postgres, and to the way there. The users' table is there for every engine."""

import time
from contextlib import suppress

from proof.drill.faults.model import WITH_ROWS, Fault, Scene
from stack import CommandError, StackError

HOLDER = "connections"  # the service, and what it calls itself
OF_THE_APP = "FROM pg_stat_activity WHERE usename = 'app' AND application_name <> 'connections'"
LEFT = """
SELECT current_setting('max_connections')::int
     - current_setting('superuser_reserved_connections')::int - count(*)
FROM pg_stat_activity WHERE application_name = 'connections'
"""
READ_ONLY = "default_transaction_read_only"


def back(scene: Scene) -> None:
    """Have the container run, however it was left."""
    scene.stack.start("postgres")
    scene.stack.wait_ready("postgres")


def end_connections(scene: Scene) -> None:
    """End every connection that is not the holder's."""
    scene.stack.sql(f"SELECT pg_terminate_backend(pid) {OF_THE_APP}")


# --- The process ----------------------------------------------------------------------------------


def kill(scene: Scene) -> None:
    scene.stack.kill("postgres")


def down(scene: Scene) -> None:
    scene.stack.compose("stop", "postgres")


def restart(scene: Scene) -> None:
    scene.stack.compose("restart", "postgres")


def stop(scene: Scene) -> None:
    scene.stack.signal("postgres", "STOP")


def resume(scene: Scene) -> None:
    scene.stack.start("postgres")
    scene.stack.signal("postgres", "CONT")
    scene.stack.wait_ready("postgres")


# --- What it refuses ------------------------------------------------------------------------------


def use_up(scene: Scene) -> None:
    """Have somebody else hold every connection that the app's role can have."""
    scene.stack.compose("up", "--detach", "--no-deps", HOLDER)
    deadline = time.monotonic() + 30
    while True:
        # Whoever is turned away takes one for a moment, also the superuser's.
        with suppress(CommandError):
            if int(scene.stack.sql(LEFT)) <= 0:
                return
            end_connections(scene)
        if time.monotonic() > deadline:
            raise StackError("Postgres still has connections for the app")


def let_go(scene: Scene) -> None:
    scene.stack.compose("rm", "--stop", "--force", HOLDER)
    back(scene)


def refuse_writes(scene: Scene) -> None:
    scene.stack.sql(f"ALTER SYSTEM SET {READ_ONLY} = on")
    scene.stack.sql("SELECT pg_reload_conf()")
    wait_for(scene, "on")
    end_connections(scene)


def accept_writes(scene: Scene) -> None:
    back(scene)
    scene.stack.sql(f"ALTER SYSTEM RESET {READ_ONLY}")
    scene.stack.sql("SELECT pg_reload_conf()")
    wait_for(scene, "off")


def wait_for(scene: Scene, state: str) -> None:
    """Wait until a new connection is read-only, or not."""
    deadline = time.monotonic() + 10
    while scene.stack.sql(f"SHOW {READ_ONLY}") != state:
        if time.monotonic() > deadline:
            raise StackError(f"{READ_ONLY} is not {state} after 10 s")


# --- Who waits ------------------------------------------------------------------------------------

LOCKED_SECONDS = 5
# What VACUUM FULL, CLUSTER and REINDEX take, for as long as a large table would keep them.
TABLE = "LOCK TABLE django_session IN ACCESS EXCLUSIVE MODE"
# A visitor's: the one that was written last.
ROW = """
PERFORM FROM django_session WHERE session_key = (
  SELECT session_key FROM django_session ORDER BY xmin::text::bigint DESC LIMIT 1
) FOR UPDATE
"""


def locked(name: str, what: str, lock: str) -> Fault:
    """Return a transaction of somebody else's that holds a lock for a while."""

    def hold(scene: Scene) -> None:
        sleep = f"PERFORM pg_sleep({LOCKED_SECONDS})"
        scene.stack.sql(f"DO $$ BEGIN {lock}; {sleep}; END $$")

    what = f"{what} for {LOCKED_SECONDS} s"
    return Fault(name, what, "postgres", hold, back, hold=0, engines=WITH_ROWS)


# --- The way there --------------------------------------------------------------------------------


def cut(scene: Scene) -> None:
    scene.stack.link("postgres", "down")


def join(scene: Scene) -> None:
    scene.stack.start("postgres")
    scene.stack.link("postgres", "up")
    scene.stack.wait_ready("postgres")


FAULTS = (
    Fault(
        "postgres-kill",
        "SIGKILL to Postgres; the container's policy starts it again, and it recovers",
        "postgres",
        kill,
        back,
        hold=0,
    ),
    Fault("postgres-down", "Postgres is stopped, and started after 5 s", "postgres", down, back),
    Fault("postgres-restart", "Postgres is restarted", "postgres", restart, back, hold=0),
    Fault(
        "postgres-stop",
        "SIGSTOP to Postgres for 10 s: it accepts connections and answers nothing",
        "postgres",
        stop,
        resume,
        hold=10,
    ),
    Fault(
        "postgres-connections",
        "somebody else holds every connection; the app's are ended",
        "postgres",
        use_up,
        let_go,
    ),
    Fault(
        "postgres-read-only",
        "Postgres refuses writes, as a standby does; the app's connections are ended",
        "postgres",
        refuse_writes,
        accept_writes,
    ),
    locked("postgres-locked-row", "somebody's transaction holds one visitor's row", ROW),
    locked("postgres-vacuum-full", "VACUUM FULL locks the sessions' table", TABLE),
    Fault(
        "postgres-cut",
        "Postgres is off the network: packets get lost, and nobody is told",
        "postgres",
        cut,
        join,
    ),
)
