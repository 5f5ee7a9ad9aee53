"""What is kept of a visitor's browser and address: enough to know one's own, and no more."""

import ipaddress
import re
from typing import Any

from hardened_sessions.conf import options

# One site's or customer's network: RFC 6177 gives an end site a /48 at most.
PREFIXES = {4: 24, 6: 48}
AGENT_MOST = 512  # characters that are looked at

# The first that is found; many browsers also say the name of those below them.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def client(meta: dict[str, Any]) -> str:
    """Return the browser and the system in words, as the browser says; '' where it says none."""
    agent = str(meta.get("HTTP_USER_AGENT", ""))[:AGENT_MOST]
    names = [
        next((name for mark, name in known if mark in agent), "") for known in (BROWSERS, SYSTEMS)
    ]
    if not names[0] and (tool := re.match(r"[A-Za-z][\w-]{0,29}", agent)):
        names[0] = tool[0]
    return " on ".join(filter(None, names))


def network(meta: dict[str, Any]) -> str:
    """Return the network that the client's address is in; '' where there is no such address."""
    given = str(meta.get(options().client_address, ""))[-64:].rpartition(",")[2].strip()
    try:
        address = ipaddress.ip_address(given)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or ipaddress.IPv6Address(int(address))  # without a zone
    return str(ipaddress.ip_network((address, PREFIXES[address.version]), strict=False))
