"""What one request tried: each password is counted before it is hashed, and settled if right."""

import ipaddress
import logging
import unicodedata
from contextvars import ContextVar
from functools import cached_property
from typing import NamedTuple

from django.http import HttpRequest

from session_stack.sign_in import counters, device
from session_stack.sign_in.counters import Counter, TooEarlyError
from session_stack.sign_in.device import Device
from session_stack.sign_in.limits import EVERYBODY, NEWCOMER, OWN

logger = logging.getLogger(__name__)

# One site's or customer's network: RFC 6177 gives an end site a /48 at most.
PREFIXES = {4: 24, 6: 48}

NAME_MAX = 254  # characters; what follows is no part of a counter's name


class Attempt(NamedTuple):
    """An attempt that was counted."""

    name: str
    own: Counter
    everybody: Counter | None


class Visit:
    """One request, and its attempts to prove who somebody is."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.wait_seconds = 0  # of the attempt that came too early
        self.attempts: dict[int, Attempt] = {}
        self.proved: set[str] = set()
        self.signed_in = False

    @cached_property
    def device(self) -> Device:
        """Return the browser."""
        return device.read(self.request)

    def begin(self, name: str, password: object) -> int:
        """Count an attempt, unless this request tried the same before; return its key.

        Several backends may be asked for one password, which is one guess.

        Raises:
            TooEarlyError: where it has to wait.
            UncountedError: where the database is away.
        """
        key = hash((name, str(password)))
        if key not in self.attempts:
            try:
                self.attempts[key] = self.count(normalized(name))
            except TooEarlyError as error:
                self.wait_seconds = error.seconds
                logger.warning("a password has to wait", extra={"seconds": error.seconds})
                raise
        return key

    def count(self, name: str) -> Attempt:
        """Count an attempt where it is to be counted."""
        if self.device.knows(name):
            own = counters.counter(OWN, "device", name, self.device.id)
            counters.count(own)
            return Attempt(name, own, None)
        own = counters.counter(OWN, "network", name, network(self.request))
        kind = "newcomers" if counters.count(own) <= NEWCOMER else "others"
        everybody = counters.counter(EVERYBODY, kind, name)
        try:
            counters.count(everybody)
        except TooEarlyError:
            counters.take_back(own)  # who waits for others has not failed
            raise
        return Attempt(name, own, everybody)

    def succeeded(self, key: int) -> None:
        """Forget the failures of this network or browser, and no others'."""
        attempt = self.attempts.pop(key)
        counters.forget(attempt.own)
        if attempt.everybody:
            counters.take_back(attempt.everybody)
        self.proved.add(attempt.name)

    def remember(self, username: str) -> None:
        """Know this browser by the account that signed in, by each name that led to it."""
        for name in {normalized(username), *self.proved}:
            self.device = self.device.with_account(name)
        self.signed_in = True


current: ContextVar[Visit | None] = ContextVar("visit", default=None)


def normalized(name: str) -> str:
    """Return one form for all the forms of a name that one account may have."""
    whole = name.strip()[:NAME_MAX].encode(errors="replace").decode()
    return unicodedata.normalize("NFKC", whole).casefold()


def network(request: HttpRequest) -> str:
    """Return the network that the request comes from, as nginx says, which a client can't."""
    sent = request.headers.get("X-Forwarded-For") or request.META.get("REMOTE_ADDR", "")
    try:
        address = ipaddress.ip_address(sent.rpartition(",")[2].strip())
    except ValueError:
        return "unknown"
    address = getattr(address, "ipv4_mapped", None) or address
    host_bits = address.max_prefixlen - PREFIXES[address.version]
    return f"{address.version}/{int(address) >> host_bits}"
