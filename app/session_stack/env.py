"""The environment, read once into one frozen, typed value.

Nothing else in the project reads an environment variable. A word that is not among the choices, a
missing secret or an impossible pair ends the process with one line for each problem: the variable,
what it may be, and never a secret's value.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final, Literal, get_args

from croniter import croniter

from session_stack import capacity, store_urls
from session_stack.layers import LAYERS, engines
from session_stack.store_urls import Server

SessionKeys = Literal["hash", "read"]
SessionGrace = Literal["auto", "true", "false"]
SessionConflicts = Literal["merge", "strict"]
SameSite = Literal["Lax", "Strict"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

PROJECT: Final = Path("/run/secrets/project.json")  # deploy/init/own_variables.py writes it
SECRET_KEY_MIN_LENGTH: Final = 50  # characters; Django's security.W009 asks for as many
PASSWORD_MIN_LENGTH: Final = 16  # characters
ENCRYPTION_KEY = re.compile(r"[0-9a-fA-F]{64}")  # 256 bits
PUBLIC_AUTHORITIES: Final = Path("/etc/ssl/certs/ca-certificates.crt")  # Debian's ca-certificates
COOKIE_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token (RFC 9110, 5.6.2)
# What other cookies of the site are called, in lower case: one of that name would be two in one.
TAKEN_NAMES = {"__host-csrftoken", "__host-http-csrftoken", "__host-device", "__host-witness"}
URL_PATH: Final = re.compile(r"/[A-Za-z0-9/._~-]{1,199}")
SIGN_IN_PATHS: Final = "/accounts/login/ /accounts/password/ /admin/login/ /admin/password_change/"
BODY_MAX_KB_MOST: Final = 13 * 1024  # four fit nginx's tmpfs, and one the app's
MAX_BYTES_MOST: Final = 2**20  # a session is read and written whole, on many requests
TWO_WEEKS_SECONDS: Final = 14 * 24 * 3600  # Django's own default SESSION_COOKIE_AGE
COOKIE_AGE_MAX_SECONDS: Final = 400 * 24 * 3600  # browsers cap at 400 days (RFC 6265bis, 5.5)

# One host name: labels of letters, digits and inner hyphens (RFC 1123, 2.1). An address has no
# SNI, so it could never be served.
DOMAIN: Final = re.compile(
    r"(?=.{1,253}\Z)(?!.*\.\d+\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    r"(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)


class VariableError(ValueError):
    """A value that may not be; the message says what it may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """Every setting that an operator can make, in the order of `.env.example`."""

    # Where the site is
    domain: str
    domain_aliases: tuple[str, ...]  # nginx's and the certificate's
    http_port: int
    https_port: int
    hsts_seconds: int
    hsts_include_subdomains: bool
    hsts_preload: bool
    health_path: str  # nginx's
    # Limits: nginx's, but the last three; read here so that a bad value stops the start
    trusted_proxies: tuple[str, ...]
    body_max_kb: int
    request_seconds: int
    connections_per_address: int
    sign_in_paths: tuple[str, ...]
    sign_ins_per_minute: int
    passwords_per_minute: int
    sign_in_delays: bool
    new_sessions_per_hour: int
    statement_seconds: int
    # Sessions
    session_layer: str
    session_backend: str
    session_keys: SessionKeys
    session_grace: SessionGrace
    session_grace_until: datetime | None  # what preflight told this process; not for .env
    session_conflicts: SessionConflicts
    session_max_bytes: int
    session_cookie_name: str
    session_cookie_samesite: SameSite
    session_old_cookie_name: str | None
    session_old_cookie_domain: str | None
    session_cookie_age_seconds: int
    session_expire_at_browser_close: bool
    session_save_every_request: bool
    session_file_path: Path
    clearsessions_schedule: str
    clearsessions_jitter_seconds: int
    # Capacity
    app_cpus: Decimal
    app_workers: int | None
    app_threads: int
    log_level: LogLevel
    # Stores
    database: Server
    redis: Server | None  # None: this container was given no Redis
    stores_ca: Path  # who signs the certificates of those that are elsewhere
    # Keys
    secret_key: str
    secret_key_fallbacks: tuple[str, ...]
    session_encryption_keys: tuple[str, ...]
    # Which variables had a value: the rest are defaults.
    given: frozenset[str] = field(compare=False)

    @property
    def host(self) -> str:
        """Return the authority that browsers send: the port only where it is not 443."""
        return self.domain if self.https_port == 443 else f"{self.domain}:{self.https_port}"

    @property
    def origin(self) -> str:
        """Return the one origin of the site."""
        return f"https://{self.host}"

    @property
    def workers(self) -> int:
        """Return the number of gunicorn's workers."""
        return capacity.workers(self.app_cpus, self.app_workers)

    @property
    def database_tls(self) -> dict[str, str]:
        """Return libpq's options for a Postgres that is elsewhere."""
        if not self.database.elsewhere:
            return {}
        options = {"sslmode": "verify-full", "sslrootcert": str(self.stores_ca)}
        if self.database.target:
            options["target_session_attrs"] = self.database.target
        return options

    @property
    def redis_tls(self) -> dict[str, str]:
        """Return redis-py's options for a Redis that is elsewhere; it checks names by itself."""
        elsewhere = self.redis is not None and self.redis.elsewhere
        return {"ssl_ca_certs": str(self.stores_ca)} if elsewhere else {}


class Reader:
    """Read variables from a mapping and collect what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []

    def value[T](self, name: str, parse: Callable[[str], T], default: str | None = None) -> T:
        """Return the parsed variable; an unset or empty one is the default."""
        text = self.environ.get(name) or default
        try:
            if text is None:
                raise VariableError("is not set")
            return parse(text)
        except VariableError as problem:
            self.problems.append(f"{name} {problem}")
            # Never read: read() ends the process before an Env leaves this module.
            return None  # type: ignore[return-value]

    def secret(self, name: str, min_length: int) -> str:
        """Return the secret in the file that `NAME_FILE` names, or in `NAME`; not in both."""
        path = self.environ.get(f"{name}_FILE")
        if path is None:
            return self.value(name, secret_of(min_length))
        if self.environ.get(name):
            self.problems.append(f"{name} and {name}_FILE are both set; keep {name}_FILE")
        return self.value(f"{name}_FILE", secret_file_of(min_length))

    def url(self, name: str, parse: Callable[[str], Server]) -> Server | None:
        """Return the server in the file that `NAME_FILE` names; None where that is empty."""
        if self.environ.get(name):
            self.problems.append(
                f"{name} is set, where whoever sees the container's configuration reads its "
                f"password; put it into deploy/secrets/{name.lower()}"
            )
        if not self.environ.get(f"{name}_FILE"):
            return None
        return self.value(f"{name}_FILE", url_file_of(parse))

    def own(self, store: str, host: str, port: str, name: str) -> Server:
        """Return where this stack's own store is, or what its variables say."""
        return Server(
            self.value(f"{store}_HOST", word, host),
            str(self.value(f"{store}_PORT", integer(1, 65535), port)),
            name,
            self.value(f"{store}_USER", word, "app"),
            self.secret(f"{store}_PASSWORD", PASSWORD_MIN_LENGTH),
        )


def one_of[T: str](words: tuple[T, ...]) -> Callable[[str], T]:
    """Return a parser for a closed choice."""

    def parse(text: str) -> T:
        for word in words:
            if word == text:
                return word
        raise VariableError(f"is {text!r}; it may be {', '.join(words)}")

    return parse


def layer(text: str) -> str:
    """Parse the name of a session layer that is installed."""
    name = one_of(LAYERS)(text)
    try:
        engines(name)
    except ModuleNotFoundError as error:
        others = ", ".join(other for other in LAYERS if other != name)
        raise VariableError(
            f"is {name!r}, whose package {error.name} is not there; it may be {others}"
        ) from error
    return name


def engine_of(layer: str | None) -> Callable[[str], str]:
    """Return a parser for the name of one of a layer's engines; takes any where that is unknown."""
    return one_of(engines(layer)) if layer else word


def integer(low: int, high: int) -> Callable[[str], int]:
    """Return a parser for a whole number from low to high."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
            raise VariableError(f"is {text!r}; it may be a whole number from {low} to {high}")
        return int(text)

    return parse


def cpus(text: str) -> Decimal:
    """Parse a share of processors, as Docker's `cpus` limit takes it."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not (value.is_finite() and Decimal("0.1") <= value <= 256):
        raise VariableError(
            f"is {text!r}; it may be a number of processors from 0.1 to 256, such as 1.5"
        )
    return value


def boolean(text: str) -> bool:
    """Parse `true` or `false`."""
    return one_of(("true", "false"))(text) == "true"


def word(text: str) -> str:
    """Take any text that is not empty."""
    return text


def domain(text: str) -> str:
    """Parse one host name in lower case."""
    if not DOMAIN.fullmatch(text):
        raise VariableError(
            f"is {text!r}; it may be one host name in lower case, such as www.example.org: "
            "no scheme, port, path, wildcard or address"
        )
    return text


def cookie_name(text: str) -> str:
    """Parse the name of a cookie."""
    if not COOKIE_NAME.fullmatch(text):
        raise VariableError(
            f"is {text!r}; it may be a cookie's name, such as sessionid: "
            "letters, digits and !#$%&'*+-.^_`|~"
        )
    return text


def host_cookie_name(text: str) -> str:
    """Parse a name that browsers let this host alone set (RFC 6265bis, 4.1.3)."""
    if text.casefold() in TAKEN_NAMES:
        raise VariableError(f"is {text!r}; it may be a name that no other cookie of this site has")
    if not COOKIE_NAME.fullmatch(text) or not text.startswith("__Host-") or len(text) < 8:
        raise VariableError(
            f"is {text!r}; it may be a cookie's name that begins with __Host- or __Host-Http-"
        )
    return text


def each[T](parse: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """Return a parser for words with blanks between them."""
    return lambda text: tuple(parse(one) for one in text.split())


def network(text: str) -> str:
    """Parse an address or a network of addresses, but not all addresses."""
    try:
        if ip_network(text).prefixlen:
            return text
    except ValueError:
        pass
    raise VariableError(
        f"holds {text!r}; it may hold addresses and networks, such as 192.0.2.7 or 10.1.0.0/16"
    )


def url_path(text: str) -> str:
    """Parse the path of a page."""
    if not URL_PATH.fullmatch(text):
        raise VariableError(
            f"holds {text!r}; it may hold paths of at most 200 letters, digits and /-._~, "
            "such as /accounts/login/"
        )
    return text


def absolute_path(text: str) -> Path:
    """Parse an absolute path."""
    if not text.startswith("/"):
        raise VariableError(f"is {text!r}; it may be an absolute path")
    return Path(text)


def moment(text: str) -> datetime:
    """Parse a moment with a time zone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = datetime.min
    if at.tzinfo is None:
        raise VariableError(f"is {text!r}; it may be a moment such as 2026-12-24T00:00+00:00")
    return at


def schedule(text: str) -> str:
    """Parse a cron expression of five fields."""
    if len(text.split()) != 5 or not croniter.is_valid(text):
        raise VariableError(
            f"is {text!r}; it may be a cron expression of five fields, such as '0 * * * *'"
        )
    return text


def secret_of(min_length: int) -> Callable[[str], str]:
    """Return a parser for a secret of printable ASCII without blanks."""

    def parse(text: str) -> str:
        if text.endswith("\n"):
            raise VariableError("ends in a newline; write it with printf %s, without one")
        if not all("!" <= character <= "~" for character in text):
            raise VariableError("holds a blank or a character that is not printable ASCII")
        if len(text) < min_length:
            raise VariableError(
                f"has {len(text)} characters; it may have {min_length} or more: "
                f"openssl rand -hex {min_length}"
            )
        return text

    return parse


def secret_file_of(min_length: int) -> Callable[[str], str]:
    """Return a parser for the path of a file that holds one secret."""

    def parse(path: str) -> str:
        try:
            return secret_of(min_length)(file_text(path))
        except VariableError as problem:
            raise VariableError(f"names {path}, which {problem}") from problem

    return parse


def url_file_of(parse: Callable[[str], Server]) -> Callable[[str], Server | None]:
    """Return a parser for the path of a file that holds a store's URL, or nothing."""

    def parse_file(path: str) -> Server | None:
        try:
            text = file_text(path)
            return parse(secret_of(1)(text)) if text else None
        except ValueError as problem:
            raise VariableError(f"names {path}, which {problem}") from problem

    return parse_file


def authorities_file(path: str) -> Path:
    """Parse the path of a file of certificates; an empty one means the public authorities."""
    try:
        return Path(path) if file_text(path) else PUBLIC_AUTHORITIES
    except VariableError as problem:
        raise VariableError(f"names {path}, which {problem}") from problem


def secret_lines_of(min_length: int) -> Callable[[str], tuple[str, ...]]:
    """Return a parser for the path of a file that holds one secret a line, or none."""

    def parse(path: str) -> tuple[str, ...]:
        try:
            return tuple(secret_of(min_length)(line) for line in file_text(path).splitlines())
        except VariableError as problem:
            raise VariableError(f"names {path}, in which a line {problem}") from problem

    return parse


def encryption_key(text: str) -> str:
    """Parse one key of 256 bits; an error never shows it."""
    if not ENCRYPTION_KEY.fullmatch(text):
        raise VariableError("is not 64 hexadecimal digits; make one: openssl rand -hex 32")
    return text


def encryption_keys_file(path: str) -> tuple[str, ...]:
    """Parse the path of a file that holds one encryption key a line, or none."""
    try:
        return tuple(encryption_key(line) for line in file_text(path).splitlines())
    except VariableError as problem:
        raise VariableError(f"names {path}, in which a line {problem}") from problem


def file_text(path: str) -> str:
    """Return what the file holds.

    Raises:
        VariableError: when it can't be read or is not ASCII.
    """
    try:
        return Path(path).read_text(encoding="ascii")
    except OSError as error:
        raise VariableError(f"can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise VariableError("is not ASCII text") from error


def read(environ: Mapping[str, str]) -> Env:
    """Return the environment as one value.

    Raises:
        SystemExit: with one line for each variable that is not what it may be.
    """
    reader = Reader(environ)
    session_layer = reader.value("SESSION_LAYER", layer, "hardened")
    database = reader.url("DATABASE_URL", store_urls.database)
    redis = reader.url("REDIS_URL", store_urls.redis)
    if database is None:
        name = reader.value("DATABASE_NAME", word, "app")
        database = reader.own("DATABASE", "postgres", "5432", name)
    if redis is None and (environ.get("REDIS_PASSWORD") or "REDIS_PASSWORD_FILE" in environ):
        redis = reader.own("REDIS", "redis", "6379", "0")
    env = Env(
        domain=reader.value("DOMAIN", domain),
        domain_aliases=reader.value("DOMAIN_ALIASES", each(domain), ""),
        http_port=reader.value("HTTP_PORT", integer(1, 65535), "80"),
        https_port=reader.value("HTTPS_PORT", integer(1, 65535), "443"),
        hsts_seconds=reader.value("HSTS_SECONDS", integer(0, 2**31 - 1), "0"),
        hsts_include_subdomains=reader.value("HSTS_INCLUDE_SUBDOMAINS", boolean, "false"),
        hsts_preload=reader.value("HSTS_PRELOAD", boolean, "false"),
        health_path=reader.value("HEALTH_PATH", url_path, "/health/live"),
        trusted_proxies=reader.value("TRUSTED_PROXIES", each(network), ""),
        body_max_kb=reader.value("BODY_MAX_KB", integer(16, BODY_MAX_KB_MOST), "64"),
        request_seconds=reader.value("REQUEST_SECONDS", integer(5, 3600), "30"),
        connections_per_address=reader.value("CONNECTIONS_PER_ADDRESS", integer(10, 1000), "100"),
        sign_in_paths=reader.value("SIGN_IN_PATHS", each(url_path), SIGN_IN_PATHS),
        sign_ins_per_minute=reader.value("SIGN_INS_PER_MINUTE", integer(1, 6000), "10"),
        passwords_per_minute=reader.value("PASSWORDS_PER_MINUTE", integer(30, 6000), "60"),
        new_sessions_per_hour=reader.value("NEW_SESSIONS_PER_HOUR", integer(0, 100_000), "120"),
        sign_in_delays=reader.value("SIGN_IN_DELAYS", boolean, "true"),
        statement_seconds=reader.value("STATEMENT_SECONDS", integer(1, 3600), "2"),
        session_layer=session_layer,
        session_backend=reader.value("SESSION_BACKEND", engine_of(session_layer)),
        session_keys=reader.value("SESSION_KEYS", one_of(get_args(SessionKeys)), "hash"),
        session_grace=reader.value("SESSION_GRACE", one_of(get_args(SessionGrace)), "auto"),
        session_grace_until=(
            reader.value("SESSION_GRACE_UNTIL", moment)
            if environ.get("SESSION_GRACE_UNTIL")
            else None
        ),
        session_conflicts=reader.value(
            "SESSION_CONFLICTS", one_of(get_args(SessionConflicts)), "merge"
        ),
        session_max_bytes=reader.value("SESSION_MAX_BYTES", integer(4096, MAX_BYTES_MOST), "65536"),
        session_cookie_name=reader.value(
            "SESSION_COOKIE_NAME", host_cookie_name, "__Host-sessionid"
        ),
        session_cookie_samesite=reader.value(
            "SESSION_COOKIE_SAMESITE", one_of(get_args(SameSite)), "Lax"
        ),
        session_old_cookie_name=(
            reader.value("SESSION_OLD_COOKIE_NAME", cookie_name)
            if environ.get("SESSION_OLD_COOKIE_NAME")
            else None
        ),
        session_old_cookie_domain=(
            reader.value("SESSION_OLD_COOKIE_DOMAIN", domain)
            if environ.get("SESSION_OLD_COOKIE_DOMAIN")
            else None
        ),
        session_cookie_age_seconds=reader.value(
            "SESSION_COOKIE_AGE_SECONDS",
            integer(60, COOKIE_AGE_MAX_SECONDS),
            str(TWO_WEEKS_SECONDS),
        ),
        session_expire_at_browser_close=reader.value(
            "SESSION_EXPIRE_AT_BROWSER_CLOSE", boolean, "false"
        ),
        session_save_every_request=reader.value("SESSION_SAVE_EVERY_REQUEST", boolean, "false"),
        session_file_path=reader.value("SESSION_FILE_PATH", absolute_path, "/var/lib/sessions"),
        clearsessions_schedule=reader.value("CLEARSESSIONS_SCHEDULE", schedule, "0 * * * *"),
        clearsessions_jitter_seconds=reader.value(
            "CLEARSESSIONS_JITTER_SECONDS", integer(0, 3600), "60"
        ),
        app_cpus=reader.value("APP_CPUS", cpus, "1"),
        app_workers=(
            reader.value("APP_WORKERS", integer(1, 256)) if environ.get("APP_WORKERS") else None
        ),
        app_threads=reader.value("APP_THREADS", integer(1, 64), "4"),
        log_level=reader.value("LOG_LEVEL", one_of(get_args(LogLevel)), "INFO"),
        database=database,
        redis=redis,
        stores_ca=(
            reader.value("STORES_CA_FILE", authorities_file)
            if environ.get("STORES_CA_FILE")
            else PUBLIC_AUTHORITIES
        ),
        secret_key=reader.secret("SECRET_KEY", SECRET_KEY_MIN_LENGTH),
        secret_key_fallbacks=(
            reader.value("SECRET_KEY_FALLBACKS_FILE", secret_lines_of(SECRET_KEY_MIN_LENGTH))
            if "SECRET_KEY_FALLBACKS_FILE" in environ
            else ()
        ),
        session_encryption_keys=(
            reader.value("SESSION_ENCRYPTION_KEY_FILE", encryption_keys_file)
            if environ.get("SESSION_ENCRYPTION_KEY_FILE")
            else ()
        ),
        given=frozenset(name for name, value in environ.items() if value),
    )
    if reader.problems:
        raise SystemExit("\n".join(f"env: {problem}" for problem in reader.problems))
    return env


class Asked(dict[str, str]):
    """An environment without values that notes the names it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return True

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return default


def names() -> set[str]:
    """Return the name of each variable that `read` reads, without an ending `_FILE`."""
    asked = Asked()
    with suppress(SystemExit):
        read(asked)
    return {name.removesuffix("_FILE") for name in asked.names}


def load() -> Env:
    """Return this process's environment with the project's own variables added; see `read`."""
    if PROJECT.exists():
        os.environ.update(json.loads(PROJECT.read_text()))
    return read(os.environ)
