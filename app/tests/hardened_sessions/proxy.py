"""A link between a client and a server that can be slow, silent or cut."""

import select
import socket
import threading
import time
from collections.abc import Callable

CHUNK = 65536


class Proxy:
    """Carry bytes to a server of this machine, as the attributes say at that moment."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay = 0.0  # seconds, each way
        self.silent = False  # connections stay open and carry nothing
        # Asked with each piece on its way to the server; True: it arrives, and the link is cut.
        self.cut_after: Callable[[bytes], bool] = lambda sent: False
        self.refusing = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.links: list[socket.socket] = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        """Serve each connection in a thread of its own."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.refusing:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.target))
            self.links += [client, server]
            threading.Thread(target=self.carry, args=(client, server), daemon=True).start()

    def carry(self, client: socket.socket, server: socket.socket) -> None:
        """Carry until either end closes."""
        try:
            while True:
                for source in select.select([client, server], [], [])[0]:
                    piece = source.recv(CHUNK)
                    while self.silent:
                        time.sleep(0.01)
                    time.sleep(self.delay)
                    if not piece:
                        return
                    target = server if source is client else client
                    target.sendall(piece)
                    if target is server and self.cut_after(piece):
                        time.sleep(0.05)  # the server does what it was sent
                        return
        except OSError:
            pass
        finally:
            client.close()
            server.close()

    def cut(self) -> None:
        """Cut every connection."""
        for link in self.links:
            try:
                link.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it was closed already
        self.links.clear()

    def close(self) -> None:
        """Carry nothing any more."""
        self.silent = False
        self.listener.close()
        self.cut()
