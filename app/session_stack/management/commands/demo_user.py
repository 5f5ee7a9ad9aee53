"""`manage.py demo_user`: a user to try the stack with, made only when asked for."""

import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = (
        "add NAME: make a user with a random password, which is printed once, alone on a line. "
        "remove NAME: delete a user that this command made."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["add", "remove"])
        parser.add_argument("name")
        parser.add_argument("--superuser", action="store_true", help="one that the admin takes")

    def handle(
        self, *args: Any, action: str, name: str, superuser: bool = False, **options: Any
    ) -> None:
        # Only an address that can't receive mail marks a demo user, so a real one is never removed.
        email = f"{name}@demo.invalid"
        users = get_user_model().objects
        if action == "remove":
            deleted, _ = users.filter(username=name, email=email).delete()
            if not deleted:
                raise CommandError(f"there is no demo user {name!r}")
            return
        if users.filter(username=name).exists():
            raise CommandError(f"the name {name!r} is taken; choose another one")
        password = secrets.token_urlsafe(18)
        make = users.create_superuser if superuser else users.create_user
        make(name, email, password)
        self.stdout.write(password)
