"""Redis's users, from its secrets: the file holds hashes only."""

import hashlib
from collections.abc import Iterator

import volumes

# The keys of either session layer, and data commands; scripts, by which a save compares and sets;
# WAITAOF, by which a sign-out is confirmed; INFO, by which the app checks the eviction policy.
# Nothing that administers the server, empties it, walks its keys or hears of them.
APP = (
    "~session:* ~:1:django.contrib.sessions.* resetchannels +@all -@admin -@dangerous -@pubsub "
    "-scan -randomkey -dbsize -client|tracking -function -script|flush -script|kill +info"
)


def place() -> Iterator[str]:
    """Write the ACL file; yield a line when it changed."""
    lines = [
        "user default off",
        f"user app on {password('redis_app_password')} {APP}",
        f"user admin on {password('redis_admin_password')} ~* &* +@all",
    ]
    if volumes.write("redis-secrets", "users.acl", "".join(f"{line}\n" for line in lines)):
        yield "placed users.acl; a running Redis reads it when it restarts"


def password(name: str) -> str:
    """Return the ACL rule for the password in that secret."""
    value = volumes.read("redis-secrets", name) or ""
    return f"#{hashlib.sha256(value.encode()).hexdigest()}"
