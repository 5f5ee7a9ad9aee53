"""A small site that does everything right, or one thing wrong: what `verify` is tested against.

`Behaviour` holds every choice, its defaults are the right ones; a flaw is one of them replaced.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import socket
import ssl
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, ClassVar, cast

NAME = "site.test"
USER, PASSWORD = "ada", "correct horse battery staple"
LOGIN, LOGOUT, ACCOUNT = "/accounts/login/", "/accounts/logout/", "/accounts/"
COOKIE = "__Host-sessionid"
RIGHT_COOKIE = "HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax; Secure"
RIGHT_HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "private, no-store",
    "Vary": "Cookie",
}

Store = dict[str, dict[str, Any]]
Lookup = Callable[[Store, str], str | None]


def byte_for_byte(header: str) -> dict[str, str]:
    """Part cookies at semicolons and names at the first `=`, and trim what RFC 6265 says."""
    pairs = (part.partition("=") for part in header.split(";"))
    return {name.strip(" \t"): value.strip(" \t") for name, _, value in pairs}


def exactly(store: Store, value: str) -> str | None:
    """Find a session by its whole id."""
    return value if value in store else None


@dataclass(frozen=True)
class Behaviour:
    """What the site does."""

    # TLS
    certificate: str = "good"
    modern_tls: bool = True
    legacy_tls: int = 0  # the old version that it accepts
    rejects_sni: bool = True
    unknown_sni_status: int = 421

    # The plain port
    plain_status: int = 308
    plain_target: str = "https://{authority}{path}"
    plain_cookie: bool = False

    # Names and forwarded headers
    checks_host: bool = True
    plain_checks_host: bool = True
    believes: frozenset[str] = frozenset()

    # Cookies and headers
    name: str = COOKIE
    attributes: str = RIGHT_COOKIE
    csrf_attributes: str = "Path=/; SameSite=Lax; Secure"
    id_length: int = 32
    headers: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    repeats_cookie: bool = False
    parse: Callable[[str], Mapping[str, str]] = byte_for_byte

    # Sessions
    signed: bool = False  # the session in the cookie, not on the server
    lookup: Lookup = exactly
    counts_by: int = 1
    shows_count: bool = True
    starts_at_sign_in: bool = False
    home: str = ""  # where / redirects to
    adopts: bool = False
    shares: bool = False
    reissues: bool = False
    oversized_status: int = 431
    nul_status: int = 400

    # Signing in and out
    account_is_open: bool = False
    login_status: int = 0  # answers the form with this, and does nothing
    renews: bool = True
    leaves_old_signed_in: bool = False
    logout_status: int = 302
    signs_out: bool = True
    ends_session: bool = True
    ends_after: float = 0.0  # seconds in which the ended session still opens
    has_login: bool = True


class Site:
    """A running site: its ports, its sessions, and the errors it did not expect."""

    def __init__(self, behaviour: Behaviour, certificates: Path, address: str) -> None:
        self.behaviour = behaviour
        self.store: Store = {}
        self.lock = threading.RLock()
        self.key = secrets.token_bytes(32)
        self.errors: list[BaseException] = []
        self.sign_ins = 0  # tried
        self.seen: list[str] = []  # every value of a session cookie that it was sent or handed out
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        chain, key = (certificates / f"{behaviour.certificate}.{end}" for end in ("pem", "key"))
        self.context.load_cert_chain(chain, key)
        self.context.sni_callback = self.check_name
        self.secure = TlsServer(self, address)
        self.plain = PlainServer(self, address)
        self.port, self.plain_port = self.secure.server_port, self.plain.server_port

    def check_name(
        self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext
    ) -> int | None:
        """Reject an unknown name, or remember that there was one."""
        known = name in (None, NAME, "localhost")
        if not known and self.behaviour.rejects_sni:
            return int(ssl.AlertDescription.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)
        cast("Any", connection).name_is_unknown = not known
        return None

    def authority(self, host: str = NAME) -> str:
        return f"{host}:{self.port}"


class Server(ThreadingMixIn, HTTPServer):
    """One port."""

    daemon_threads = True
    is_tls: ClassVar[bool]

    def __init__(self, site: Site, address: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, 0), Handler)
        self.site = site

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep what is a bug here; a client that hangs up is none."""
        error = sys.exception()
        if error and not isinstance(error, OSError):
            self.site.errors.append(error)


class PlainServer(Server):
    is_tls = False


class TlsServer(Server):
    is_tls = True

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Look at the offered version first; OpenSSL may no longer know the old ones."""
        behaviour = self.site.behaviour
        version = int.from_bytes(request.recv(16, socket.MSG_PEEK)[9:11], "big")
        if version < 0x0303 or not behaviour.modern_tls:
            accepted = version == behaviour.legacy_tls
            request.recv(4096)
            request.sendall(server_hello(version) if accepted else b"\x15\x03\x01\x00\x02\x02\x46")
            return
        with self.site.context.wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)


def server_hello(version: int) -> bytes:
    """Accept a version: a ServerHello and nothing behind it."""
    body = version.to_bytes(2, "big") + bytes(32) + b"\x00\xc0\x09\x00"
    message = b"\x02" + len(body).to_bytes(3, "big") + body
    return b"\x16" + version.to_bytes(2, "big") + len(message).to_bytes(2, "big") + message


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    timeout = 5
    wbufsize = 1 << 16  # one segment an answer: small ones wait for each other's acknowledgement

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        """Travel as a request does: the plain port, names, headers, then the pages."""
        self.site, self.does = self.server.site, self.server.site.behaviour
        self.cookies: list[str] = []
        host = urllib.parse.urlsplit(f"//{self.headers['Host']}").hostname or ""
        known = host in (NAME, "localhost", "127.0.0.1", "::1")
        claims_https = self.claims("X-Forwarded-Proto", "https") or self.claims(
            "X-Forwarded-SSL", "on"
        )
        if not self.server.is_tls and not claims_https:
            return self.redirect_to_https(host, known)
        if getattr(self.connection, "name_is_unknown", False):
            return self.respond(self.does.unknown_sni_status)
        if self.does.checks_host and not known:
            return self.respond(421)
        if self.claims("X-Forwarded-Proto", "http"):
            return self.respond(301, location=f"https://{self.headers['Host']}{self.path}")
        if self.claims("X-Forwarded-SSL", "off"):
            return self.respond(400, "Contradictory scheme headers")
        with self.site.lock:
            return self.page(host if known else NAME)

    def claims(self, header: str, value: str) -> bool:
        """Whether the client says so and the site believes it, always or when it says just this."""
        believed = {header, f"{header}: {value}"} & self.does.believes
        return bool(believed) and self.headers[header] == value

    def redirect_to_https(self, host: str, known: bool) -> None:
        if self.does.plain_checks_host and not known:
            return self.respond(421)
        if self.does.plain_cookie:
            self.cookies.append("seen=1; Path=/; SameSite=Lax; Secure")
        authority = self.site.authority(f"[{host}]" if ":" in host else host)
        target = self.does.plain_target.format(
            authority=authority, host=host, path=self.path, bare=self.path.partition("?")[0]
        )
        is_redirect = 300 <= self.does.plain_status < 400
        return self.respond(self.does.plain_status, location=target if is_redirect else "")

    def page(self, host: str) -> None:
        """Find the page and the session."""
        self.sent = self.does.parse(self.headers.get("Cookie", ""))
        value = self.sent.get(self.does.name, "")
        if len(self.headers.get("Cookie", "")) > 8190 and self.does.oversized_status:
            return self.respond(self.does.oversized_status)
        if "\0" in value and self.does.nul_status:
            return self.respond(self.does.nul_status)
        self.key, self.session = self.load(value)
        path = self.path.partition("?")[0]
        pages: dict[tuple[str, str], Callable[[str], None]] = {
            ("GET", self.does.home or "/"): self.home,
            ("GET", ACCOUNT): self.account,
            ("GET", LOGIN): self.login_form,
            ("POST", LOGIN): self.login,
            ("POST", LOGOUT): self.logout,
        }
        if not self.does.has_login:
            pages = {("GET", self.does.home or "/"): self.home}
        if self.does.home and (self.command, path) == ("GET", "/"):
            return self.respond(302, location=self.does.home)
        view = pages.get((self.command, path))
        return view(host) if view else self.respond(404, "not found")

    # --- Sessions

    def load(self, value: str) -> tuple[str, dict[str, Any]]:
        """Find the session that a cookie stands for, or start one."""
        if value:
            self.site.seen.append(value)
        if self.does.signed:
            return value, self.unsign(value)
        if self.does.shares:
            return "0" * 32, self.site.store.setdefault("0" * 32, {})
        key = self.does.lookup(self.site.store, value) if value else None
        if key is None and self.does.adopts and value:
            key = value
            self.site.store[key] = {}
        if key is None:
            return "", {}
        return key, self.site.store[key]

    def save(self, renew: bool = False) -> None:
        """Keep the session, and hand out its cookie where it is new."""
        if self.does.signed:
            value = self.sign()
        elif self.key and not renew and not self.does.reissues:
            if self.does.shares:
                self.set_cookie(self.key)
            return
        else:
            value = secrets.token_hex(self.does.id_length)[: self.does.id_length]
            self.site.store[value] = self.session
            self.key = value
        self.set_cookie(value)

    def set_cookie(self, value: str) -> None:
        self.site.seen.append(value)
        self.cookies.append(f"{self.does.name}={value}; {self.does.attributes}")

    def sign(self) -> str:
        body = json.dumps({**self.session, "salt": secrets.token_hex(8)}).encode()
        text = base64.urlsafe_b64encode(body).decode().rstrip("=")
        return f"{text}:{hmac.new(self.site.key, text.encode(), hashlib.sha256).hexdigest()}"

    def unsign(self, value: str) -> dict[str, Any]:
        text, _, signature = value.partition(":")
        right = hmac.new(self.site.key, text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(signature.encode(), right.encode()):
            return {}
        padded = text + "=" * (-len(text) % 4)
        return cast("dict[str, Any]", json.loads(base64.urlsafe_b64decode(padded)))

    # --- Pages

    def home(self, host: str) -> None:
        """Count the visits of this session."""
        text = "welcome"
        if not self.does.starts_at_sign_in:
            visits = self.session.get("visits", 0)
            self.session["visits"] = visits + (self.does.counts_by if visits else 1)
            self.save()
            if self.does.shows_count:
                text = f'<b data-visits="{self.session["visits"]}">{self.session["visits"]}</b>'
        if self.does.repeats_cookie:
            text += f"<i>{self.sent.get(self.does.name)}</i>"
        if "Forwarded" in self.does.believes and "host=" in self.headers.get("Forwarded", ""):
            host = self.headers["Forwarded"].partition("host=")[2]
        self.respond(200, f'{text}<link rel="canonical" href="https://{host}/">')

    def account(self, host: str) -> None:
        """Open to who is signed in."""
        if self.session.get("user") or self.does.account_is_open:
            return self.respond(200, f"hello<form>{self.token()}</form>")
        if "X-Forwarded-Host" in self.does.believes:
            host = self.headers.get("X-Forwarded-Host", host)
        authority = self.site.authority(f"[{host}]" if ":" in host else host)
        if "X-Forwarded-Port" in self.does.believes and self.headers["X-Forwarded-Port"]:
            authority = f"{host}:{self.headers['X-Forwarded-Port']}"
        return self.respond(302, location=f"https://{authority}{LOGIN}?next={ACCOUNT}")

    def token(self) -> str:
        value = self.sent.get("__Host-csrftoken") or secrets.token_hex(16)
        self.cookies.append(f"__Host-csrftoken={value}; {self.does.csrf_attributes}")
        return f'<input type="hidden" name="csrfmiddlewaretoken" value="{value}">'

    def login_form(self, host: str) -> None:
        self.respond(200, f"<form method=post>{self.token()}</form>")

    def form(self) -> dict[str, str] | None:
        """Read a form; None where its token or its origin is wrong, as Django has it."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = dict(urllib.parse.parse_qsl(body))
        right = self.sent.get("__Host-csrftoken", "")
        at_home = self.headers["Referer"].startswith(f"{self.headers['Origin']}/")
        return form if right and form.get("csrfmiddlewaretoken") == right and at_home else None

    def login(self, host: str) -> None:
        self.site.sign_ins += 1
        form = self.form()
        if form is None:
            return self.respond(403, "CSRF")
        if self.does.login_status:
            wait = (("Retry-After", "30"),) if self.does.login_status == 429 else ()
            return self.respond(self.does.login_status, headers=wait)
        if (form["username"], form["password"]) != (USER, PASSWORD):
            return self.respond(200, f"wrong<form>{self.token()}</form>")
        old = self.key
        before = dict(self.session)
        self.session = {**before, "user": USER}
        if self.does.renews:
            self.save(renew=True)
            if not self.does.leaves_old_signed_in:
                self.site.store.pop(old, None)
        else:
            self.save()
        if self.key and not self.does.signed:
            self.site.store[self.key] = self.session
        if self.does.leaves_old_signed_in and old:
            self.site.store[old] = self.session
        return self.respond(302, location=ACCOUNT)

    def logout(self, host: str) -> None:
        if self.form() is None:
            return self.respond(403, "CSRF")
        if self.does.signs_out and self.does.logout_status < 400:
            if self.does.ends_after:
                ending = threading.Timer(
                    self.does.ends_after, self.site.store.pop, (self.key, None)
                )
                ending.daemon = True
                ending.start()
            elif self.does.ends_session:
                self.site.store.pop(self.key, None)
            gone = "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; Secure"
            self.cookies.append(f'{self.does.name}=""; {gone}')
        return self.respond(self.does.logout_status, location="/")

    # --- The answer

    def respond(
        self,
        status: int,
        page: str = "",
        location: str = "",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Send it, in chunks, as a proxy does."""
        self.protocol_version = "HTTP/1.1"
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        if location:
            self.send_header("Location", location)
        for name, value in ({**RIGHT_HEADERS, **self.does.headers}).items():
            for one in (value,) if isinstance(value, str) else value:
                self.send_header(name, one)
        for name, one in headers:
            self.send_header(name, one)
        for cookie in self.cookies:
            self.send_header("Set-Cookie", cookie)
        self.end_headers()
        body = page.encode()
        if body:
            self.wfile.write(f"{len(body):x}\r\n".encode() + body + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")


@contextlib.contextmanager
def running(behaviour: Behaviour, certificates: Path, address: str) -> Iterator[Site]:
    """Run a site on two free ports; what it did not expect fails the test."""
    site = Site(behaviour, certificates, address)
    servers = (site.secure, site.plain)
    threads = [
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
        for server in servers
    ]
    for thread in threads:
        thread.start()
    try:
        yield site
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()
    assert not site.errors, site.errors
