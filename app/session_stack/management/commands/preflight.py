"""`manage.py preflight`: return once this container may serve."""

import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from session_stack import grace
from session_stack.startup.preflight import unsafe_settings, wait_until_ready

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Refuse unsafe settings (exit status 1), then wait until Postgres, the schema, the "
        "session backend's store and the engine in force let this container serve. What is "
        "waited for stands in the log, with the repair. Write for the process that will serve "
        "until when it finds sessions that lie under their key (SESSION_GRACE)."
    )
    requires_system_checks = ()  # this command runs them all itself

    def handle(self, *args: Any, **options: Any) -> None:
        if lines := unsafe_settings():
            raise CommandError("\n".join(lines), returncode=1)
        wait_until_ready()
        until = grace.record()
        if until is not None and until > timezone.now():
            logger.info("sessions that lie under their key are found until %s", f"{until:%F %T %Z}")
        self.stdout.write((until or grace.OVER).isoformat())
