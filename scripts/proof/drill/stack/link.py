"""Take every interface of this network namespace but the loopback down, or up again.

usage: python link.py down|up

Addresses stay, and so do routes to the networks of these: a container cut off like this answers
nobody, not even that it is gone.
"""

import fcntl
import socket
import struct
import sys

SIOCGIFFLAGS = 0x8913  # linux/sockios.h
SIOCSIFFLAGS = 0x8914
IFF_UP = 1  # linux/if.h
REQUEST = struct.Struct("16sh22x")  # struct ifreq: the interface's name and its flags


def set_links(up: bool) -> None:
    """Set the state of each link."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for _, name in socket.if_nameindex():
            if name == "lo":
                continue
            asked = REQUEST.pack(name.encode(), 0)
            _, flags = REQUEST.unpack(fcntl.ioctl(control, SIOCGIFFLAGS, asked))
            flags = flags | IFF_UP if up else flags & ~IFF_UP
            fcntl.ioctl(control, SIOCSIFFLAGS, REQUEST.pack(name.encode(), flags))


set_links({"down": False, "up": True}[sys.argv[1]])
