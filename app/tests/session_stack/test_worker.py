"""A worker that stops: what came before is answered, and what comes then is refused."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

APP = """
import time

def application(environ, start_response):
    time.sleep(float(environ["PATH_INFO"].strip("/")))
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


@dataclass
class Gunicorn:
    """A gunicorn with one worker, whose answers take as many seconds as the path says."""

    process: subprocess.Popen[bytes]
    port: int

    def ask(self, seconds: float) -> socket.socket:
        """Return a connection on which a request has been sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.sendall(f"GET /{seconds} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return connection

    def serves(self) -> bool:
        """Return whether it answers."""
        try:
            with self.ask(0) as connection:
                return connection.recv(99).startswith(b"HTTP/1.1 200")
        except OSError:
            return False


@pytest.fixture
def gunicorn(tmp_path: Path) -> Iterator[Gunicorn]:
    (tmp_path / "slow.py").write_text(APP)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port: int = taken.getsockname()[1]
    options = [f"--bind=127.0.0.1:{port}", "--threads=4", "--keep-alive=9", "--no-control-socket"]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "gunicorn",
            "--worker-class=session_stack.worker.Worker",
            *options,
            "slow",
        ],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{Path.cwd()}"},
    )
    server = Gunicorn(process, port)
    deadline = time.monotonic() + 20
    while not server.serves():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield server
    process.kill()
    process.wait()


def test_a_stop_answers_what_has_come_and_refuses_what_comes(gunicorn: Gunicorn) -> None:
    with gunicorn.ask(0) as idle, gunicorn.ask(2) as begun:
        assert idle.recv(99).startswith(b"HTTP/1.1 200")
        gunicorn.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        # It is there still, and its kept connection too; a new one would be reset in the end.
        assert gunicorn.process.poll() is None
        with pytest.raises(ConnectionRefusedError):
            gunicorn.ask(0)
        assert begun.recv(99).startswith(b"HTTP/1.1 200")
    assert gunicorn.process.wait(10) == 0
