"""The container's health check: `python -m session_stack.health.probe DOMAIN`.

Ask /health/ready: exit status 0 on a 200, else 1 with the answer on stdout, where `docker inspect`
shows it. A second word asks for that: `live` is 200 while a store is away, too. A bare socket,
because Docker starts this every few seconds and imports would be most of its cost.
"""

import socket
import sys

TIMEOUT_SECONDS = 3.0


def main(domain: str, path: str = "ready") -> int:
    """Ask this container's gunicorn once; return the exit status."""
    request = f"GET /health/{path} HTTP/1.0\r\nHost: {domain}\r\n\r\n".encode()
    try:
        with socket.create_connection(("127.0.0.1", 8000), TIMEOUT_SECONDS) as connection:
            connection.sendall(request)
            answer = connection.makefile("rb").read().decode("utf-8", "replace")
    except OSError as error:
        sys.stdout.write(f"nothing answers on port 8000: {error}\n")
        return 1
    head, _, body = answer.partition("\r\n\r\n")
    sys.stdout.write(body)
    return 0 if head.split(" ")[1:2] == ["200"] else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
