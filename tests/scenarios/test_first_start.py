"""From a clean clone to healthy; a second start; what the operator gave; what nobody may see."""

import datetime
import json
import re
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Visitor, trust

from stack import CommandError, Stack, eventually, run

SECRETS = {
    "app-secrets": ["secret_key", "database_app_password", "redis_app_password"],
    "migrate-secrets": ["database_owner_password"],
    "postgres-secrets": ["postgres_superuser_password"],
    "redis-secrets": ["redis_admin_password"],
}


@pytest.fixture
def given(stack: Stack) -> Iterator[Path]:
    """Return the folder of what the operator gives; all is as before afterwards."""
    deploy = stack.folder / "deploy"
    yield deploy
    for folder in ("secrets", "certs"):
        for path in (deploy / folder).iterdir():
            if path.name not in ("README.md", "ca.pem"):
                path.rmdir() if path.is_dir() else path.unlink()
    if init(stack) != "init: nothing to do\n":
        stack.execute("nginx", "nginx", "-s", "reload")


def in_volume(stack: Stack, volume: str, script: str) -> str:
    """Run a shell script as root with the volume as its working folder."""
    mount = f"{stack.project}_{volume}:/v"
    command = ["docker", "run", "--rm", "-u0", "-v", mount, "-w", "/v", "--entrypoint", "sh"]
    return run(*command, stack.settings["APP_IMAGE"], "-c", script).stdout


def init(stack: Stack, **settings: str) -> str:
    """Run init alone and return what it says; raises CommandError where it refuses."""
    done = stack.compose("run", "--rm", "--no-TTY", "init", settings=settings)
    return "".join(line for line in done.stderr.splitlines(True) if line.startswith("init: "))


def refusal(stack: Stack, **settings: str) -> str:
    with pytest.raises(CommandError) as caught:
        init(stack, **settings)
    assert "Traceback" not in caught.value.output
    return "".join(
        line for line in caught.value.output.splitlines(True) if line.startswith("init: ")
    )


def served_certificate(stack: Stack) -> dict[str, object]:
    """Return the certificate that a browser gets for the site's name."""
    address = ("127.0.0.1", int(stack.settings["HTTPS_PORT"]))
    with (
        socket.create_connection(address, 5) as connection,
        trust(stack).wrap_socket(connection, server_hostname=stack.settings["DOMAIN"]) as tls,
    ):
        return dict(tls.getpeercert() or {})


@pytest.mark.lesson(43, 44)
def test_a_clean_clone_becomes_healthy_with_each_engine(
    stack: Stack, engine: str, tmp_path: Path
) -> None:
    stack.down("--volumes")
    stack.up(engine)
    assert stack.runs(engine)
    log = stack.logs(f"app-{engine}").splitlines()
    (ready,) = [number for number, line in enumerate(log) if line.startswith("Ready: https://")]
    assert f"sessions: {engine}, hardened layer" in log[ready]
    copy = re.search(r"docker compose cp (\S+) \.", log[ready + 1])
    assert copy
    stack.compose("cp", copy[1], str(tmp_path / "ca.pem"))
    assert (tmp_path / "ca.pem").read_text() == stack.ca_file().read_text()
    assert log[ready + 2].endswith(f": ./scripts/verify-stack {engine}")


def test_a_second_start_changes_nothing(site: Stack, engine: str) -> None:
    before = {c["Name"]: (c["Id"], c["State"]["StartedAt"]) for c in site.containers()}
    site.up(engine)
    after = {c["Name"]: (c["Id"], c["State"]["StartedAt"]) for c in site.containers()}
    one_shots = {name for name in before if "-init-" in name or "-migrate-" in name}
    assert {n: v for n, v in after.items() if n not in one_shots} == {
        n: v for n, v in before.items() if n not in one_shots
    }
    assert site.logs("init").splitlines()[-1] == "init: nothing to do"


def test_no_secret_can_be_seen_from_outside_its_volume(cache_site: Stack, visitor: Visitor) -> None:
    visitor.visit()
    secrets = [
        in_volume(cache_site, volume, f"cat {name}")
        for volume, names in SECRETS.items()
        for name in names
    ]
    assert all(len(secret) > 16 for secret in secrets)
    shown = [
        json.dumps(cache_site.containers()),
        cache_site.compose("config").stdout,
        cache_site.compose("logs").stdout,
        *(cache_site.compose("top").stdout,),
        *(run("docker", "history", "--no-trunc", cache_site.settings["APP_IMAGE"]).stdout,),
    ]
    for text in shown:
        assert not [secret for secret in secrets if secret in text]
    assert visitor.cookie not in "".join(shown)


def test_each_service_reads_its_own_secrets_and_nobody_elses(cache_site: Stack) -> None:
    for volume in SECRETS:
        owners = set(in_volume(cache_site, volume, "stat -c '%u %a' *").splitlines())
        uid = "999" if volume in ("postgres-secrets", "redis-secrets") else "10001"
        assert owners == {f"{uid} 400"}
    held = cache_site.execute("app-cache", "ls", "/run/secrets").split()
    assert "database_owner_password" not in held
    assert "redis_admin_password" not in held


def test_kubernetes_gets_the_same_secrets_one_for_each_reader(cache_site: Stack) -> None:
    script = ["init", "python", "/init/kubernetes_secrets.py"]
    printed = json.loads(cache_site.compose("run", "--rm", "--no-TTY", *script).stdout)["items"]
    secrets = {item["metadata"]["name"]: item["stringData"] for item in printed}
    assert secrets.keys() == {*SECRETS, "certificates"}  # the authority's key signs any name
    for volume, names in SECRETS.items():
        files = in_volume(cache_site, volume, "ls").split()
        assert sorted(secrets[volume]) == files
        for name in names:
            assert secrets[volume][name] == in_volume(cache_site, volume, f"cat {name}")


def test_rights_in_redis_that_a_former_release_gave_are_taken_back(cache_site: Stack) -> None:
    in_volume(cache_site, "redis-secrets", r"sed -i 's/ ~session.*/ ~* \&* +@all/' users.acl")
    said = "init: placed users.acl; a running Redis reads it when it restarts\n"
    assert init(cache_site) == said
    assert init(cache_site) == "init: nothing to do\n"
    assert "~session:*" in in_volume(cache_site, "redis-secrets", "cat users.acl")


def test_the_operators_own_secrets_are_used(cache_site: Stack, given: Path) -> None:
    key = "chosen-by-the-operator-" + "k" * 40
    (given / "secrets" / "secret_key").write_text(key)
    assert init(cache_site) == "init: placed secret_key\n"
    assert in_volume(cache_site, "app-secrets", "cat secret_key") == key
    assert init(cache_site) == "init: nothing to do\n"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("secret_key", b"short", "has 5 characters; it may have 50 or more"),
        ("secret_key", b"k" * 60 + b"\n", "ends in a newline; write it with printf %s"),
        ("redis_app_password", b"p" * 15, "has 15 characters; it may have 16 or more"),
        ("database_app_password", b"with a blank in the middle", "holds a blank"),
        ("database_owner_password", b"\xff" * 20, "is not ASCII text"),
        ("secret_key_fallbacks", b"k" * 60 + b"\nshort\n", "has 5 characters"),
        ("session_encryption_key", b"5ec4e7" * 11, "is not 64 hexadecimal digits"),
        ("session_encryption_key", b"", "holds no key; it may hold one a line"),
        ("postgres_superuser_password", None, "can't be read: Is a directory"),
        ("secret-key", b"k" * 60, "is no secret of this stack; its name may be secret_key, "),
    ],
)
def test_a_secret_that_cannot_be_used_is_refused_in_one_line(
    cache_site: Stack, given: Path, name: str, content: bytes | None, reason: str
) -> None:
    path = given / "secrets" / name
    path.mkdir() if content is None else path.write_bytes(content)
    before = in_volume(cache_site, "app-secrets", "cat *")
    line = refusal(cache_site)
    assert line.startswith(f"init: deploy/secrets/{name} ")
    assert reason in line
    assert line.count("\n") == 1
    assert not content or content.decode(errors="replace").strip() not in line
    assert in_volume(cache_site, "app-secrets", "cat *") == before


def test_every_refusal_has_its_own_line_and_up_fails(cache_site: Stack, given: Path) -> None:
    (given / "secrets" / "secret_key").write_text("short")
    (given / "secrets" / "redis_app_password").write_text("short")
    with pytest.raises(CommandError) as caught:
        cache_site.up("cache")
    assert "init" in caught.value.output
    lines = [line for line in cache_site.logs("init").splitlines() if "has 5 characters" in line]
    assert len(lines) == 2


# --- Certificates ---------------------------------------------------------------------------------


def certificate(
    folder: Path, *, name: str = "localhost", days: int = 30, key: bool = True
) -> tuple[bytes, bytes]:
    """Put a self-signed certificate where the operator would; return chain and key."""
    chain, private = folder / "fullchain.pem", folder / "privkey.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        f"-keyout {private} -out {chain} -subj /CN={name} -addext subjectAltName=DNS:{name}"
    )
    subprocess.run([*command.split(), "-days", str(days)], check=True, capture_output=True)
    return chain.read_bytes(), private.read_bytes()


def expired_certificate(folder: Path) -> None:
    """Sign one whose time was over yesterday."""
    key, request, config = folder / "privkey.pem", folder / "request", folder / "config"
    config.write_text(
        "[ca]\ndefault_ca=c\n[c]\ndatabase=index\nserial=serial\nnew_certs_dir=.\n"
        "default_md=sha256\npolicy=p\nemail_in_dn=no\nunique_subject=no\n[p]\ncommonName=supplied\n"
        "[e]\nsubjectAltName=DNS:localhost\n"
    )
    (folder / "index").touch()
    (folder / "serial").write_text("01")
    for command in (
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        f"-keyout {key} -out {request} -subj /CN=localhost",
        f"openssl ca -batch -selfsign -config {config} -extensions e -keyfile {key} -in {request} "
        "-out fullchain.pem -startdate 20240101000000Z -enddate 20240201000000Z -notext",
    ):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    for path in folder.iterdir():
        if path.name not in ("fullchain.pem", "privkey.pem", "README.md", "ca.pem"):
            path.unlink()


def test_the_operators_own_certificate_is_served_without_a_restart(
    cache_site: Stack, given: Path
) -> None:
    started = cache_site.container("nginx")["State"]["StartedAt"]
    chain, _ = certificate(given / "certs")
    assert init(cache_site) == "init: placed the certificate of deploy/certs\n"
    port = int(cache_site.settings["HTTPS_PORT"])

    def served() -> bool:
        # A self-signed certificate verifies by nothing but itself.
        return ssl.get_server_certificate(("localhost", port)).encode() == chain

    assert eventually(served, 40)
    assert cache_site.container("nginx")["State"]["StartedAt"] == started


def wrong_key(folder: Path) -> None:
    chain, _ = certificate(folder)
    certificate(folder)
    (folder / "fullchain.pem").write_bytes(chain)


def no_key(folder: Path) -> None:
    certificate(folder)
    (folder / "privkey.pem").unlink()


def other_name(folder: Path) -> None:
    certificate(folder, name="www.example.org")


def garbage(folder: Path) -> None:
    certificate(folder)
    (folder / "fullchain.pem").write_text("not a certificate\n")


def encrypted_key(folder: Path) -> None:
    certificate(folder)
    key = folder / "privkey.pem"
    command = ["openssl", "pkey", "-aes256", "-passout", "pass:x", "-out", str(key)]
    subprocess.run(command, input=key.read_bytes(), check=True, capture_output=True)


def dangling_link(folder: Path) -> None:
    certificate(folder)
    (folder / "privkey.pem").unlink()
    (folder / "privkey.pem").symlink_to("../../archive/privkey1.pem")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (
            wrong_key,
            "deploy/certs/privkey.pem is not the key of the first certificate in fullchain",
        ),
        (no_key, "deploy/certs/privkey.pem is missing"),
        (other_name, "deploy/certs/fullchain.pem does not cover localhost; put a certificate"),
        (garbage, "deploy/certs/fullchain.pem is no PEM certificate"),
        (encrypted_key, "deploy/certs/privkey.pem is no PEM key, or is encrypted"),
        (dangling_link, "deploy/certs/privkey.pem points outside of deploy/certs"),
        (expired_certificate, "deploy/certs/fullchain.pem expired on Feb  1 00:00:00 2024 GMT"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_refused_in_one_line(
    cache_site: Stack, given: Path, make: Callable[[Path], None], reason: str
) -> None:
    before = in_volume(cache_site, "certificates", "cat *")
    make(given / "certs")
    line = refusal(cache_site)
    assert line.startswith(f"init: {reason}")
    assert line.count("\n") == 1
    assert in_volume(cache_site, "certificates", "cat *") == before


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"DOMAIN": "https://example.org"}, "DOMAIN is 'https://example.org'; it may be one host"),
        ({"DOMAIN": "192.0.2.7"}, "DOMAIN is '192.0.2.7'; it may be one host name"),
        ({"HSTS_SECONDS": "3600"}, "HSTS_SECONDS is '3600' under this stack's own certificate"),
    ],
)
def test_a_setting_that_init_cannot_serve_is_refused(
    cache_site: Stack, settings: dict[str, str], reason: str
) -> None:
    assert refusal(cache_site, **settings).startswith(f"init: {reason}")


def test_the_own_leaf_is_short_lived_and_for_the_domain_alone(cache_site: Stack) -> None:
    seen = served_certificate(cache_site)
    assert seen["subjectAltName"] == (("DNS", "localhost"),)
    ends = ssl.cert_time_to_seconds(str(seen["notAfter"]))
    days = (ends - datetime.datetime.now(datetime.UTC).timestamp()) / 86400
    assert 60 < days <= 90


def test_the_own_leaf_is_made_anew_near_its_end(cache_site: Stack) -> None:
    # The same authority signs one with a little less than a third of its life left.
    in_volume(
        cache_site,
        "authority",
        "openssl req -x509 -CA ca.pem -CAkey privkey.pem -newkey ec -pkeyopt "
        "ec_paramgen_curve:P-256 -noenc -keyout key -out chain -days 29 -subj /CN=localhost "
        "-addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE",
    )
    old = in_volume(cache_site, "authority", "cat chain")
    mounts = [
        "-v",
        f"{cache_site.project}_authority:/a",
        "-v",
        f"{cache_site.project}_certificates:/c",
    ]
    image = cache_site.settings["APP_IMAGE"]
    script = "cat /a/chain > /c/fullchain.pem; cat /a/key > /c/privkey.pem; rm /a/chain /a/key"
    run("docker", "run", "--rm", "-u0", *mounts, image, "sh", "-c", script)
    assert init(cache_site) == "init: made a certificate for localhost, valid for 90 days\n"
    assert in_volume(cache_site, "certificates", "cat fullchain.pem") != old


def test_a_changed_domain_gets_a_new_leaf(cache_site: Stack) -> None:
    made = "init: made a certificate for www.example.org, valid for 90 days\n"
    assert init(cache_site, DOMAIN="www.example.org") == made
    names = "openssl x509 -in fullchain.pem -noout -ext subjectAltName"
    assert "DNS:www.example.org" in in_volume(cache_site, "certificates", names)
    assert "made a certificate for localhost" in init(cache_site)
