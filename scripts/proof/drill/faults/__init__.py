"""Everything that happens to a stack in production: how it is brought about, and undone."""

from proof.drill.faults import app, disk, edge, postgres, power, redis, upkeep, visitors
from proof.drill.faults.model import Fault, Scene

__all__ = ["FAULTS", "OVERLAY", "QUICK", "Fault", "Scene"]

# What a stack needs for all of them, laid over its compose file.
OVERLAY = "scripts/proof/drill/stack/faults.yml"

# In the order of the report.
FAULTS = {
    fault.name: fault
    for part in (app, redis, postgres, disk, edge, power, visitors, upkeep)
    for fault in part.FAULTS
}

# Pairs of engine and fault that show each kind of fault, and each engine, within four minutes.
QUICK = (
    ("cached_db", "redis-kill"),
    ("cached_db", "redis-stop"),
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
