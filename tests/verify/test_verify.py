"""Every check of `scripts/verify` passes on a right site, and fails on one with its flaw."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest

from .conftest import Serve
from .server import (
    ACCOUNT,
    COOKIE,
    NAME,
    PASSWORD,
    RIGHT_COOKIE,
    USER,
    Behaviour,
    Site,
    Store,
    byte_for_byte,
)

Rows = dict[str, dict[str, str]]
Run = Callable[..., Rows]

SIGN_IN = frozenset({"login.works", "login.renews", "login.before", "logout.works", "logout.ends"})


class Flaw(NamedTuple):
    """What a site does wrong, and the checks that must fail: one, and those that follow from it."""

    name: str
    behaviour: dict[str, object]
    fails: set[str]
    signs_in: bool = True


# --- Ways to find a session that find too much ----------------------------------------------------


def by_half(store: Store, value: str) -> str | None:
    """Read half of the id, but insist on its length."""
    return next((key for key in store if len(value) == 32 and key[:16] == value[:16]), None)


def by_prefix(store: Store, value: str) -> str | None:
    """Take a part for the whole."""
    return next((key for key in store if len(value) >= 8 and key.startswith(value)), None)


def by_first_32(store: Store, value: str) -> str | None:
    """Cut what is too long."""
    return value[:32] if value[:32] in store else None


def up_to_nul(store: Store, value: str) -> str | None:
    """Read strings as C does."""
    value = value.partition("\0")[0]
    return value if value in store else None


# --- Ways to read cookies' names that take one for another ----------------------------------------


def renaming(read: Callable[[str], str]) -> dict[str, object]:
    """Return a site that reads each name in a way of its own."""

    def parse(header: str) -> dict[str, str]:
        pairs = (part.partition("=") for part in header.split(";"))
        return {read(name): value.strip() for name, _, value in pairs}

    return {"parse": parse}


def as_django(name: str) -> str:
    return name.encode("latin-1").decode(errors="replace").strip()


def in_any_case(name: str) -> str:
    return COOKIE if name.strip(" \t").lower() == COOKIE.lower() else name.strip(" \t")


def by_simple_cookie(header: str) -> dict[str, str]:
    """End a value at a blank, as Python's SimpleCookie does."""
    return dict(re.findall(r"([!-:<-~]+?)=([!-:<-~]*)(?:\s|;|$)", header))


def nameless(header: str) -> dict[str, str]:
    return byte_for_byte(";".join(part.strip().removeprefix("=") for part in header.split(";")))


def by_commas(header: str) -> dict[str, str]:
    return byte_for_byte(header.replace(",", ";"))


def none_of_two(header: str) -> dict[str, str]:
    """Refuse a cookie that came with another like it: whoever plants one puts the visitor out."""
    sent = [as_django(part.partition("=")[0]) for part in header.split(";")]
    return {} if sent.count(COOKIE) > 1 else byte_for_byte(header)


def cookie_without(attribute: str, *instead: str) -> dict[str, object]:
    parts = [part for part in RIGHT_COOKIE.split("; ") if not part.startswith(attribute)]
    return {"attributes": "; ".join([*parts, *instead])}


def sends(name: str, *values: str) -> dict[str, object]:
    return {"headers": {name: values}}


CSP = "Content-Security-Policy"
PLAIN_TARGET = "plain_target"
NAMES = {"hostile.named", "hostile.beside"}

FLAWS = [
    Flaw("no TLS from this decade", {"modern_tls": False}, {"tls.version"}),
    Flaw("an expired certificate", {"certificate": "expired"}, {"tls.certificate"}),
    Flaw("a certificate for another name", {"certificate": "other-name"}, {"tls.certificate"}),
    Flaw("a certificate nobody vouches for", {"certificate": "other-issuer"}, {"tls.certificate"}),
    Flaw("TLS 1.0", {"legacy_tls": 0x0301}, {"tls.1.0"}),
    Flaw("TLS 1.1", {"legacy_tls": 0x0302}, {"tls.1.1"}),
    Flaw("pages over http", {"plain_status": 200}, {"http.redirects"}),
    Flaw("a temporary redirect", {"plain_status": 302}, {"http.redirects"}),
    Flaw("http to http", {PLAIN_TARGET: "http://{host}{path}"}, {"http.target"}),
    Flaw("http to www", {PLAIN_TARGET: "https://www.{authority}{path}"}, {"http.target"}),
    Flaw("http to another port", {PLAIN_TARGET: "https://{host}:1{path}"}, {"http.target"}),
    Flaw("http to the front page", {PLAIN_TARGET: "https://{authority}/"}, {"http.path"}),
    Flaw("http without the query", {PLAIN_TARGET: "https://{authority}{bare}"}, {"http.path"}),
    Flaw("a cookie over http", {"plain_cookie": True}, {"http.cookies"}),
    Flaw("no session", {"starts_at_sign_in": True}, {"cookie.found"}, signs_in=False),
    Flaw("an id of four characters", {"id_length": 4}, {"cookie.found"}),
    Flaw("a name without prefix", {"name": "sessionid"}, {"cookie.prefix"}),
    Flaw("a name of the weaker prefix", {"name": "__Secure-sessionid"}, {"cookie.prefix"}),
    Flaw("no Secure", cookie_without("Secure"), {"cookie.secure", "cookie.jar"}),
    Flaw("no HttpOnly", cookie_without("HttpOnly"), {"cookie.httponly"}),
    Flaw("no SameSite", cookie_without("SameSite"), {"cookie.samesite"}),
    Flaw("SameSite=None", cookie_without("SameSite", "SameSite=None"), {"cookie.samesite"}),
    Flaw("no Path", cookie_without("Path"), {"cookie.path"}),
    Flaw("another Path", cookie_without("Path", "Path=/shop"), {"cookie.path", "cookie.jar"}),
    Flaw("a Domain", cookie_without("Domain", f"Domain={NAME}"), {"cookie.domain"}),
    Flaw(
        "another's Domain",
        cookie_without("Domain", "Domain=a.test"),
        {"cookie.domain", "cookie.jar"},
    ),
    Flaw("a cookie of 4.1 KB", {"id_length": 4090}, {"cookie.size"}),
    Flaw("CSRF without Secure", {"csrf_attributes": "Path=/; SameSite=Lax"}, {"cookie.others"}),
    Flaw("CSRF without SameSite", {"csrf_attributes": "Path=/; Secure"}, {"cookie.others"}),
    Flaw("a count that jumps", {"counts_by": 2}, {"state.kept"}),
    Flaw("a store that forgets", {"lookup": lambda *_: None}, {"state.kept"}, signs_in=False),
    Flaw("one session for all", {"shares": True}, {"state.fresh"}, signs_in=False),
    Flaw("half of the id", {"lookup": by_half}, {"hostile.tampered"}),
    Flaw("a part of the id", {"lookup": by_prefix}, {"hostile.truncated"}),
    Flaw("9 KB that break it", {"oversized_status": 500}, {"hostile.oversized"}),
    Flaw(
        "9 KB cut to size",
        {"oversized_status": 0, "nul_status": 400, "lookup": by_first_32},
        {"hostile.oversized"},
    ),
    Flaw("a NUL that breaks it", {"nul_status": 500}, {"hostile.nul"}),
    Flaw("a NUL that ends the id", {"nul_status": 0, "lookup": up_to_nul}, {"hostile.nul"}),
    Flaw("names as Django reads them", renaming(as_django), NAMES),
    Flaw("names stripped as Latin-1", renaming(str.strip), NAMES),
    Flaw("names unquoted", renaming(lambda name: name.strip(' \t"')), NAMES),
    Flaw("names decoded", renaming(lambda name: unquote(name.strip(" \t"))), NAMES),
    Flaw("dots for underscores", renaming(lambda name: name.strip(" \t").replace(".", "_")), NAMES),
    Flaw("names in any case", renaming(in_any_case), NAMES),
    Flaw("nameless cookies by their value", {"parse": nameless}, NAMES),
    Flaw("cookies parted by commas", {"parse": by_commas}, NAMES),
    Flaw("cookies parted by blanks", {"parse": by_simple_cookie}, NAMES),
    Flaw("neither of two that are alike", {"parse": none_of_two}, {"hostile.beside"}),
    Flaw("ids from visitors", {"adopts": True}, {"hostile.adopted"}),
    Flaw("the cookie on the page", {"repeats_cookie": True}, {"hostile.reflected"}),
    Flaw("a form that refuses", {"login_status": 403}, {"login.works"}),
    Flaw("a form that breaks", {"login_status": 500}, {"login.works"}),
    Flaw("a form that stops", {"login_status": 429}, {"login.works"}),
    Flaw("no form", {"has_login": False}, {"login.works"}),
    Flaw("an open account page", {"account_is_open": True}, {"login.works"}),
    Flaw("the id from before", {"renews": False}, {"login.renews", "login.before"}),
    Flaw("two signed-in ids", {"leaves_old_signed_in": True}, {"login.before"}),
    Flaw("no way out", {"signs_out": False, "ends_session": False}, {"logout.works"}),
    Flaw("no such way out", {"logout_status": 404}, {"logout.works"}),
    Flaw("a sign-out in the browser", {"ends_session": False}, {"logout.ends"}),
    Flaw("signed cookies", {"signed": True}, {"logout.ends"}),
    Flaw("trust in the scheme", {"believes": frozenset({"X-Forwarded-Proto"})}, {"forged.proto"}),
    Flaw("trust in SSL", {"believes": frozenset({"X-Forwarded-SSL"})}, {"forged.ssl"}),
    Flaw(
        "trust in the scheme over http",
        {"believes": frozenset({"X-Forwarded-Proto: https"})},
        {"forged.proto"},
    ),
    Flaw(
        "trust in SSL over http",
        {"believes": frozenset({"X-Forwarded-SSL: on"})},
        {"forged.ssl"},
    ),
    Flaw("trust in the host", {"believes": frozenset({"X-Forwarded-Host"})}, {"forged.host"}),
    Flaw("trust in the port", {"believes": frozenset({"X-Forwarded-Port"})}, {"forged.port"}),
    Flaw("trust in Forwarded", {"believes": frozenset({"Forwarded"})}, {"forged.forwarded"}),
    Flaw("any host", {"checks_host": False}, {"host.https"}),
    Flaw("any host over http", {"plain_checks_host": False}, {"host.http"}),
    Flaw("any name", {"rejects_sni": False, "unknown_sni_status": 200}, {"host.sni"}),
    Flaw("no HSTS", sends("Strict-Transport-Security"), {"header.hsts"}),
    Flaw("a short HSTS", sends("Strict-Transport-Security", "max-age=3600"), {"header.hsts"}),
    Flaw("no CSP", sends(CSP), {"header.csp"}),
    Flaw(
        "a CSP that only reports",
        {"headers": {CSP: (), f"{CSP}-Report-Only": "default-src 'self'"}},
        {"header.csp"},
    ),
    Flaw("inline scripts", sends(CSP, "default-src 'self' 'unsafe-inline'"), {"header.csp"}),
    Flaw("eval", sends(CSP, "script-src 'self' 'unsafe-eval'"), {"header.csp"}),
    Flaw("a CSP without scripts", sends(CSP, "style-src 'self'"), {"header.csp"}),
    Flaw("no nosniff", sends("X-Content-Type-Options"), {"header.nosniff"}),
    Flaw("a chatty referrer", sends("Referrer-Policy", "unsafe-url"), {"header.referrer"}),
    Flaw("an opener", sends("Cross-Origin-Opener-Policy", "unsafe-none"), {"header.opener"}),
    Flaw(
        "frames for all",
        {"headers": {CSP: "default-src 'self'", "X-Frame-Options": ()}},
        {"header.framing"},
    ),
    Flaw(
        "frames for all by the ruling header",
        sends(CSP, "default-src 'self'; frame-ancestors *"),
        {"header.framing"},
    ),
    Flaw("two owners", sends("X-Content-Type-Options", "nosniff", "nosniff"), {"header.once"}),
    Flaw(
        "pages for any cache",
        {"headers": {"Cache-Control": (), "Vary": ()}},
        {"header.caching"},
    ),
    Flaw(
        "a cookie for any cache",
        sends("Cache-Control", "public, max-age=60"),
        {"header.caching"},
    ),
]


# --- Running it -----------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, verify: ModuleType, certificates: Path) -> None:
    """Make the test's CA the system's, so that nothing is skipped for a private one; don't wait."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "ca.pem"))
    monkeypatch.setattr(verify.time, "sleep", lambda _: None)


def command_line(site: Site, *more: str) -> list[str]:
    url = f"https://{NAME}:{site.port}"
    return [url, "--http-port", str(site.plain_port), "--resolve", "127.0.0.1", *more]


@pytest.fixture
def signing_in(password_file: Path) -> list[str]:
    return ["--user", USER, "--password-file", str(password_file)]


@pytest.fixture
def run(verify: ModuleType, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `verify --json` and return its rows by id."""

    def rows(site: Site, *more: str) -> Rows:
        status = verify.main([*command_line(site, *more), "--json"])
        answer = json.loads(capsys.readouterr().out)
        assert status == (1 if answer["summary"]["fail"] else 0)
        return {row["id"]: row for row in answer["checks"]}

    return rows


def ids(rows: Rows, result: str) -> set[str]:
    return {name for name, row in rows.items() if row["result"] == result}


# --- Right sites ----------------------------------------------------------------------------------


def test_right_site_passes_every_check(serve: Serve, run: Run, signing_in: list[str]) -> None:
    rows = run(serve(), *signing_in)
    assert ids(rows, "pass") == rows.keys()


@pytest.mark.parametrize(
    "behaviour",
    [
        {"home": "/welcome/"},
        {"headers": {"X-Frame-Options": ()}},
        {"headers": {CSP: "script-src 'self' 'unsafe-inline' 'nonce-r4nd0m'"}},
        {"headers": {"Cache-Control": ()}},
        {"headers": {"Vary": ()}},
        {"rejects_sni": False},
        {"name": "__Host-Http-sid"},
        {"name": "__Host-visitor"},
        {"oversized_status": 0},
    ],
    ids=str,
)
def test_other_right_sites_pass_every_check(
    serve: Serve, run: Run, signing_in: list[str], behaviour: dict[str, object]
) -> None:
    rows = run(serve(**behaviour), *signing_in)
    assert ids(rows, "pass") == rows.keys()


@pytest.mark.parametrize("flaw", FLAWS, ids=lambda flaw: flaw.name)
def test_flaw_fails_its_check_alone(
    serve: Serve, run: Run, signing_in: list[str], flaw: Flaw
) -> None:
    rows = run(serve(**flaw.behaviour), *(signing_in if flaw.signs_in else ()))
    assert ids(rows, "fail") == flaw.fails


def test_every_check_can_fail(verify: ModuleType) -> None:
    assert {check.id for check in verify.CHECKS} == set.union(*(flaw.fails for flaw in FLAWS))


# --- Witnesses ------------------------------------------------------------------------------------


def test_without_a_count_the_account_page_tells(
    serve: Serve, run: Run, signing_in: list[str]
) -> None:
    rows = run(serve(shows_count=False), *signing_in)
    assert rows["state.kept"]["seen"] == f"no count on the page, but {ACCOUNT} opens"
    assert ids(rows, "fail") == set()
    assert ids(rows, "skip") == {"hostile.adopted"}


def test_without_count_and_user_a_fresh_cookie_tells(serve: Serve, run: Run) -> None:
    rows = run(serve(shows_count=False))
    seen = "no count on the page, but no fresh cookie is handed out"
    assert rows["state.kept"]["seen"] == seen
    assert ids(rows, "fail") == set()
    assert ids(rows, "skip") == SIGN_IN


WITHOUT_COUNT = [
    Flaw("half of the id", {"lookup": by_half}, {"hostile.tampered"}),
    Flaw("a part of the id", {"lookup": by_prefix}, {"hostile.truncated"}),
    Flaw("a NUL that ends the id", {"nul_status": 0, "lookup": up_to_nul}, {"hostile.nul"}),
]


@pytest.mark.parametrize("flaw", WITHOUT_COUNT, ids=lambda flaw: flaw.name)
def test_the_account_page_tells_flaws(
    serve: Serve, run: Run, signing_in: list[str], flaw: Flaw
) -> None:
    rows = run(serve(shows_count=False, **flaw.behaviour), *signing_in)
    assert ids(rows, "fail") == flaw.fails


@pytest.mark.parametrize(
    "flaw",
    [
        *WITHOUT_COUNT,
        Flaw("a fresh cookie for all", {"reissues": True}, {"state.kept"}),
        Flaw("one cookie for all", {"shares": True}, {"state.fresh"}),
    ],
    ids=lambda flaw: flaw.name,
)
def test_fresh_cookies_tell_flaws(serve: Serve, run: Run, flaw: Flaw) -> None:
    rows = run(serve(shows_count=False, **flaw.behaviour))
    assert ids(rows, "fail") == flaw.fails


def test_own_counter_is_used(serve: Serve, run: Run) -> None:
    rows = run(serve(), "--counter", r">(\d+)</b>")
    assert rows["state.kept"]["seen"] == "count 1, then 2"


def test_session_that_starts_at_sign_in_is_checked(
    serve: Serve, run: Run, signing_in: list[str]
) -> None:
    rows = run(serve(starts_at_sign_in=True), *signing_in)
    assert ids(rows, "fail") == set()
    assert ids(rows, "skip") == {"hostile.adopted", "login.renews", "login.before"}
    assert rows["login.renews"]["seen"] == "the site starts no session before sign-in"


def test_cookie_option_names_the_session_cookie(serve: Serve, run: Run) -> None:
    assert run(serve(name="__Host-a"), "--cookie", "__Host-a")["cookie.found"]["result"] == "pass"
    wrong = run(serve(), "--cookie", "nothing")
    assert wrong["cookie.found"]["seen"] == f"/ set only {COOKIE}"


# --- Skips ----------------------------------------------------------------------------------------


def test_sign_in_checks_are_skipped_without_a_user(serve: Serve, run: Run) -> None:
    rows = run(serve())
    assert ids(rows, "skip") == SIGN_IN
    assert {rows[name]["seen"] for name in SIGN_IN} == {"no --user was given"}


def test_hsts_is_skipped_with_a_private_ca(serve: Serve, run: Run, certificates: Path) -> None:
    site = serve(headers={"Strict-Transport-Security": ()})
    rows = run(site, "--ca", str(certificates / "ca.pem"))
    assert rows["header.hsts"]["seen"] == "the CA is private (--ca)"
    assert ids(rows, "skip") == SIGN_IN | {"header.hsts"}
    assert ids(rows, "fail") == set()


@pytest.mark.parametrize(
    ("address", "host", "reason"),
    [
        ("127.0.0.1", "localhost", "localhost: it would bind every port of this machine"),
        ("127.0.0.1", "127.0.0.1", "an IP address takes no HSTS (RFC 6797 section 8.1.1)"),
        ("::1", "[::1]", "an IP address takes no HSTS (RFC 6797 section 8.1.1)"),
    ],
)
def test_local_sites_are_checked_without_hsts(
    serve: Serve,
    verify: ModuleType,
    capsys: pytest.CaptureFixture[str],
    address: str,
    host: str,
    reason: str,
) -> None:
    try:
        site = serve(address, headers={"Strict-Transport-Security": ()})
    except OSError:
        pytest.skip(f"this machine has no {address}")
    arguments = ["--http-port", str(site.plain_port), "--resolve", address, "--json"]
    status = verify.main([f"https://{host}:{site.port}", *arguments])
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)["checks"]}
    assert rows["header.hsts"]["seen"] == reason
    assert ids(rows, "fail") == set()
    assert status == 0


def test_replay_is_skipped_where_it_is_allowed(
    serve: Serve, run: Run, signing_in: list[str]
) -> None:
    rows = run(serve(signed=True), *signing_in, "--allow-replay")
    assert ids(rows, "skip") == {"logout.ends"}
    assert rows["logout.ends"]["seen"].startswith("--allow-replay: ")


def test_a_sign_out_that_takes_a_moment_passes_where_the_site_says_so(
    serve: Serve, run: Run, signing_in: list[str]
) -> None:
    rows = run(serve(ends_after=0.5), *signing_in, "--logout-seconds", "5")
    assert ids(rows, "fail") == set()
    assert "logout.ends" in ids(rows, "pass")


@pytest.mark.parametrize("said", [[], ["--logout-seconds", "0.3"]])
def test_a_sign_out_that_takes_longer_than_said_fails(
    serve: Serve, run: Run, signing_in: list[str], said: list[str]
) -> None:
    rows = run(serve(ends_after=30), *signing_in, *said)
    assert ids(rows, "fail") == {"logout.ends"}


def test_plain_port_is_skipped_where_nothing_listens(serve: Serve, run: Run) -> None:
    site = serve()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = str(unused.getsockname()[1])
        rows = run(site, "--http-port", port)
    plain = {name for name in rows if name.startswith("http.")} | {"host.http"}
    assert ids(rows, "skip") == SIGN_IN | plain
    assert f"nothing listens on port {port}" in rows["http.redirects"]["seen"]


def test_one_broken_part_makes_one_failure_and_names_it(
    serve: Serve, run: Run, signing_in: list[str]
) -> None:
    rows = run(serve(modern_tls=False), *signing_in)
    assert ids(rows, "fail") == {"tls.version"}
    assert rows["cookie.secure"]["seen"] == "needs tls.version, which failed"


def test_password_is_kept_from_a_site_that_is_not_verified(
    serve: Serve, run: Run, signing_in: list[str]
) -> None:
    site = serve(certificate="other-issuer")
    rows = run(site, *signing_in)
    assert ids(rows, "skip") == SIGN_IN
    assert site.sign_ins == 0


# --- Signing in -----------------------------------------------------------------------------------


def test_wrong_password_is_one_clear_failure(
    serve: Serve, run: Run, signing_in: list[str], password_file: Path
) -> None:
    password_file.write_text("wrong\n")
    rows = run(serve(), *signing_in[:2], "--password-file", str(password_file))
    assert ids(rows, "fail") == {"login.works"}
    assert rows["login.works"]["seen"] == "not signed in: the form answered 200"
    assert rows["login.works"]["repair"] == "check --user and --password-file"


def test_rate_limit_is_one_clear_failure(serve: Serve, run: Run, signing_in: list[str]) -> None:
    rows = run(serve(login_status=429), *signing_in)
    seen = "/accounts/login/ answered 429, too many requests (Retry-After: 30)"
    assert rows["login.works"]["seen"] == seen


def test_password_is_tried_once(serve: Serve, run: Run, signing_in: list[str]) -> None:
    site = serve(login_status=403)
    run(site, *signing_in)
    assert site.sign_ins == 1


def test_nobody_stays_signed_in(serve: Serve, run: Run, signing_in: list[str]) -> None:
    site = serve(shows_count=False)
    run(site, *signing_in)
    assert site.sign_ins == 1
    assert not any(session.get("user") for session in site.store.values())


# --- Output ---------------------------------------------------------------------------------------


def test_json_has_its_schema(
    serve: Serve, verify: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    site = serve(**cookie_without("HttpOnly"))
    assert verify.main([*command_line(site), "--json"]) == 1
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert answer.keys() == {"url", "checks", "summary"}
    assert answer["url"] == f"https://{NAME}:{site.port}/"
    assert [row["id"] for row in answer["checks"]] == [check.id for check in verify.CHECKS]
    for row in answer["checks"]:
        assert row.keys() == {"id", "what", "seen", "result", "repair"}
        assert row["result"] in ("pass", "fail", "skip")
        assert bool(row["repair"]) == (row["result"] == "fail")
        assert row["seen"]
    assert sum(answer["summary"].values()) == len(answer["checks"])
    assert answer["summary"]["fail"] == 1


def test_table_is_readable_at_100_columns(
    serve: Serve, verify: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    site = serve(**cookie_without("HttpOnly"))
    assert verify.main(command_line(site)) == 1
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    assert max(len(check.what) for check in verify.CHECKS) <= verify.WHAT_WIDTH
    assert "\033" not in out
    assert re.search(r"^fail  cookie\.httponly +it is HttpOnly +no HttpOnly$", out, re.M)
    assert "repair: Django:" in out
    assert out.splitlines()[-1] == "49 checks: 43 pass, 1 fail, 5 skip"


@pytest.mark.parametrize(("environment", "coloured"), [("", True), ("1", False)])
def test_colours_are_for_terminals_that_want_them(
    serve: Serve,
    verify: ModuleType,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    environment: str,
    coloured: bool,
) -> None:
    monkeypatch.setenv("NO_COLOR", environment)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    verify.main(command_line(serve()))
    assert ("\033[32mpass\033[0m" in capsys.readouterr().out) is coloured


@pytest.mark.parametrize(
    "behaviour",
    [{}, {"renews": False}, {"signed": True}, {"repeats_cookie": True}, {"adopts": True}],
    ids=str,
)
@pytest.mark.parametrize("output", [[], ["--json"]], ids=str)
def test_no_secret_is_printed(
    serve: Serve,
    verify: ModuleType,
    capsys: pytest.CaptureFixture[str],
    signing_in: list[str],
    behaviour: dict[str, object],
    output: list[str],
) -> None:
    site = serve(**behaviour)
    verify.main([*command_line(site, *signing_in), *output])
    printed = "".join(capsys.readouterr())
    assert PASSWORD not in printed
    assert len(site.seen) > 5
    for value in site.seen:
        assert len(value) < 8 or value not in printed
        assert len(value) < 8 or value[:5] not in printed


def test_what_a_site_says_is_printed_discreetly(
    serve: Serve, verify: ModuleType, signing_in: list[str]
) -> None:
    options = verify.parse(command_line(serve(), *signing_in))
    site = verify.Site(options)
    visitor = verify.Visitor(site)
    visitor.get("/")
    value = visitor.cookies[COOKIE]
    said = f"to {site.origin}/{value}?{PASSWORD} \x1b[31m\u202e" + 400 * "a"
    assert verify.discreet(site, said) == f"to /{value[:4]}…?… ?[31m?".ljust(300, "a")


# --- TLS ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("option", "version"), [("-tls1", 0x0301), ("-tls1_1", 0x0302)])
def test_openssl_accepts_the_offer_made_by_hand(
    verify: ModuleType, certificates: Path, option: str, version: int
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    files = ["-cert", "good.pem", "-key", "good.key", "-accept", f"127.0.0.1:{port}"]
    command = ["openssl", "s_server", option, "-www", "-cipher", "ALL:@SECLEVEL=0", *files]
    with subprocess.Popen(
        command, cwd=certificates, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            if not any("ACCEPT" in line for line in server.stdout):
                pytest.skip("this OpenSSL has no such version left")
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(verify.client_hello(version, NAME))
                with pytest.raises(verify.Fault, match="accepted"):
                    verify.read_hello(connection, version)
        finally:
            server.terminate()


# --- Sites that misbehave -------------------------------------------------------------------------


@contextlib.contextmanager
def answering(raw: bytes, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Answer every connection to a port, with TLS or not, with the same bytes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def wrapped(connection: socket.socket) -> socket.socket:
        return context.wrap_socket(connection, server_side=True) if context else connection

    def serve_all() -> None:
        with contextlib.suppress(OSError):
            while True:
                with listener.accept()[0] as accepted, contextlib.suppress(OSError):
                    accepted.settimeout(2)
                    with wrapped(accepted) as connection:
                        connection.recv(65536)
                        connection.sendall(raw)

    thread = threading.Thread(target=serve_all)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


COOKIE_LINE = b"HTTP/1.1 200 OK\r\nSet-Cookie: sessionid="
ABSURD = [
    b"",
    b"garbage\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 301 Moved\r\nLocation: https://[bad\r\n\r\n",
    b"HTTP/1.1 301 Moved\r\nLocation: https://site.test:port/\r\n\r\n",
    b"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n",
    b"HTTP/1.1 301 Moved\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Security-Policy: ;;,;\r\n\r\n",
    COOKIE_LINE + b"a" * 32 + b"; Max-Age=" + b"9" * 5000 + b"\r\n\r\n",
    COOKIE_LINE + b"-" * 32 + b"\r\n\r\n",
    COOKIE_LINE + b"a" * 32 + b'\r\n\r\n<b data-visits="' + b"9" * 5000 + b'">',
    b"\x16\x03\x01\x00\x02\x02\x00",
]


@pytest.mark.parametrize("raw", ABSURD, ids=lambda raw: repr(raw[:60]))
def test_absurd_answers_are_failures_and_no_tracebacks(
    serve: Serve, run: Run, certificates: Path, signing_in: list[str], raw: bytes
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "good.pem", certificates / "good.key")
    with answering(raw) as plain_port, answering(raw, context) as port:
        site = serve()
        site.port, site.plain_port = port, plain_port
        rows = run(site, *signing_in, "--timeout", "2")
    assert ids(rows, "fail") & {"http.redirects", "http.target"}
    assert ids(rows, "fail") & {"cookie.found", "login.works"}


@pytest.mark.parametrize(
    ("line", "removes"),
    [
        ("a=b", False),
        ("a=b; Max-Age=0", True),
        ("a=b; Max-Age=-1", True),
        ("a=b; Max-Age=" + "9" * 5000, False),
        ("a=b; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", False),
        ("a=b; Expires=Thu, 01-Jan-1970 00:00:00 GMT", True),
        ("a=b; Expires=Fri, 01 Jan 99999 00:00:00 GMT", False),
        ("a=b; Expires=never", False),
    ],
)
def test_removal_is_read_as_browsers_do(verify: ModuleType, line: str, removes: bool) -> None:
    assert verify.SetCookie.parse(line).removes is removes


def test_set_cookie_is_read_as_browsers_do(verify: ModuleType) -> None:
    cookie = verify.SetCookie.parse(' a = "b=c" ; SECURE;path = / ; SameSite=Lax;Secure=no')
    assert (cookie.name, cookie.value) == ("a", '"b=c"')
    assert cookie.attributes == {"secure": "no", "path": "/", "samesite": "Lax"}
    assert verify.SetCookie.parse("bare").value == "bare"


@pytest.mark.parametrize(
    ("names", "picked"),
    [
        (["csrftoken", "__Host-sessionid"], "__Host-sessionid"),
        (["PHPSESSID", "lang"], "PHPSESSID"),
        (["connect.sid", "cart"], "connect.sid"),
        (["__Host-csrftoken", "visitor"], "visitor"),
        (["xsrf-token"], None),
    ],
)
def test_session_cookie_is_recognised(
    verify: ModuleType, names: list[str], picked: str | None
) -> None:
    cookies = [verify.SetCookie(name, "0" * 32, {"httponly": ""}) for name in names]
    found = verify.session_among(cookies, None)
    assert (found.name if found else None) == picked


def test_cookies_that_look_alike_ask_for_a_name(verify: ModuleType) -> None:
    cookies = [verify.SetCookie(name, "0" * 32, {}) for name in ("session", "sessionid")]
    with pytest.raises(verify.Fault, match="several look like it: session, sessionid"):
        verify.session_among(cookies, None)


# --- Usage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: URL"),
        (["example.org"], "is not https"),
        (["http://example.org"], "is not https: give https://host[:port]"),
        (["https://"], "is not https"),
        (["https://[bad"], "is no URL"),
        (["https://example.org:port"], "is no URL"),
        (["https://me:secret@example.org"], "leave user and password out: give --user"),
        (["https://example.org", "--path", "shop"], "begin it with one /"),
        (["https://example.org", "--http-port", "0"], "'0' is no port: give 1 to 65535"),
        (["https://example.org", "--timeout", "soon"], "'soon' is no time"),
        (["https://example.org", "--counter", "("], "'(' is no pattern"),
        (["https://example.org", "--counter", "visits"], "needs one group"),
        (["https://example.org", "--ca", "missing.pem"], "can't read missing.pem: No such file"),
        (["https://example.org", "--ca", __file__], "no PEM certificate in it"),
        (["https://example.org", "--user", "ada"], "--user and --password-file go together"),
        (
            ["https://example.org", "--user", "ada", "--password-file", "missing.txt"],
            "can't read missing.txt: No such file",
        ),
        (
            ["https://example.org", "--user", "ada", "--password-file", os.devnull],
            f"{os.devnull} is empty",
        ),
        (["https://example.org", "--pass", "x"], "unrecognized arguments"),
        (["https://no-such-host.invalid"], "give its address with --resolve"),
    ],
    ids=str,
)
def test_bad_usage_is_one_line(script: Path, arguments: list[str], complaint: str) -> None:
    done = subprocess.run(
        [sys.executable, script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(r"verify: .+\n", done.stderr)
    assert complaint in done.stderr


def test_nothing_listening_is_one_line(
    verify: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        assert verify.main([f"https://localhost:{port}", "--resolve", "127.0.0.1"]) == 2
    assert capsys.readouterr().err == (
        f"verify: can't reach 127.0.0.1 port {port}: connection refused; "
        "check the port, the firewall, the service\n"
    )


def test_script_runs_by_itself(
    serve: Serve, script: Path, signing_in: list[str], tmp_path: Path
) -> None:
    copy = tmp_path / "anywhere"
    copy.write_bytes(script.read_bytes())
    copy.chmod(0o755)
    command = [str(copy), *command_line(serve(), *signing_in)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout.endswith("49 checks: 49 pass, 0 fail, 0 skip\n")


def test_reader_may_leave_early(serve: Serve, script: Path) -> None:
    command = [sys.executable, str(script), *command_line(serve())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 1


def test_help_is_the_head_of_the_file(
    verify: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        verify.main(["--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert (verify.__doc__ or "").strip() in out
    subjects = {check.id.partition(".")[0] for check in verify.CHECKS}
    assert subjects == set(re.findall(r"^  (\w+)  +\S", verify.__doc__ or "", re.M))


def test_every_right_default_is_used_by_a_flaw() -> None:
    """A choice that no flaw replaces would be an untested one."""
    replaced = set().union(*(flaw.behaviour for flaw in FLAWS))
    only_right_sites = {"home", "shows_count", "reissues"}
    by_an_option = {"ends_after"}  # --logout-seconds says whether it is a flaw
    assert set(Behaviour.__dataclass_fields__) == replaced | only_right_sites | by_an_option
