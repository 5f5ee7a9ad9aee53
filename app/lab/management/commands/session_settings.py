"""`manage.py session_settings`: what Django's session settings are here, and who set them."""

from typing import Any

from django.core.management.base import BaseCommand

from lab.lessons.session_settings import in_force


class Command(BaseCommand):
    """Print one line for each setting."""

    help = "Print each session and CSRF setting: its value, who set it, and Django's default."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the table."""
        rows = [
            (
                one.name,
                repr(one.value),
                one.set_by,
                f"default {one.default!r}" if one.changed else "",
            )
            for one in in_force()
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            self.stdout.write("  ".join([*cells, row[3]]).rstrip())
