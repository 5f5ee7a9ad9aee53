"""What stands side by side: the stack with either session layer, and two typical peers."""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from proof.seed import AS_DJANGO_MADE_IT, mint
from stack import SERVICE, STORES, Stack, run

OVERLAYS = "scripts/proof/bench/stack"
PROCESSORS = len(os.sched_getaffinity(0))
DOMAIN = "bench.test"  # a name that nginx has on the edge network, and nobody has outside
COOKIES = "/tmp/cookies"  # noqa: S108 - in the container that sends the load
USER = "bench"

# With what Django's auth adds, about 220 bytes of JSON.
DATA = {"theme": "dark", "count": 0, "language": "en", "basket": [3, 14, 15]}


@dataclass(frozen=True, slots=True)
class Variant:
    """One column of the report."""

    name: str
    what: str
    layer: str
    settings_module: str = "bench.settings"
    peer: bool = False  # served as the peers are, by gunicorn's sync workers
    table: str = ""  # what is changed about the sessions' table


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("hardened", "this stack", "hardened"),
        Variant("stock", "this stack with Django's own engines", "stock", table=AS_DJANGO_MADE_IT),
        Variant(
            "peer",
            "gunicorn sync 2n+1, Django's own engines, a connection to Postgres for each request, "
            "pickle in Redis",
            "stock",
            "bench.peer",
            peer=True,
            table=AS_DJANGO_MADE_IT,
        ),
        Variant(
            "honest",
            "the peer with CONN_MAX_AGE=60 and health checks",
            "stock",
            "bench.honest",
            peer=True,
            table=AS_DJANGO_MADE_IT,
        ),
    )
}

# The hardened layer with one default back in its place.
LEVERS = {
    lever.name: lever
    for lever in (
        Variant(
            "sync",
            "gunicorn's default worker: sync, 2n+1 of them, so no connection is kept to it",
            "hardened",
            peer=True,
        ),
        Variant(
            "reconnecting",
            "CONN_MAX_AGE at Django's default, 0: a connection to Postgres for each request",
            "hardened",
            "bench.reconnecting",
        ),
        Variant(
            "unprepared",
            "prepare_threshold at Django's default, none: each statement is parsed and planned",
            "hardened",
            "bench.unprepared",
        ),
        Variant(
            "packed",
            "the table's fillfactor at PostgreSQL's default, 100: no room on a page for updates",
            "hardened",
            table="ALTER TABLE django_session RESET (fillfactor)",
        ),
    )
}

SERVERS = ("nginx", "app", "postgres", "redis")


class VariantStack(Stack):
    """A running stack of one variant, with a client on its edge network."""

    def __init__(self, variant: Variant) -> None:
        overrides = [f"{OVERLAYS}/stack.yml", *([f"{OVERLAYS}/peer.yml"] if variant.peer else [])]
        super().__init__(f"bench-{variant.name}", overrides)
        self.variant = variant
        self.engine = ""
        self.settings |= {
            "DOMAIN": DOMAIN,
            "SESSION_LAYER": variant.layer,
            "BENCH_SETTINGS": variant.settings_module,
            "APP_CPUS": str(PROCESSORS),
        }
        self.processes: dict[str, int] = {}
        self.client = ""
        self.client_process = 0

    def begin(self, engine: str) -> None:
        """Run with that engine."""
        self.switch(engine)
        self.engine = engine
        self.sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        self.track("none")
        if self.variant.table:
            self.sql(self.variant.table)
        self.look_up()

    def look_up(self) -> None:
        """Note the processes that are held to account; a container started again has another."""
        self.processes = {}
        for container in self.containers():
            service = container["Config"]["Labels"][SERVICE]
            if service == "load":
                self.client, self.client_process = container["Id"], container["State"]["Pid"]
            name = service.partition("-")[0]
            if name in SERVERS and container["State"]["Running"]:
                self.processes[name] = container["State"]["Pid"]

    def track(self, what: str) -> None:
        """Have Postgres count statements, or not: none is counted while time is taken."""
        self.sql(f"ALTER SYSTEM SET pg_stat_statements.track = '{what}'")
        self.sql("SELECT pg_reload_conf()")
        time.sleep(0.2)  # until every process of the server has read it

    def up(self, engine: str, *arguments: str, **settings: str) -> None:
        """Start only what a request passes through: nothing that clears sessions meanwhile."""
        redis = ["redis"] if "redis" in STORES[engine] else []
        services = ["nginx", f"app-{engine}", *redis, "load"]
        super().up(engine, *arguments, *services, **settings)

    def manage(self, *command: str) -> str:
        """Run a Django command in the app's container."""
        return self.execute(f"app-{self.engine}", "python", "manage.py", *command)

    def mint(self, number: int) -> None:
        """Give the client that many signed-in sessions."""
        users = self.sql("SELECT username FROM auth_user").splitlines()
        if USER not in users:
            self.manage("demo_user", "add", USER)
        cookies = mint(self.manage, number, USER, DATA)
        command = ["docker", "exec", "--interactive", self.client, "sh", "-c"]
        run(*command, f"cat > {COOKIES}", stdin="\n".join(cookies) + "\n")


@contextmanager
def sites(names: Sequence[str]) -> Iterator[dict[str, VariantStack]]:
    """Have a stack for each variant, built and not started; none is left at the end."""
    made = {name: VariantStack((VARIANTS | LEVERS)[name]) for name in names}
    try:
        with ThreadPoolExecutor(len(made)) as pool:
            list(pool.map(VariantStack.create, made.values()))
        yield made
    finally:
        with ThreadPoolExecutor(len(made)) as pool:
            list(pool.map(remove, made.values()))


def remove(site: VariantStack) -> None:
    """Remove a stack, unless it is somebody else's or was never made."""
    if site.folder.exists():
        site.destroy()
