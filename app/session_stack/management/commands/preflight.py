"""`manage.py preflight`: return once this container may serve."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from session_stack.startup.preflight import unsafe_settings, wait_until_ready


class Command(BaseCommand):
    help = (
        "Refuse unsafe settings (exit status 1), then wait until Postgres, the schema, the "
        "session backend's store and the engine in force let this container serve. What is "
        "waited for stands in the log, with the repair."
    )
    requires_system_checks = ()  # this command runs them all itself

    def handle(self, *args: Any, **options: Any) -> None:
        if lines := unsafe_settings():
            raise CommandError("\n".join(lines), returncode=1)
        wait_until_ready()
