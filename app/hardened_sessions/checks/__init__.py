"""System checks: what would break the layer's promises is refused before anything is served.

So is what Django's own engines honour and these can't; nothing is passed over.
"""

from hardened_sessions.checks import cache, connections, database, hooks, redis_server, settings

__all__ = ["cache", "connections", "database", "hooks", "redis_server", "settings"]
