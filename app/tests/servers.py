"""A Postgres and a Redis of the tests' own: real ones, to start, stop, hang, fill and kill."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import redis

SERVERS = "/servers"  # in memory: compose.yml
PASSWORD = "only-for-tests-0"
POSTGRES_PORT = 5433
REDIS_PORT = 6390


class Server:
    """A server process in a folder of its own."""

    port: int

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"{type(self).__name__}-", dir=SERVERS))
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """Return the command that starts it in the foreground."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Return whether it serves."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it and wait until it serves."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        self.wait()

    def wait(self) -> None:
        """Wait until it serves."""
        for _ in range(400):
            if self.answers():
                return
            if self.process is None or self.process.poll() is not None:
                break
            time.sleep(0.025)
        raise RuntimeError((self.folder / "log").read_text()[-2000:])

    def send(self, number: int) -> None:
        """Send every process of the server a signal."""
        assert self.process
        for pid in [self.process.pid, *children(self.process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def hang(self) -> None:
        """Let it answer nothing, with its connections open."""
        self.send(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        self.send(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a crash would, and wait until nothing of it is left."""
        assert self.process
        os.kill(self.process.pid, signal.SIGSTOP)  # or it could fork once more
        family = children(self.process.pid)
        self.send(signal.SIGKILL)
        self.process.wait()
        for pid in family:
            while Path(f"/proc/{pid}").exists():
                time.sleep(0.005)

    def stop(self) -> None:
        """End it in good order, if it runs."""
        if self.process and self.process.poll() is None:
            self.send(signal.SIGCONT)
            self.process.send_signal(self.stop_signal)
            self.process.wait(30)

    stop_signal = signal.SIGTERM

    def remove(self) -> None:
        """End it and delete its folder."""
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder)


class Postgres(Server):
    """PostgreSQL, with the configuration that matters to sessions as the stack has it."""

    port = POSTGRES_PORT
    stop_signal = signal.SIGINT

    def __init__(self) -> None:
        super().__init__()
        self.data = self.folder / "data"
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        subprocess.run(
            [
                *("initdb", "--no-sync", "--username=postgres", "--auth=scram-sha-256"),
                *(f"--pgdata={self.data}", f"--pwfile={secret}", "--encoding=UTF8"),
            ],
            check=True,
            capture_output=True,
        )

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "60",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return ["postgres", "-D", str(self.data), *options]

    def answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """Return a connection as the superuser, in autocommit mode."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            password=PASSWORD,
            dbname=database,
            autocommit=True,
            connect_timeout=2,
        )


class RedisServer(Server):
    """Redis, with an append-only file."""

    port = REDIS_PORT

    def command(self) -> list[str]:
        return [
            *("redis-server", "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--requirepass", PASSWORD, "--dir", str(self.folder), "--save", ""),
            *("--appendonly", "yes", "--maxmemory", "64mb", "--maxmemory-policy", "noeviction"),
        ]

    def answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except redis.RedisError:
            return False

    def client(self) -> redis.Redis:
        """Return a client of the test's own."""
        return redis.Redis(host="127.0.0.1", port=self.port, password=PASSWORD, socket_timeout=5)

    def empty(self) -> None:
        """Delete what it keeps on disk; it must not run."""
        shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)


def children(pid: int) -> list[int]:
    """Return the process's children, from /proc."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]
