"""Hold connections to nginx of a kind that costs it something, until standard input ends.

usage: crowd.py KIND CONNECTIONS ADDRESSES PATH

Runs in nginx's own network namespace, where all of 127.0.0.0/8 are addresses to come from. Writes
how many connections were taken, and how many were refused, once all have been tried.
"""

import socket
import ssl
import struct
import sys

LARGE = 60_000  # bytes of a body that never ends
STREAMS = 16
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # whose server it is plays no part
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE


def connected(address: str, receive_buffer: int | None = None) -> socket.socket:
    talk = socket.socket()
    talk.settimeout(10)
    if receive_buffer:
        talk.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    talk.bind((address, 0))
    talk.connect(("127.0.0.1", 8443))
    return talk


def secured(talk: socket.socket, protocol: str = "http/1.1") -> socket.socket:
    TLS.set_alpn_protocols([protocol])
    return TLS.wrap_socket(talk, server_hostname="localhost")


def idle(address: str) -> socket.socket:
    return secured(connected(address))


def half_a_handshake(address: str) -> socket.socket:
    talk = connected(address)
    talk.sendall(b"\x16\x03\x01")
    return talk


def half_a_header(address: str) -> socket.socket:
    talk = secured(connected(address))
    talk.sendall(b"GET / HTTP/1.1\r\nHost: local")
    return talk


def half_a_body(address: str) -> socket.socket:
    talk = secured(connected(address))
    head = (
        f"POST /accounts/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LARGE + 1}\r\n\r\n"
    )
    talk.sendall(head.encode() + b"x" * LARGE)
    return talk


def crumbs_of_a_body(address: str) -> socket.socket:
    talk = secured(connected(address))
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    talk.sendall(head + b"1\r\nx\r\n" * LARGE)
    return talk


def slow_reader(address: str) -> socket.socket:
    talk = secured(connected(address, receive_buffer=4096))
    talk.sendall(f"GET {sys.argv[4]} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return talk


def streams_that_nobody_reads(address: str) -> socket.socket:
    """Ask over HTTP/2 with a window of 0 bytes: RFC 9113, 6.5.2, and RFC 7541, 6.2.2."""

    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        length = struct.pack(">I", len(payload))[1:]
        return length + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    path = sys.argv[4].encode()
    header = b"\x82\x87\x04" + bytes([len(path)]) + path + b"\x01\x09localhost"
    talk = secured(connected(address), "h2")
    talk.sendall(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + frame(4, 0, 0, struct.pack(">HI", 4, 0))
        + b"".join(frame(1, 5, 2 * number + 1, header) for number in range(STREAMS))
    )
    return talk


def main() -> None:
    begin = globals()[sys.argv[1]]
    held: list[socket.socket] = []
    for number in range(int(sys.argv[2])):
        who = number % int(sys.argv[3])
        try:
            held.append(begin(f"127.0.{1 + who // 250}.{1 + who % 250}"))
        except OSError:
            continue
    sys.stdout.write(f"{len(held)} {int(sys.argv[2]) - len(held)}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
