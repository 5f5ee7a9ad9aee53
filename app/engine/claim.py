"""Take the engine in force, or say which other one holds it."""

import socket
import time

from django.utils import timezone

from engine.models import EngineInForce

# After a reboot every container starts at once, in any order: the engine in force gets this long to
# appear before another one takes its place.
TAKEOVER_SECONDS = 5.0


def service_resolves(backend: str) -> bool:
    """Return whether a container of the backend's service is on this network."""
    try:
        socket.getaddrinfo(f"app-{backend}", None)
    except socket.gaierror:
        return False
    return True


class Claim:
    """The attempts of one process to serve with its backend."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.absent_since: float | None = None

    def attempt(self) -> str | None:
        """Return None once this backend is in force, else the backend that still is.

        The named backend is always in force. Another one takes its place only where no container
        of the named one has been seen for `TAKEOVER_SECONDS`.
        """
        row, _ = EngineInForce.objects.get_or_create(pk=1, defaults={"backend": self.backend})
        if row.backend == self.backend:
            return None
        if service_resolves(row.backend):
            self.absent_since = None
            return row.backend
        if self.absent_since is None:
            self.absent_since = time.monotonic()
        if time.monotonic() - self.absent_since < TAKEOVER_SECONDS:
            return row.backend
        return self.take_over(row.backend)

    def take_over(self, named: str) -> str | None:
        """Replace the named backend, unless it came back or somebody else was faster."""
        if not self.rename(named, self.backend):
            return named
        # A container that came up meanwhile may have read the row before it changed.
        if service_resolves(named):
            self.rename(self.backend, named)
            return named
        return None

    @staticmethod
    def rename(old: str, new: str) -> bool:
        """Compare and set; return whether the row still named the old backend."""
        rows = EngineInForce.objects.filter(pk=1, backend=old)
        return rows.update(backend=new, since=timezone.now()) == 1
