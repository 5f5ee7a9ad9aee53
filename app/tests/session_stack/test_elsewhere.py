"""Stores by URL: over TLS alone, to the name in the certificate, on the host that takes writes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from session_stack import store_urls
from session_stack.env import read
from tests.servers import PASSWORD, Postgres, RedisServer

KEEP_A_SESSION = """
import django; django.setup()
from importlib import import_module
from django.conf import settings
from django.db import connection
from django_redis import get_redis_connection
Store = import_module(settings.SESSION_ENGINE).SessionStore
store = Store(); store["kept"] = "yes"; store.save(); key = store.session_key
with connection.cursor() as cursor:
    cursor.execute("SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
                   " WHERE client_port IS NOT NULL AND NOT ssl")
    plain = cursor.fetchone()[0]
copies = sum(1 for _ in get_redis_connection("sessions").scan_iter("session:*"))
print(Store(key)["kept"], plain, copies)
Store(key).delete()
print(Store(key).get("kept"))
"""
ASK = """
import django; django.setup()
from session_stack.startup import probes
for probe in (probes.probe_postgres, probes.probe_redis):
    try:
        probe()
    except probes.StoreUnavailableError as error:
        print(error)
"""


class TLSPostgres(Postgres):
    """A Postgres that lets nobody in without TLS."""

    def __init__(self, port: int, certificates: Path, *, read_only: bool) -> None:
        super().__init__()
        self.port = port
        self.options = [
            "--ssl=on",
            f"--ssl_cert_file={certificates}/leaf.pem",
            f"--ssl_key_file={certificates}/leaf.key",
            f"--default_transaction_read_only={'on' if read_only else 'off'}",
        ]
        (self.data / "pg_hba.conf").write_text("hostssl all all all scram-sha-256\n")

    def command(self) -> list[str]:
        return [*super().command(), *self.options]


class TLSRedis(RedisServer):
    """A Redis that listens for TLS alone."""

    def __init__(self, port: int, certificates: Path) -> None:
        super().__init__()
        self.port, self.certificates = port, certificates

    def command(self) -> list[str]:
        files = {"tls-cert-file": "leaf.pem", "tls-key-file": "leaf.key"}
        named = [
            word
            for name, file in files.items()
            for word in (f"--{name}", f"{self.certificates}/{file}")
        ]
        plain = [*super().command(), "--port", "0", "--tls-port", str(self.port)]
        return [*plain, "--tls-auth-clients", "no", *named]

    def client(self) -> redis.Redis:
        authority = str(self.certificates / "ca.pem")
        return redis.Redis(
            *("localhost", self.port, 0, PASSWORD, 2), ssl=True, ssl_ca_certs=authority
        )


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an authority and a leaf for `localhost`."""
    folder = tmp_path_factory.mktemp("certificates")
    new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 1"
    for line in (
        f"{new} -subj /CN=authority -addext keyUsage=critical,keyCertSign -keyout ca.key"
        " -out ca.pem",
        f"{new} -subj /CN=leaf -CA ca.pem -CAkey ca.key -addext subjectAltName=DNS:localhost"
        " -addext basicConstraints=critical,CA:FALSE -keyout leaf.key -out leaf.pem",
    ):
        subprocess.run(["openssl", *line.split()], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def stores(certificates: Path) -> Iterator[tuple[int, int, int]]:
    """Yield the ports of a Postgres that takes no writes, of one that does, and of a Redis."""
    servers = (
        TLSPostgres(5441, certificates, read_only=True),
        TLSPostgres(5442, certificates, read_only=False),
        TLSRedis(6391, certificates),
    )
    for server in servers:
        server.start()
    yield 5441, 5442, 6391
    for server in servers:
        server.remove()


def process(folder: Path, authority: Path, host: str, ports: tuple[int, int, int]):
    """Return how to run a program as a container does that was given these stores."""
    reader, writer, redis_port = ports
    database = f"postgresql://postgres:{PASSWORD}@{host}:{reader},{host}:{writer}/postgres"
    (folder / "database_url").write_text(database)
    (folder / "redis_url").write_text(f"rediss://default:{PASSWORD}@{host}:{redis_port}/0")
    environ = {
        "PATH": os.environ["PATH"],
        "DOMAIN": "www.example.org",
        "SESSION_BACKEND": "cached_db",
        "SESSION_GRACE_UNTIL": "0001-01-01T00:00:00+00:00",
        "SECRET_KEY": "k" * 50,
        "DATABASE_URL_FILE": str(folder / "database_url"),
        "REDIS_URL_FILE": str(folder / "redis_url"),
        "STORES_CA_FILE": str(authority),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_sessions_are_kept_over_tls_on_the_host_that_takes_writes(
    tmp_path: Path, certificates: Path, stores: tuple[int, int, int]
) -> None:
    run = process(tmp_path, certificates / "ca.pem", "localhost", stores)
    run("manage.py", "prepare_database", "--verbosity=0")
    assert run("-c", KEEP_A_SESSION) == "yes 0 1\nNone\n"
    assert run("-c", ASK) == ""


def test_another_name_or_another_authority_is_refused_in_one_line(
    tmp_path: Path, certificates: Path, stores: tuple[int, int, int]
) -> None:
    authority = certificates / "ca.pem"
    database, cache = process(tmp_path, authority, "127.0.0.1", stores)("-c", ASK).splitlines()
    assert 'does not match host name "127.0.0.1"' in database
    assert "certificate is not valid for '127.0.0.1'" in cache
    shutil.copy(authority, tmp_path / "empty")
    (tmp_path / "empty").write_text("")  # the public authorities, who signed neither
    unknown = process(tmp_path, tmp_path / "empty", "localhost", stores)("-c", ASK).splitlines()
    for line in (database, cache, *unknown):
        assert line.endswith("see: its URL, in deploy/secrets")
        assert PASSWORD not in line
    assert all("certificate verify failed" in line for line in unknown)


REFUSED = {
    "database": [
        ("mysql://app:p4ssw0rd@db/app", "is no URL of Postgres"),
        ("host=db user=app password=p4ssw0rd dbname=app", "is no URL of Postgres"),
        ("postgresql://app:p4ssw0rd@db:port/app", "names a socket or no port"),
        ("postgresql://app@db/app", "says no password"),
        ("postgresql://app:p4ssw0rd@/app", "says no host"),
        ("postgresql://app:p4ssw0rd@db/app?sslmode=require", "the only one that it may say"),
        ("postgresql://app:p4ssw0rd@db/app?options=-cx", "says options; it may say only"),
        ("postgresql://app:p4ssw0rd@%2Ftmp/app", "names a socket"),
    ],
    "redis": [
        ("redis://app:p4ssw0rd@redis:6379/0", "is no URL of one Redis over TLS"),
        ("rediss://app:p4ssw0rd@one:6379,two:6379/0", "is no URL of one Redis over TLS"),
        ("rediss://app@redis:6379/0", "is no URL of one Redis over TLS"),
        ("rediss://app:p4ssw0rd@redis:port/0", "is no URL of one Redis over TLS"),
        ("rediss://app:p4ssw0rd@redis/0?ssl_cert_reqs=none", "is no URL of one Redis over TLS"),
    ],
}


@pytest.mark.parametrize(
    ("store", "url", "reason"),
    [(store, url, reason) for store, cases in REFUSED.items() for url, reason in cases],
)
def test_a_url_that_may_not_be_is_refused_without_showing_it(
    store: str, url: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        getattr(store_urls, store)(url)
    assert "p4ssw0rd" not in f"{caught.value}{caught.value.__cause__}"
    assert "\n" not in str(caught.value)


def test_hosts_without_a_port_and_escaped_passwords_are_read() -> None:
    server = store_urls.database("postgresql://app:p%40ss@one,two/app")
    assert (server.host, server.port, server.password) == ("one,two", "5432,5432", "p@ss")
    assert server.target == "read-write"
    cache = store_urls.redis("rediss://:p%40ss@redis")
    assert (cache.location, cache.password) == ("rediss://default@redis:6379/0", "p@ss")


def test_a_url_in_the_environment_is_refused() -> None:
    url = "postgresql://app:p4ssw0rd@db/app"
    environ = {"DOMAIN": "a.example", "SESSION_BACKEND": "db", "SECRET_KEY": "k" * 50}
    with pytest.raises(SystemExit) as caught:
        read({**environ, "DATABASE_PASSWORD": "p" * 16, "DATABASE_URL": url})
    line = str(caught.value)
    assert line.startswith("env: DATABASE_URL is set, where whoever sees the container's")
    assert line.endswith("put it into deploy/secrets/database_url")
    assert "p4ssw0rd" not in line


def test_an_empty_file_means_the_stack_s_own_stores(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    environ = {"DOMAIN": "a.example", "SESSION_BACKEND": "db", "SECRET_KEY": "k" * 50}
    env = read(
        {**environ, "DATABASE_PASSWORD": "p" * 16, "DATABASE_URL_FILE": str(tmp_path / "empty")}
    )
    assert (env.database.host, env.database_tls, env.redis) == ("postgres", {}, None)
