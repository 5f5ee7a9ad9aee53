"""A certificate is renewed, or replaced by the operator's own, while clients are signed in."""

import ssl
from collections.abc import Iterator

import pytest
from operated import Site, manual

from stack import eventually

NOW, SAID = manual("Certificates")  # look now; what it said

# Print a leaf of this stack's authority, of whose 90 days some are over, or give it to nginx.
LEAF = """
import sys, time
sys.path.insert(0, "/init")
import certificates

def moment(days):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + days * 86400))

def openssl(*arguments, **options):
    given = [*arguments]
    if "-days" in given:
        at = given.index("-days")
        given[at : at + 2] = "-not_before", moment(-over), "-not_after", moment(90 - over)
    return real(*given, **options)

real, over = certificates.openssl, float(sys.argv[1])
certificates.openssl = openssl
if sys.argv[2] == "print":
    certificates.volumes.write = lambda volume, name, text, mode=0: print(text)
certificates.make_leaf()
"""


def leaf(site: Site, days_over: float, what: str) -> str:
    """Make a leaf so many days ago."""
    options = ["run", "--rm", "--no-deps", "--no-TTY", "init"]
    return site.compose(*options, "python", "-c", LEAF, str(days_over), what).stdout


def served(site: Site) -> str:
    """Return what a browser is shown."""
    return ssl.get_server_certificate(("localhost", int(site.settings["HTTPS_PORT"])))


def look(site: Site) -> str:
    """Have the service look now; return what it says."""
    assert site.type("sh", "-c", NOW).returncode == 0
    site.wait_ready("nginx")
    return site.type("sh", "-c", SAID).stdout


@pytest.fixture
def given(site: Site) -> Iterator[None]:
    """Take away what the operator gave, and have the service look again."""
    yield
    for name in ("fullchain.pem", "privkey.pem"):
        (site.folder / "deploy" / "certs" / name).unlink(missing_ok=True)
    look(site)


def give(site: Site, text: str) -> None:
    """Put a certificate and its key into deploy/certs, as an operator."""
    chain, marker, key = text.partition("-----BEGIN PRIVATE KEY-----")
    (site.folder / "deploy" / "certs" / "fullchain.pem").write_text(chain)
    (site.folder / "deploy" / "certs" / "privkey.pem").write_text(marker + key)


def test_renewed_and_replaced_and_no_visitor_notices(site: Site, given: None) -> None:
    old = leaf(site, 61, "place")
    assert eventually(lambda: served(site) != old)
    seen = [served(site)]

    def renew() -> None:
        look(site)
        assert eventually(lambda: served(site) != seen[0])
        seen.append(served(site))
        give(site, leaf(site, 0, "print"))
        look(site)
        assert eventually(lambda: served(site) not in seen)

    verdict = site.visited(renew)
    assert verdict.misses == []
    assert (verdict.failed, verdict.signed_out, verdict.revived) == ({}, 0, 0)
    assert verdict.requests > 100
    ours = (site.folder / "deploy" / "certs" / "fullchain.pem").read_text()
    assert served(site).strip() == ours.strip()


def test_what_can_not_be_used_is_refused_and_what_nobody_renews_is_seen(
    site: Site, given: None
) -> None:
    give(site, "not a certificate\n")
    leaf(site, 80, "place")
    said = look(site)
    assert eventually(lambda: "no PEM certificate" in site.type("sh", "-c", SAID).stdout), said
    aged = site.execute("nginx", "cat", "/etc/nginx/certificates/fullchain.pem")
    assert eventually(lambda: served(site).strip() == aged.strip())
    health = ["exec", "--no-TTY", "certificates", "python", "/init/renew.py", "health"]
    done = site.compose(*health, check=False)
    assert done.returncode == 1
    assert done.stdout == (
        "10.0 of the certificate's 90 days are left; deploy/certs/fullchain.pem is no PEM "
        "certificate; put the leaf first in it\n"
    )
    status = site.type("scripts/status").stdout
    assert "critical  the certificate has 10.0 days left\n" in status
    for name in ("fullchain.pem", "privkey.pem"):
        (site.folder / "deploy" / "certs" / name).unlink()
    look(site)
    assert eventually(lambda: site.compose(*health, check=False).returncode == 0)
    assert eventually(lambda: served(site).strip() != aged.strip())
