"""`manage.py clearsessions`: in steps that block nobody, for former engines too."""

import time
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from hardened_sessions.clearing.steps import Clearing, Progress, paced
from hardened_sessions.conf import ENGINES
from hardened_sessions.conf import options as layer_options
from hardened_sessions.errors import SessionUnavailableError

SHOW_SECONDS = 1.0


class Command(BaseCommand):
    help = (
        "Remove expired sessions of the engine and of those in "
        'HARDENED_SESSIONS["PREVIOUS_ENGINES"], a few at a time. A run that ends early is '
        "continued by the next one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--max-seconds", type=float, help="end after the step in which this time is over"
        )

        pace = parser.add_mutually_exclusive_group()
        pace.add_argument(
            "--within",
            type=float,
            metavar="SECONDS",
            help="go as gently as this time allows; else each pause is as long as its step",
        )
        pace.add_argument(
            "--now", action="store_const", const=0.0, dest="within", help="without pauses"
        )

    def handle(
        self, *args: Any, max_seconds: float | None, within: float | None, **options: Any
    ) -> None:
        engine = settings.SESSION_ENGINE
        names = dict.fromkeys(
            name.rpartition(".")[2] for name in (engine, *layer_options().previous_engines)
        )
        deadline = None if max_seconds is None else time.monotonic() + max_seconds
        known = (
            import_module(f"hardened_sessions.backends.{name}").SessionStore.clears
            for name in names
            if name in ENGINES
        )
        wanted = [clears() for clears in dict.fromkeys(known) if clears]
        if not wanted and not engine.startswith("hardened_sessions."):
            self.clear_other(engine)
        for clearing in wanted:
            try:
                done = self.clear(clearing, within, deadline, options["verbosity"])
            except (SessionUnavailableError, OSError, OperationalError) as error:
                reason = str(error).partition("\n")[0]
                raise CommandError(f"{reason}; the next run goes on from there") from error
            if not done:
                self.stdout.write("time is over: the next run goes on from here")
                return

    def clear(
        self, clearing: Clearing, within: float | None, deadline: float | None, verbosity: int
    ) -> bool:
        """Do the steps until the deadline; return whether all are done."""
        shown = time.monotonic()
        progress = Progress("step", 0, 0)
        for progress in paced(clearing, within):
            now = time.monotonic()
            if verbosity and now - shown >= SHOW_SECONDS:
                self.show(progress)
                shown = now
            if deadline is not None and now >= deadline and progress.done < progress.total:
                self.show(progress)
                return False
        if verbosity:
            self.show(progress)
        return True

    def show(self, progress: Progress) -> None:
        """Write one line."""
        self.stdout.write(
            f"{progress.unit} {progress.done:,} of {progress.total:,}: "
            f"{progress.removed:,} sessions removed"
        )

    def clear_other(self, engine: str) -> None:
        """Clear an engine that is not this layer's, as Django's command does."""
        try:
            import_module(engine).SessionStore.clear_expired()
        except NotImplementedError as error:
            raise CommandError(
                f"Session engine '{engine}' doesn't support clearing expired sessions."
            ) from error
