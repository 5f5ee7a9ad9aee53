"""Commands to the Redis of `SESSION_CACHE_ALIAS`: each bounded, none retried."""

import os
import socket
import struct
import sys
import threading
import time
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from redis import ConnectionPool, Redis, SSLConnection
from redis.backoff import NoBackoff
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    NoScriptError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from hardened_sessions import bounds
from hardened_sessions.clients.breaker import Breaker
from hardened_sessions.errors import SessionUnavailableError

STORE = "redis"
LUA = Path(__file__).parent / "lua"

# Seconds after an answer in which a connection counts as alive without a check. So a request that
# loads and saves checks once.
FRESH = 0.05


class RedisFullError(Exception):
    """Redis is at `maxmemory` and refuses to keep more; it still serves what it has."""


class Script:
    """A Lua script, called by its digest."""

    def __init__(self, name: str) -> None:
        self.source = (LUA / f"{name}.lua").read_text()
        self.digest = sha1(self.source.encode(), usedforsecurity=False).hexdigest()


class RedisClient:
    """A connection for each thread, the breaker before it, and the session layer's commands."""

    def __init__(self, alias: str) -> None:
        arguments = {**connection_arguments(alias), "socket_connect_timeout": bounds.REDIS_CONNECT}
        self.pool = pool(alias, {**arguments, "socket_timeout": bounds.REDIS_READ})
        self.redis = Redis(connection_pool=self.pool)
        self.connection_class = timed_by_kernel(self.pool.connection_class)
        self.local = threading.local()
        # Waiting for the append-only file takes longer than any other answer may.
        self.patient = Redis(
            connection_pool=pool(alias, {**arguments, "socket_timeout": bounds.REDIS_FSYNC + 0.5})
        )
        # Not a method of this client: that would be a reference cycle, which keeps connections open
        # until the garbage collector runs.
        self.breaker = Breaker(STORE, self.redis.ping)

    def call(self, *command: Any) -> Any:
        """Send one command.

        Raises:
            SessionUnavailableError: when Redis gave no answer in time, or could not serve.
            RedisFullError: when it refused for want of memory.
        """
        self.breaker.require_closed()
        try:
            return self.execute(*command)
        except RedisError as error:
            raise self.failed(error) from error

    def script(self, script: Script, keys: list[str], *arguments: Any) -> Any:
        """Run a Lua script; its source travels only where Redis does not know it. Raises as `call`.

        That second command is no retry: Redis answered the first one.
        """
        self.breaker.require_closed()
        rest = (len(keys), *keys, *arguments)
        try:
            try:
                return self.execute("EVALSHA", script.digest, *rest)
            except NoScriptError:
                return self.execute("EVAL", script.source, *rest)
        except RedisError as error:
            raise self.failed(error) from error

    def execute(self, *command: Any) -> Any:
        """Send one command over this thread's connection and return its bare answer.

        What redis-py's client would do, without its retries, hooks and measurements: half of the
        time of a command.
        """
        connection = self.connection()
        try:
            connection.send_command(*command)
            answer = connection.read_response()
        except BaseException as error:
            if not isinstance(error, ResponseError):
                # The answer may still arrive, and would be taken for that of the next command.
                connection.disconnect()
            raise
        self.local.heard = time.monotonic()
        return answer

    def connection(self) -> Any:
        """Return this thread's connection, ready for a command.

        Connects anew, as redis-py's pool does, where bytes wait on the socket: the server has
        closed it, or an earlier answer came late.
        """
        held = getattr(self.local, "connection", None)
        if held is None or held.pid != os.getpid():
            held = self.local.connection = self.connection_class(**self.pool.connection_kwargs)
        elif time.monotonic() - getattr(self.local, "heard", 0.0) < FRESH and held.is_connected:
            return held
        held.connect()
        try:
            ready = not held.can_read()
        except (RedisError, OSError):
            ready = False
        if not ready:
            held.disconnect()
            held.connect()
        return held

    def delete_durably(self, names: list[str]) -> list[bytes | None]:
        """Delete keys, wait until that is in the append-only file, and return what they held.

        All over one connection: `WAITAOF` speaks of the connection's own writes. Raises as `call`.
        """
        self.breaker.require_closed()
        pipeline = self.patient.pipeline(transaction=False)
        for name in names:
            pipeline.execute_command("GETDEL", name)
        pipeline.execute_command("WAITAOF", 1, 0, int(bounds.REDIS_FSYNC * 1000))
        try:
            *held, (written, _) = pipeline.execute()
        except RedisError as error:
            raise self.failed(error) from error
        if not written:
            raise SessionUnavailableError(STORE, "the append-only file was not written in time")
        return held

    def failed(self, error: RedisError) -> Exception:
        """Tell apart why a command failed, and open the breaker where Redis is gone."""
        if isinstance(error, OutOfMemoryError):
            return RedisFullError()
        if isinstance(error, RedisConnectionError | RedisTimeoutError):
            self.pool.disconnect()
            self.breaker.trip(error)
        return SessionUnavailableError(STORE, type(error).__name__)


def connection_arguments(alias: str) -> dict[str, Any]:
    """Return what the cache alias says of its connection, for either Redis cache backend."""
    given: dict[str, Any] = settings.CACHES[alias].get("OPTIONS", {})
    arguments = dict(given.get("CONNECTION_POOL_KWARGS", {}))
    for name in ("username", "password", "db", "credential_provider"):
        value = given.get(name, given.get(name.upper()))
        if value is not None:
            arguments[name] = value
    arguments.update(
        {name: value for name, value in given.items() if name.startswith("ssl_")},
        retry=Retry(NoBackoff(), 0),
        # redis-py's listener for them makes a reference cycle, so a connection stays open until the
        # garbage collector runs. It also costs each new connection a command.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    return arguments


def pool(alias: str, arguments: dict[str, Any]) -> ConnectionPool:
    """Return a pool for the alias's one server."""
    location = settings.CACHES[alias]["LOCATION"]
    url = location if isinstance(location, str) else location[0]
    return ConnectionPool.from_url(url, **arguments)


def timed_by_kernel(kind: Any) -> Any:
    """Return a connection class whose socket timeouts the kernel keeps (SO_RCVTIMEO, SO_SNDTIMEO).

    For a timeout of its own, Python calls poll() before each send and recv. That doubles the system
    calls, and at each of them another thread may take the GIL.
    """
    if issubclass(kind, SSLConnection) or not sys.platform.startswith("linux"):
        return kind

    class TimedByKernel(kind):  # type: ignore[misc] # a class that settings name
        def _connect(self) -> socket.socket:
            sock: socket.socket = super()._connect()
            seconds = sock.gettimeout()
            if seconds:
                bound = struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))  # struct timeval
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, bound)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, bound)
                sock.settimeout(None)
            return sock

    return TimedByKernel


@cache
def redis_client() -> RedisClient:
    """Return the one client of this process."""
    return RedisClient(settings.SESSION_CACHE_ALIAS)


def forget(*, setting: str, **kwargs: Any) -> None:
    """Connect anew after a test changed the settings."""
    if setting in ("CACHES", "SESSION_CACHE_ALIAS"):
        redis_client.cache_clear()


setting_changed.connect(forget)
