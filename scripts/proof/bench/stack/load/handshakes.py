"""Open and close full TLS connections one after another: `handshakes.py HOST PORT SECONDS`.

Prints how many there were. The site's own authority is not asked: what is measured is the server.
"""

import socket
import ssl
import sys
import time

host, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
number, end = 0, time.monotonic() + seconds
while time.monotonic() < end:
    # A new context's connection resumes nothing.
    with socket.create_connection((host, port), timeout=5) as plain:
        context.wrap_socket(plain, server_hostname=host).close()
    number += 1
sys.stdout.write(f"{number}\n")
