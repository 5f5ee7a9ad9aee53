"""One connection a thread: what a command costs, and what it must not miss."""

import gc
import socket
import struct
import time
from typing import Any
from unittest.mock import Mock

import pytest
from redis import SSLConnection

from hardened_sessions import bounds
from hardened_sessions.clients.redis import FRESH, redis_client, timed_by_kernel
from tests.servers import RedisServer


def test_the_kernel_keeps_the_time_of_a_read_and_a_write() -> None:
    redis_client().call("PING")
    sock = redis_client().connection()._sock
    assert sock.gettimeout() is None
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        seconds, microseconds = struct.unpack(
            "@ll", sock.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("@ll"))
        )
        assert seconds + microseconds / 1e6 == pytest.approx(bounds.REDIS_READ, abs=0.01)


def test_tls_keeps_its_time_itself() -> None:
    assert timed_by_kernel(SSLConnection) is SSLConnection


def test_a_connection_that_answered_just_now_is_not_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    redis_client().call("PING")
    connection: Any = redis_client().connection()
    look = Mock(wraps=connection.can_read)
    monkeypatch.setattr(connection, "can_read", look)
    redis_client().local.heard = time.monotonic() + 60
    redis_client().call("PING")
    look.assert_not_called()
    redis_client().local.heard = time.monotonic() - FRESH
    redis_client().call("PING")
    look.assert_called_once()


def test_a_connection_that_redis_ended_meanwhile_costs_no_answer(redis_server: RedisServer) -> None:
    number = redis_client().call("CLIENT", "ID")
    with redis_server.client() as client:
        client.client_kill_filter(_id=number)
    time.sleep(FRESH)
    assert redis_client().call("CLIENT", "ID") != number


def test_a_client_that_is_dropped_leaves_no_connection_to_the_garbage_collector() -> None:
    client = redis_client()
    client.redis.ping()
    client.patient.ping()
    pools = [client.pool, client.patient.connection_pool]
    sockets = [pool.get_connection()._sock for pool in pools] + [client.connection()._sock]
    assert all(sock.fileno() > 0 for sock in sockets)
    gc.disable()
    try:
        del client, pools
        redis_client.cache_clear()
        assert [sock.fileno() for sock in sockets] == [-1] * 3
    finally:
        gc.enable()
