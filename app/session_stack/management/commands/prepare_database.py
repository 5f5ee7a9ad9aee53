"""`manage.py prepare_database`: migrate, once Postgres answers."""

import time
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from session_stack.startup.preflight import NotReadyError, wait_for
from session_stack.startup.probes import probe_postgres

WAIT_SECONDS = 15


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
        call_command("migrate", interactive=False, verbosity=options["verbosity"])
