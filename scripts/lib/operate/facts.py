"""What can be known of a running stack: a part that is away hides no other."""

import hashlib
import json
import socket
import ssl
from collections.abc import Callable
from datetime import datetime
from typing import Any

from operate.own import OwnStack
from stack import SERVICE, StackError, run

Facts = dict[str, Any]

TLS_SECONDS = 5.0
LOG_HOURS = 1  # how far back the breakers' lines are read

ROWS = """
SET statement_timeout = '10s';
SELECT json_build_object(
  'engine', (SELECT backend FROM engine_engineinforce),
  'since', (SELECT since FROM engine_engineinforce),
  'live', (SELECT count(*) FROM django_session WHERE expire_date > now()),
  'expired', (SELECT count(*) FROM django_session WHERE expire_date <= now()),
  'connections', (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
  'connections_most', current_setting('max_connections')::int,
  'bytes', pg_database_size('app'))
"""
# The app's own reading of its environment knows the defaults.
SETTINGS = """
import json, os
from session_stack.env import read
env = read(os.environ)
print(json.dumps({"engine": env.session_backend, "layer": env.session_layer}))
"""
# A session's file carries its expiry as modification time (hardened), beside hidden locks.
FOLDER = r"""
stat -c %Y /tmp/clearsessions-fresh-until 2>/dev/null || echo 0
cat /tmp/clearsessions-fresh-until 2>/dev/null || echo 0
echo
find /var/lib/sessions -maxdepth 1 -type f ! -name '.*' -newermt now | wc -l
find /var/lib/sessions -maxdepth 1 -type f ! -name '.*' ! -newermt now | wc -l
"""


def gather(own: OwnStack) -> Facts:
    """Return all of it; a part that did not answer is None."""
    facts: Facts = {"services": services(own)}
    parts: dict[str, Callable[[OwnStack], Facts]] = {
        "postgres": postgres,
        "app": app,
        "redis": redis,
        "upkeep": upkeep,
        "kept": kept,
        "backup": backup,
    }
    running = {name for name, found in facts["services"].items() if found[0]["state"] == "running"}
    optional = ("redis", "backup")
    for name, part in parts.items():
        try:
            facts[name] = part(own) if name not in optional or name in running else None
        except (StackError, ValueError, KeyError):
            facts[name] = None
    facts["engine"] = engine_of(facts, running)
    facts["served"] = served(own) if "nginx" in running else None
    facts["breakers"] = breakers(own)
    facts["expected"] = expected(own, facts["engine"], {"backup"} & {*facts["services"]})
    return facts


def engine_of(facts: Facts, running: set[str]) -> str | None:
    """Return the engine in force; where Postgres does not say, the one whose app runs."""
    apps = [name.removeprefix("app-") for name in running if name.startswith("app-")]
    named = (facts["postgres"] or {}).get("engine")
    return named or (apps[0] if len(apps) == 1 else None)


def expected(own: OwnStack, engine: str | None, others: set[str]) -> list[str]:
    """Return the services that run on a stack with that engine, and those that were chosen."""
    return [
        name
        for name, service in own.config["services"].items()
        if service.get("restart") != "no"
        and (name in others or engine in service.get("profiles", [engine]))
    ]


def services(own: OwnStack) -> dict[str, list[Facts]]:
    """Return each service's containers."""
    found: dict[str, list[Facts]] = {}
    for container in own.containers():
        state = container["State"]
        health = state.get("Health", {})
        said = [line["Output"].strip() for line in health.get("Log", []) if line["ExitCode"]]
        found.setdefault(container["Config"]["Labels"][SERVICE], []).append(
            {
                "state": state["Status"],
                "health": health.get("Status"),
                "says": said[-1].splitlines()[0][:300] if said and said[-1] else None,
                "exit_status": state["ExitCode"],
                "started": epoch(state["StartedAt"]),
                "restarts": container["RestartCount"],
                "out_of_memory": state["OOMKilled"],
            }
        )
    return found


def epoch(moment: str) -> float:
    """Return one of Docker's moments in seconds since 1970."""
    return datetime.fromisoformat(f"{moment[:19]}+00:00").timestamp()


def postgres(own: OwnStack) -> Facts:
    """Ask Postgres."""
    found: Facts = json.loads(own.sql(ROWS))
    return {**found, "disk": disk(own, "postgres", "/var/lib/postgresql/data")}


def redis(own: OwnStack) -> Facts:
    """Ask Redis."""
    info = dict(line.split(":", 1) for line in own.redis("INFO").splitlines() if ":" in line)
    keys = info.get("db0", "keys=0").partition("=")[2].partition(",")[0]
    return {
        "keys": int(keys),
        "bytes": int(info["used_memory"]),
        "bytes_most": int(info["maxmemory"]),
        "log_is_written": info.get("aof_last_write_status", "ok") == "ok",
        "disk": disk(own, "redis", "/data"),
    }


def disk(own: OwnStack, service: str, path: str) -> float:
    """Return how full the file system is, from 0 to 1."""
    used, free = own.execute(service, "df", "-Pk", path).splitlines()[1].split()[2:4]
    return int(used) / (int(used) + int(free))


def app(own: OwnStack) -> Facts:
    """Ask the first that serves."""
    name = next(iter(own.app_services), "")
    found: Facts = json.loads(own.execute(name, "python", "-c", SETTINGS))
    return found


def upkeep(own: OwnStack) -> Facts:
    """Ask the container that clears: it has the folder of file sessions too."""
    lines = own.execute("clearsessions", "sh", "-c", FOLDER).split()
    return {
        "cleared": float(lines[0]),
        "fresh_until": float(lines[1]),
        "files_live": int(lines[2]),
        "files_expired": int(lines[3]),
    }


def backup(own: OwnStack) -> Facts:
    """Return what became of the last backup, where the service takes them."""
    found: Facts = json.loads(own.execute("backup", "cat", "/scratch/state.json"))
    return found


def kept(own: OwnStack) -> Facts:
    """Return what the volumes of secrets and certificates hold: ages, no secret."""
    found: Facts = json.loads(own.init("python", "/init/report.py"))
    return found


def served(own: OwnStack) -> str | None:
    """Return the SHA-256 of the certificate that nginx shows, or None where it shows none."""
    nginx = own.config["services"]["nginx"]
    port = next(port for port in nginx["ports"] if port["target"] == 8443)
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not bound
    address = anywhere.get(port["host_ip"], port["host_ip"])
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # an expired one is read too
    try:
        with (
            socket.create_connection((address, int(port["published"])), TLS_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=nginx["environment"]["DOMAIN"]) as secured,
        ):
            return hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()
    except (OSError, ValueError):
        return None


def breakers(own: OwnStack) -> dict[str, Facts]:
    """Return for each store whether the app takes it for gone, and how often it did lately.

    No process is asked, as nobody could name one: each writes to its log when it finds a store gone
    and when that answered again, and all of them find the latter within a second.
    """
    found: dict[str, Facts] = {}
    for container in own.apps:
        done = run("docker", "logs", "--since", f"{LOG_HOURS}h", container["Id"], check=False)
        last: dict[str, bool] = {}
        for line in f"{done.stdout}{done.stderr}".splitlines():
            if '"event": "breaker_' in line:
                event = json.loads(line)
                name = "postgres" if event["store"] == "database" else event["store"]
                opened = last[name] = event["event"] == "breaker_opened"
                store = found.setdefault(name, {"open": False, "opened": 0})
                store["opened"] += opened
        for name, is_open in last.items():
            found[name]["open"] |= is_open
    return found
