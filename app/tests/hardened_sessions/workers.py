"""Worker processes: gunicorn, one process each, with what a process knows of the stores."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path

COOKIE = "__Host-sessionid"


@dataclass(frozen=True)
class Answer:
    """What a worker said; `cookie` is None where it left the browser's alone, '' to delete it."""

    status: int
    text: str
    cookie: str | None
    retry_after: str | None


class Worker:
    """One process that serves the site of `urls.py`."""

    def __init__(self, engine: str, folder: Path, secret_key: str, *fallbacks: str) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port: int = listener.getsockname()[1]
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.hardened_sessions.worker_settings",
            "WORKER_SESSION_ENGINE": engine,
            "WORKER_SESSION_FILE_PATH": str(folder),
            "WORKER_SECRET_KEY": secret_key,
            "WORKER_FALLBACKS": ",".join(fallbacks),
        }
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "tests.hardened_sessions.wsgi"),
                *("--bind", f"127.0.0.1:{self.port}", "--threads", "8"),
                *("--log-level", "error", "--no-control-socket"),
            ],
            env=environment,
            start_new_session=True,
        )

    def wait(self) -> None:
        """Wait until it serves."""
        for _ in range(400):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.025)
            else:
                self.get("ping")
                return
        raise RuntimeError("the worker does not start")

    def get(self, path: str, cookie: str = "", seconds: float = 10.0) -> Answer:
        """Ask for a page."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        headers = {"Host": "testserver", **({"Cookie": f"{COOKIE}={cookie}"} if cookie else {})}
        try:
            connection.request("GET", f"/{path}", headers=headers)
            answer = connection.getresponse()
            jar: SimpleCookie = SimpleCookie(answer.getheader("Set-Cookie") or "")
            return Answer(
                answer.status,
                answer.read().decode(),
                jar[COOKIE].value if COOKIE in jar else None,
                answer.getheader("Retry-After"),
            )
        finally:
            connection.close()

    def kill(self) -> None:
        """End it as for want of memory: the parent, and the process that serves."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it, if it runs."""
        if self.process.poll() is None:
            self.kill()
