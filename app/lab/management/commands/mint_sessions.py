"""`manage.py mint_sessions`: signed-in sessions for a load test, without signing in over HTTP."""

import json
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.http import HttpRequest

BACKEND = "django.contrib.auth.backends.ModelBackend"


class Command(BaseCommand):
    help = (
        "Sign a demo user in N times, by the engine in force, and print one Cookie header a line. "
        "Whoever reads them is signed in as that user: make one with `demo_user add`."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", type=int)
        parser.add_argument("--user", required=True, help="a user that `demo_user add` made")
        parser.add_argument("--data", type=json.loads, default={}, help="JSON of what each holds")

    def handle(
        self, *args: Any, number: int, user: str, data: dict[str, Any], **options: Any
    ) -> None:
        users = get_user_model().objects
        # As demo_user marks its users: no session of a real user is ever made here.
        demo = users.filter(username=user, email=f"{user}@demo.invalid").first()
        if demo is None:
            raise CommandError(f"there is no demo user {user!r}; make one with demo_user add")
        engine = import_module(settings.SESSION_ENGINE)
        for _ in range(number):
            request = HttpRequest()
            request.session = engine.SessionStore()
            login(request, demo, backend=BACKEND)
            request.session.update(data)
            request.session.save()
            self.stdout.write(f"{settings.SESSION_COOKIE_NAME}={request.session.session_key}")
