"""`manage.py end_sessions`: end a user's sessions, or all, or those that are old or idle."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from hardened_sessions import inventory
from hardened_sessions.conf import options as layer_options
from hardened_sessions.errors import SessionUnavailableError
from hardened_sessions.models import SignedInSession


class Command(BaseCommand):
    help = "End signed-in sessions; says how many, where they are ended one by one."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--user", metavar="NAME", help="all of this user, listed or not")
        which.add_argument("--all", action="store_true", help="all of the site, listed or not")
        which.add_argument(
            "--idle", type=float, metavar="SECONDS", help="those not seen for so long"
        )
        which.add_argument(
            "--before", metavar="MOMENT", help="those signed in before, such as 2026-12-24T00:00Z"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(self.end(options))
        except (SessionUnavailableError, ValueError, TypeError) as error:
            raise CommandError(str(error)) from error

    def end(self, wanted: dict[str, Any]) -> str:
        """End what is wanted; return what to say of it."""
        if wanted["all"]:
            inventory.end_all()
            return "every signed-in session has ended"
        if wanted["user"] is not None:
            user = get_user_model()._default_manager.filter(
                **{get_user_model().USERNAME_FIELD: wanted["user"]}
            )
            if not (found := user.first()):
                raise CommandError(f"--user: there is no user {wanted['user']!r}")
            inventory.end_all_of(found)
            return f"every session of {wanted['user']} has ended"
        rows = SignedInSession.objects.using(layer_options().database)
        if wanted["before"] is not None:
            rows = rows.filter(created__lt=moment(wanted["before"]))
        else:
            if not wanted["idle"] >= 0:
                raise CommandError("--idle is a number of seconds from 0")
            rows = rows.filter(last_seen__lt=timezone.now() - timedelta(seconds=wanted["idle"]))
        old = inventory.there(rows.iterator())
        for row in old:
            inventory.end_session(row)
        return f"{len(old)} sessions have ended"


def moment(text: str) -> datetime:
    """Return a moment; one without a time zone is in UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(
            f"--before is {text!r}; it may be a moment, such as 2026-12-24T00:00Z"
        ) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)
