"""`manage.py stack_settings`: each setting that the stack has a word in, and who set it."""

from pprint import pformat
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.views.debug import SafeExceptionReporterFilter


class Command(BaseCommand):
    help = (
        "Print each setting with who set it: stack (not open to choice), .env, project, default, "
        "or both (the project's, with the stack's in it). Secrets are not shown."
    )
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        shown = SafeExceptionReporterFilter().get_safe_settings()
        for name, origin in sorted(settings.STACK_ORIGINS.items()):
            if name != "ENV":  # each of its values stands under its own name
                self.stdout.write(f"{name} = {pformat(shown[name], width=100)}  # {origin}")
