"""`manage.py prepare_database`: migrate, once Postgres answers."""

import time
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from session_stack.startup.preflight import NotReadyError, wait_for
from session_stack.startup.probes import probe_postgres

WAIT_SECONDS = 15
# A migration may take its time. One that waits for a lock has everybody else wait behind it: it
# fails, and is run again.
BOUNDS = """
    SET statement_timeout = 0;
    SET idle_in_transaction_session_timeout = 0;
    SET lock_timeout = '5s'
"""


class Command(BaseCommand):
    help = (
        f"Wait up to {WAIT_SECONDS} s for Postgres to let this role in, then run migrate. "
        "Exit status 1 with one line when it does not."
    )
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            wait_for(probe_postgres, time.monotonic() + WAIT_SECONDS)
        except NotReadyError as error:
            raise CommandError(str(error)) from error
        with connection.cursor() as cursor:
            cursor.execute(BOUNDS)
        call_command("migrate", interactive=False, verbosity=options["verbosity"])
