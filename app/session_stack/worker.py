"""gunicorn's threaded worker, with a stop that resets no connection.

At a stop, gunicorn's own keeps its listening socket open until its last connection is done.
Meanwhile the kernel completes new connections, but no thread accepts them. At the end they are
reset, and nginx must not repeat a request that it had sent over one of them.
"""

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped] # it has no types


class Worker(ThreadWorker):  # type: ignore[misc] # for the same reason
    """At a stop, accept the connections that wait, then refuse, so that nginx asks a replica."""

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
