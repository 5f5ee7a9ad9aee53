"""`scripts/complaints` shows the line that matters: outputs/ holds what provoked failures printed.

The first line of each file is the command that was run.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
OUTPUTS = Path(__file__).parent / "outputs"
TOLD = {
    "env-two": "env: LOG_LEVEL is 'loud'; it may be DEBUG",
    "env-word": "env: LOG_LEVEL is 'loud'; it may be DEBUG",
    "gunicorn-wsgi": "ModuleNotFoundError: No module named 'nothing_there'",
    "hsts-on-localhost": "stack.E002: HSTS_SECONDS is set for localhost",
    "import-error": "ModuleNotFoundError: No module named 'nothing_there'",
    "init-missing": "init: DOMAIN is '192.0.2.7'; it may be one host name",
    "missing-app": "ModuleNotFoundError: No module named 'wagtial'",
    "missing-settings": "ModuleNotFoundError: No module named 'config.production'",
    "multi-line-exception": "ValueError: bad:",
    "nginx-directive": '[emerg] 1#1: unknown directive "client_max_body_sizes"',
    "nginx-port": '[emerg] 1#1: mkdir() "/var/lib/nginx/body" failed (13: Permission denied)',
    "no-postgres": "Postgres at 127.0.0.1:5432 is not available",
    "postgres-config": 'FATAL:  invalid value for parameter "shared_buffers": "lots"',
    "postgres-no-password": "no superuser password: set POSTGRES_PASSWORD",
    "postgres-root": 'could not access directory "/nowhere"',
    "redis-directive": "'maxmemory \"many\"': argument must be a memory value",
    "redis-missing": "stack.E008: REDIS_PASSWORD is not set",
    "redis-read-only": "'dir \"/nowhere\"': No such file or directory",
    "syntax-error": "SyntaxError: '[' was never closed",
    "template-check": "stack.E007) SECURE_CSP lets injected code run",
    "unknown-command": "Unknown command: 'demo_users'. Did you mean demo_user?",
}


@pytest.mark.parametrize("name", sorted(path.stem for path in OUTPUTS.iterdir()))
def test_the_line_that_matters_is_shown(name: str) -> None:
    _, _, log = (OUTPUTS / f"{name}.txt").read_text().partition("\n")
    command = [sys.executable, str(ROOT / "scripts/lib/operate/complaint.py"), "init"]
    done = subprocess.run(command, input=log, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line for line in lines if TOLD[name] in line], lines
    assert all(line.startswith("init: ") for line in lines)
    assert "init: init:" not in done.stdout
