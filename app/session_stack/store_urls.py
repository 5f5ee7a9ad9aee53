"""Stores that run elsewhere, by URL: over TLS, to a server whose certificate bears its name.

An error says what may be, and never shows the URL, which holds a password.
"""

import ssl
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

DATABASE_PARTS = {"host", "port", "user", "password", "dbname", "sslmode", "target_session_attrs"}
DATABASE = "postgresql://app:PASSWORD@db1.example.org,db2.example.org/app"
REDIS = "rediss://app:PASSWORD@redis.example.org:6379/0"


@dataclass(frozen=True, slots=True)
class Server:
    """Where a store is, and as whom to go there."""

    host: str  # Postgres: several have commas in between
    port: str  # likewise
    name: str  # of the database
    user: str
    password: str
    elsewhere: bool = False  # named by a URL, and reached over TLS alone
    target: str | None = None  # Postgres: libpq's target_session_attrs

    @property
    def location(self) -> str:
        """Return the URL of a Redis, without its password."""
        scheme = "rediss" if self.elsewhere else "redis"
        return f"{scheme}://{quote(self.user, safe='')}@{self.host}:{self.port}/{self.name}"


def database(text: str) -> Server:
    """Parse a URL of Postgres, as libpq takes it (PostgreSQL 17, 32.1.1.2).

    Of several hosts the one that takes writes is meant, where the URL says nothing else.

    Raises:
        ValueError: with what it may be.
    """
    import psycopg.conninfo

    try:
        if not text.startswith(("postgresql://", "postgres://")):
            raise psycopg.ProgrammingError
        given = psycopg.conninfo.conninfo_to_dict(text)
    except psycopg.ProgrammingError:
        raise ValueError(f"is no URL of Postgres; it may be such as {DATABASE}") from None
    if more := sorted(given.keys() - DATABASE_PARTS):
        raise ValueError(f"says {', '.join(more)}; it may say only {', '.join(DATABASE_PARTS)}")
    if less := sorted({"host", "user", "password", "dbname"} - given.keys()):
        raise ValueError(f"says no {', '.join(less)}; it may be such as {DATABASE}")
    if given.get("sslmode", "verify-full") != "verify-full":
        raise ValueError("says another sslmode than verify-full, the only one that it may say")
    hosts = str(given["host"])
    ports = ",".join(port or "5432" for port in str(given.get("port", "")).split(","))
    if "/" in hosts or not all(port.isdecimal() for port in ports.split(",")):
        raise ValueError(f"names a socket or no port; it may be such as {DATABASE}")
    target = given.get("target_session_attrs") or ("read-write" if "," in hosts else None)
    return Server(
        hosts,
        ports,
        str(given["dbname"]),
        str(given["user"]),
        str(given["password"]),
        elsewhere=True,
        target=str(target) if target else None,
    )


def authorities(text: str) -> None:
    """Check that a text holds certificates.

    Raises:
        ValueError: when it does not.
    """
    try:
        ssl.create_default_context(cadata=text)
    except ssl.SSLError:
        raise ValueError("holds no certificate in PEM form, and may hold several") from None


def redis(text: str) -> Server:
    """Parse a URL of one Redis over TLS.

    Raises:
        ValueError: with what it may be.
    """
    refusal = ValueError(f"is no URL of one Redis over TLS; it may be such as {REDIS}")
    try:
        url = urlsplit(text)
        port = url.port or 6379
    except ValueError:
        raise refusal from None
    name = url.path.removeprefix("/") or "0"
    whole = url.hostname and url.password and name.isdecimal() and not (url.query or url.fragment)
    if url.scheme != "rediss" or not whole or "," in url.netloc.rpartition("@")[2]:
        raise refusal
    return Server(
        url.hostname or "",
        str(port),
        name,
        unquote(url.username or "default"),
        unquote(url.password or ""),
        elsewhere=True,
    )
