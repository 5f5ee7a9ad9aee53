"""What reaches the stores, as they heard it themselves."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from django.test.utils import CaptureQueriesContext

from tests.servers import RedisServer


@contextmanager
def redis_commands(redis_server: RedisServer) -> Iterator[list[str]]:
    """Collect the commands that reach Redis, but not those that a script of its own calls."""
    sent: list[str] = []
    with redis_server.client() as client, client.monitor() as monitor:
        yield sent
        client.echo("the end")
        while "the end" not in (heard := monitor.next_command())["command"]:
            if heard["client_type"] != "lua":
                sent.append(heard["command"].split()[0])
    sent[:] = [name for name in sent if name not in ("AUTH", "HELLO", "CLIENT", "SELECT")]


def verbs(queries: CaptureQueriesContext) -> list[str]:
    """Return the first word of each statement, and BEGIN and COMMIT where they were sent."""
    words = [re.match(r"\W*(\w+)", query["sql"]) for query in queries.captured_queries]
    return [word[1].upper() for word in words if word]
