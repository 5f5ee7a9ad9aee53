"""Take the engine in force, or say which other one holds it."""

import socket
import time

from django.utils import timezone

from session_stack.models import EngineInForce

# After a reboot every container starts at once, in any order: the engine in force gets this long to
# appear before another one takes its place.
TAKEOVER_SECONDS = 5.0


class EngineTakenError(Exception):
    """Another engine is in force, and its service runs."""


class TakeoverPendingError(Exception):
    """Another engine is in force, and its service may still appear."""


def service_resolves(backend: str) -> bool:
    """Return whether a container of the engine's service is on this network."""
    try:
        socket.getaddrinfo(f"app-{backend}", None)
    except socket.gaierror:
        return False
    return True


class Claim:
    """The attempts of one process to serve with its engine."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.absent_since: float | None = None

    def attempt(self) -> None:
        """Return once this engine is in force.

        The engine that the row names always is. Another one takes its place only where no container
        of the named one has been seen for `TAKEOVER_SECONDS`.

        Raises:
            EngineTakenError: while the named engine's service runs.
            TakeoverPendingError: while it may still appear.
        """
        row, _ = EngineInForce.objects.get_or_create(pk=1, defaults={"backend": self.backend})
        if row.backend == self.backend:
            return
        self.require_absent(row.backend)
        if self.absent_since is None:
            self.absent_since = time.monotonic()
        if time.monotonic() - self.absent_since < TAKEOVER_SECONDS:
            raise TakeoverPendingError(
                f"app-{row.backend} was the engine in force and does not run; "
                f"app-{self.backend} takes its place in {TAKEOVER_SECONDS:.0f} s"
            )
        self.take_over(row.backend)

    def require_absent(self, named: str) -> None:
        """Raise EngineTakenError where a container of the named engine runs."""
        if not service_resolves(named):
            return
        self.absent_since = None
        raise EngineTakenError(
            f"the engine in force is {named}, and this is app-{self.backend}: "
            f"two would share one address; repair: ./scripts/up {self.backend}, "
            f"or stop the other: docker compose --profile {named} stop app-{named}"
        )

    def take_over(self, named: str) -> None:
        """Replace the named engine, unless it came back or another process was faster."""
        if not self.rename(named, self.backend):
            raise TakeoverPendingError(f"app-{named} was replaced by another engine just now")
        try:
            # A container that came up meanwhile may have read the row before it changed.
            self.require_absent(named)
        except EngineTakenError:
            self.rename(self.backend, named)
            raise

    @staticmethod
    def rename(old: str, new: str) -> bool:
        """Compare and set; return whether the row still named the old engine."""
        rows = EngineInForce.objects.filter(pk=1, backend=old)
        return rows.update(backend=new, since=timezone.now()) == 1
