"""gunicorn's threaded worker, whose stop breaks off no connection.

The worker that it extends keeps its listening socket while it answers what it has begun, which may
take as long as idle connections linger: connections that come meanwhile are taken by the kernel,
accepted by nobody, and reset at the end, with requests in them that nginx may not repeat.
"""

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped] # it has no types


class Worker(ThreadWorker):  # type: ignore[misc] # for the same reason
    """Accept what has come when a stop begins, and then refuse, so that nginx asks a replica."""

    def set_accept_enabled(self, enabled: bool) -> None:
        """Watch the listening sockets or not; close them where the worker stops."""
        super().set_accept_enabled(enabled)
        if self.alive:
            return
        for listener in self.sockets:
            accepted = -1
            while accepted != self.nr_conns:
                accepted = self.nr_conns
                self.accept(listener)
            listener.close()
