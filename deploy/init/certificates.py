"""The certificate: the operator's from deploy/certs, else a leaf of this stack's own authority."""

import os
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import volumes
from refusal import RefusedError
from session_stack.env import VariableError, domain, each

GIVEN = Path("/given/certs")
CHAIN, KEY, AUTHORITY = "fullchain.pem", "privkey.pem", "ca.pem"

LEAF_DAYS = 90
# Of a certificate's life: with less left it is renewed, and with less than the second that failed.
RENEW_BELOW, SHORT_BELOW = 1 / 3, 1 / 6
RENEW_SECONDS = round(LEAF_DAYS * 24 * 3600 * RENEW_BELOW)
AUTHORITY_DAYS = 10 * 365

EXTENSIONS = """
[req]
distinguished_name = name
prompt = no
x509_extensions = extensions
[name]
CN = {name}
[extensions]
subjectKeyIdentifier = hash
{extensions}
"""


def checks() -> Iterator[Callable[[], object]]:
    """Yield what raises RefusedError where a name or a given certificate can't be used."""
    yield names
    yield check_given
    yield check_hsts


def place() -> list[str]:
    """Give nginx its certificate; return a line for each thing that changed."""
    with volumes.locked("authority"):  # init and the service `certificates` may be at it at once
        return [*placed()]


def placed() -> Iterator[str]:
    """Do what `place` says."""
    if given():
        changed = [
            volumes.write("certificates", CHAIN, (GIVEN / CHAIN).read_text(), 0o444),
            volumes.write("certificates", KEY, (GIVEN / KEY).read_text()),
        ]
        if any(changed):
            yield "placed the certificate of deploy/certs"
        return
    yield from make_authority()
    if not leaf_is_good():
        make_leaf()
        yield f"made a certificate for {' '.join(names())}, valid for {LEAF_DAYS} days"


# --- What the operator gave -----------------------------------------------------------------------


def names() -> tuple[str, ...]:
    """Return the site's name, and then those that redirect to it."""
    variable = "DOMAIN"
    try:
        found = [domain(os.environ[variable])]
        variable = "DOMAIN_ALIASES"
        found += each(domain)(os.environ[variable])
    except VariableError as problem:
        raise RefusedError(f"{variable} {problem}") from problem
    return tuple(dict.fromkeys(found))


def given() -> bool:
    """Return whether the operator gave a certificate."""
    return any((GIVEN / name).exists() or (GIVEN / name).is_symlink() for name in (CHAIN, KEY))


def check_given() -> None:
    """Refuse a certificate that no browser would take for this site."""
    if not given():
        return
    chain, key = GIVEN / CHAIN, GIVEN / KEY
    for path in (chain, key):
        if not path.is_file():
            why = "points outside of deploy/certs" if path.is_symlink() else "is missing"
            raise RefusedError(
                f"deploy/certs/{path.name} {why}; {CHAIN} and {KEY} may be two files, or neither"
            )
    certified, public = public_keys(chain, key)
    if certified is None:
        raise RefusedError(f"deploy/certs/{CHAIN} is no PEM certificate; put the leaf first in it")
    if public is None:
        raise RefusedError(f"deploy/certs/{KEY} is no PEM key, or is encrypted; store it decrypted")
    if certified != public:
        raise RefusedError(
            f"deploy/certs/{KEY} is not the key of the first certificate in {CHAIN}; "
            "put the key that belongs to it there"
        )
    if openssl("x509", "-in", str(chain), "-noout", "-checkend", "0") is None:
        ended = openssl("x509", "-in", str(chain), "-noout", "-enddate") or ""
        raise RefusedError(
            f"deploy/certs/{CHAIN} expired on {ended.strip().removeprefix('notAfter=')}; renew it"
        )
    for name in names():
        if not covers(chain, name):
            raise RefusedError(
                f"deploy/certs/{CHAIN} does not cover {name}; put a certificate for that name "
                "there, or set DOMAIN and DOMAIN_ALIASES to names that it covers"
            )


def check_hsts() -> None:
    """Refuse HSTS under a certificate that browsers don't trust by themselves."""
    seconds = os.environ.get("HSTS_SECONDS") or "0"
    if seconds != "0" and not given():
        raise RefusedError(
            f"HSTS_SECONDS is {seconds!r} under this stack's own certificate; "
            "it may be 0 until a public one is in deploy/certs"
        )


# --- This stack's own -----------------------------------------------------------------------------


def make_authority() -> Iterator[str]:
    """Make the authority once; its key never leaves its own volume."""
    key = volumes.read("authority", KEY)
    certificate = volumes.read("authority", AUTHORITY)
    if not (key and certificate):
        extensions = (
            "basicConstraints = critical,CA:TRUE,pathlen:0\nkeyUsage = critical,keyCertSign"
        )
        key, certificate = issue("Django session stack, local CA", AUTHORITY_DAYS, extensions)
        volumes.write("authority", KEY, key)
        volumes.write("authority", AUTHORITY, certificate)
        yield "made a certificate authority of this stack's own"
    volumes.write("certificates", AUTHORITY, certificate, 0o444)


def leaf_is_good() -> bool:
    """Return whether nginx's certificate is good for this site for a third of its life."""
    chain = volumes.VOLUMES / "certificates" / CHAIN
    authority = volumes.VOLUMES / "authority" / AUTHORITY
    certified, public = public_keys(chain, volumes.VOLUMES / "certificates" / KEY)
    return (
        certified is not None
        and certified == public  # power may fail between the two files
        and openssl("verify", "-CAfile", str(authority), str(chain)) is not None
        and openssl("x509", "-in", str(chain), "-noout", "-checkend", str(RENEW_SECONDS))
        is not None
        and all(covers(chain, name) for name in names())
    )


def make_leaf() -> None:
    """Issue a certificate for the site."""
    authority = volumes.VOLUMES / "authority"
    signer = ["-CA", str(authority / AUTHORITY), "-CAkey", str(authority / KEY)]
    extensions = (
        "basicConstraints = critical,CA:FALSE\nkeyUsage = critical,digitalSignature\n"
        "extendedKeyUsage = serverAuth\nauthorityKeyIdentifier = keyid\n"
        f"subjectAltName = {','.join(f'DNS:{name}' for name in names())}"
    )
    key, certificate = issue(names()[0][:64], LEAF_DAYS, extensions, *signer)
    volumes.write("certificates", CHAIN, certificate, 0o444)
    volumes.write("certificates", KEY, key)


def issue(name: str, days: int, extensions: str, *signer: str) -> tuple[str, str]:
    """Return a new P-256 key and its certificate, self-signed where no signer is named."""
    made = openssl(
        *("req", "-x509", "-config", "/dev/stdin", "-days", str(days), *signer),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", "-"),
        stdin=EXTENSIONS.format(name=name, extensions=extensions),
    )
    if made is None:
        raise RefusedError("openssl could not issue a certificate")
    key, marker, certificate = made.partition("-----BEGIN CERTIFICATE-----")
    return key, marker + certificate


def covers(chain: Path, name: str) -> bool:
    """Return whether the first certificate is for that name."""
    answer = openssl("x509", "-in", str(chain), "-noout", "-checkhost", name)
    return answer is not None and "does match" in answer


def public_keys(chain: Path, key: Path) -> tuple[str | None, str | None]:
    """Return the public keys of the first certificate and of the key; None where unreadable."""
    return (
        openssl("x509", "-in", str(chain), "-noout", "-pubkey"),
        openssl("pkey", "-in", str(key), "-passin", "pass:", "-pubout"),
    )


@dataclass(frozen=True, slots=True)
class Described:
    """A certificate: its life in seconds since 1970, and its fingerprint."""

    begins: int
    ends: int
    sha256: str


def described(chain: Path) -> Described | None:
    """Return what stands in the first certificate, or None where it can't be read."""
    options = ("-noout", "-startdate", "-enddate", "-fingerprint", "-sha256")
    answer = openssl("x509", "-in", str(chain), *options)
    if answer is None:
        return None
    values = [line.partition("=")[2] for line in answer.splitlines()]
    begins, ends = map(ssl.cert_time_to_seconds, values[:2])
    return Described(begins, ends, values[2].replace(":", "").lower())


def openssl(*arguments: str, stdin: str = "") -> str | None:
    """Return what openssl prints, or None where it fails."""
    done = subprocess.run(  # noqa: S603 - no argument comes from a stranger
        ["/usr/bin/openssl", *arguments], input=stdin, capture_output=True, text=True, check=False
    )
    return done.stdout if done.returncode == 0 else None
