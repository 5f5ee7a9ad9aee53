"""Everything that happens to a stack in production: how it is brought about, and undone."""

from proof.drill.faults import app, disk, edge, postgres, power, redis, upkeep, visitors
from proof.drill.faults.model import Fault, Scene

__all__ = ["FAULTS", "OUTAGES", "OVERLAY", "QUICK", "Fault", "Scene"]

# What a stack needs for all of them, laid over its compose file.
OVERLAY = "scripts/proof/drill/stack/faults.yml"

# In the order of the report.
FAULTS = {
    fault.name: fault
    for part in (app, redis, postgres, disk, edge, power, visitors, upkeep)
    for fault in part.FAULTS
}

# What the table of outages calls them.
OUTAGES = {
    "Redis stopped": "redis-down",
    "Redis hanging": "redis-stop",
    "Redis restarted empty": "redis-restart-empty",
    "Postgres stopped": "postgres-down",
    "Postgres hanging": "postgres-stop",
}

# Pairs of engine and fault that show each kind of fault, and every outage on each engine.
QUICK = (
    *((engine, name) for name in OUTAGES.values() for engine in FAULTS[name].engines),
    ("cached_db", "redis-kill"),
    ("cached_db", "redis-password"),
    ("cached_db", "redis-cut"),
    ("cached_db", "postgres-restart"),
    ("cached_db", "postgres-read-only"),
    ("cached_db", "app-kill"),
    ("cached_db", "nginx-reload"),
    ("cached_db", "secret-key"),
    ("cache", "redis-full"),
    ("db", "postgres-cut"),
)
