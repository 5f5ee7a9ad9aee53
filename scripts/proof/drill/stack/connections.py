"""Hold every connection to Postgres that the app's role can have, and whichever gets free."""

import threading
import time
from pathlib import Path

import psycopg

THREADS = 4
AGAIN_SECONDS = 0.02


def hold(password: str) -> None:
    """Connect until the end of the process."""
    held = []
    while True:
        try:
            held.append(
                psycopg.connect(
                    host="postgres",
                    dbname="app",
                    user="app",
                    password=password,
                    application_name="connections",
                )
            )
        except psycopg.OperationalError:
            time.sleep(AGAIN_SECONDS)


def main() -> None:
    """Start the threads; none of them ends."""
    password = Path("/run/secrets/database_app_password").read_text()
    for _ in range(THREADS):
        threading.Thread(target=hold, args=[password]).start()


main()
