"""Hold every connection to Postgres that the app's role can have, and whichever gets free."""

import time
from pathlib import Path

import psycopg

AGAIN_SECONDS = 0.005


def main() -> None:
    """Connect until the end of the process."""
    password = Path("/run/secrets/database_app_password").read_text()
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


main()
