"""What scripts/capacity computes with is what ten thousand sessions take; its document is true."""

import logging
import re
import secrets
import subprocess
import sys
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from hardened_sessions.revocation.feed import feed
from tests.servers import RedisServer

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "scripts/capacity"
SESSIONS = 10_000
WRITTEN = 2_000
OFF = 0.25  # the most that a measured size may differ from the tool's


def load() -> Any:
    loader = SourceFileLoader("capacity_script", str(SCRIPT))
    spec = spec_from_loader(loader.name, loader)
    assert spec
    module = module_from_spec(spec)
    sys.modules[loader.name] = module
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    loader.exec_module(module)
    sys.dont_write_bytecode = before
    return module


def asked(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def content() -> dict[str, str]:
    return {
        "_auth_user_id": "1234567",
        "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
        "_auth_user_hash": secrets.token_hex(32),
        "basket": secrets.token_hex(100),
    }


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("engine", ["cached_db", "cache"])
def test_ten_thousand_sessions_take_what_the_tool_computes_with(
    engine: str, redis_server: RedisServer
) -> None:
    store_class = import_module(f"hardened_sessions.backends.{engine}").SessionStore
    logging.disable(logging.INFO)
    redis = redis_server.client()
    redis.flushall()
    # As a process that serves does once a second. Else the first load below hears that an earlier
    # test emptied the table at its end, and counts none of the copies that are made here.
    feed().read()

    def taken() -> dict[str, int]:
        return {
            "row": asked("SELECT pg_total_relation_size('django_session')"),
            "wal": int(asked("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")),
            "redis": redis.info("memory")["used_memory"],
            "log": redis.info("persistence")["aof_current_size"],
        }

    before, keys = taken(), []
    for _ in range(SESSIONS):
        store = store_class()
        store.update(content())
        store.save()
        keys.append(store.session_key)
    kept = taken()
    for key in keys[:WRITTEN]:
        store = store_class(key)
        store["basket"] = secrets.token_hex(100)
        store.save()
    written = taken()
    logging.disable(logging.NOTSET)

    found = {name: (kept[name] - before[name]) / SESSIONS for name in ("row", "redis")}
    found |= {name: (written[name] - kept[name]) / WRITTEN for name in ("wal", "log")}
    script = load()
    for store in script.STORES[engine]:
        names = {"postgres": ("row", "wal"), "redis": ("redis", "log")}[store]
        for name, computed in zip(names, script.SIZES[store], strict=True):
            assert abs(found[name] - computed) <= OFF * found[name], (name, found, computed)


def test_the_document_shows_what_the_tool_prints() -> None:
    text = (ROOT / "deploy/CAPACITY.md").read_text()
    shown = re.findall(r"^    \$ scripts/capacity (.*)\n((?:    .*\n)+)", text, re.MULTILINE)
    assert len(shown) >= 3
    for options, output in shown:
        command = [sys.executable, str(SCRIPT), *options.split()]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "".join(f"    {line}\n" for line in printed.splitlines()) == output


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--sessions none --writes 1 --engine db", "is 'none'; it may be a whole number from 1 on"),
        ("--sessions 1 --writes 1 --engine mysql", "invalid choice: 'mysql'"),
    ],
)
def test_what_the_tool_can_not_take_is_refused_in_one_line(options: str, reason: str) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options.split()], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert reason in done.stderr.splitlines()[-1]
