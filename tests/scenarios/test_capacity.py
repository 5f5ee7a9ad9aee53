"""Capacity is set in `.env`: what follows from it, and what is refused with its sum."""

import os
import shutil
import subprocess
from pathlib import Path

from stack import ROOT, Stack


def said_by_init(stack: Stack, **settings: str) -> str:
    done = stack.compose("run", "--rm", "--no-TTY", "init", settings=settings, check=False)
    return done.stderr


def test_the_stores_are_told_what_follows_and_what_does_not_fit_is_refused(
    cache_site: Stack,
) -> None:
    assert cache_site.sql("SHOW max_connections; SHOW shared_buffers") == "60\n128MB"
    assert cache_site.redis("CONFIG", "GET", "maxmemory").split()[-1] == str(160 << 20)
    line = "POSTGRES_MEMORY_MB is 512; 128 for shared_buffers + 32 + 138 connections x 4 = 712"
    assert line in said_by_init(cache_site, APP_WORKERS="16")
    assert "APP_THREADS is 'many'; it may be" in said_by_init(cache_site, APP_THREADS="many")
    # In the app's own container, by the limit that the kernel has.
    serve = ["app-cache", "timeout", "5", "session_stack/serve"]
    command = ["run", "--rm", "--no-deps", "--no-TTY", *serve]
    done = cache_site.compose(*command, check=False, settings={"APP_WORKERS": "8"})
    sum_ = "APP_MEMORY_MB is 384; 8 workers and their master, 9 x 48 = 432"
    assert sum_ in f"{done.stdout}{done.stderr}"


def test_a_clone_of_a_strict_umask_is_refused_by_init_with_the_chmod(cache_site: Stack) -> None:
    page = cache_site.folder / "nginx" / "html" / "503.html"
    page.chmod(0o600)
    try:
        said = said_by_init(cache_site)
    finally:
        page.chmod(0o644)
    assert "init: nginx/html/503.html can be read by its owner alone" in said
    assert "repair: chmod -R go+rX nginx deploy/postgres deploy/redis" in said


def fake_docker(folder: Path, cpus: int) -> dict[str, str]:
    """Put a `docker` first on the path that knows of so many processors."""
    docker = folder / "docker"
    real = shutil.which("docker")
    docker.write_text(f'#!/bin/sh\n[ "$1" = info ] && echo {cpus} || exec {real} "$@"\n')
    docker.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_more_processors_than_the_host_has_are_refused_before_anything_is_built(
    cache_site: Stack, tmp_path: Path
) -> None:
    fake = fake_docker(tmp_path, 2)
    environ = {**cache_site.environment({"APP_CPUS": "8"}), **fake}
    up = ["scripts/up", "redis"]
    done = subprocess.run(up, cwd=cache_site.folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 1
    line = "up: APP_CPUS is 8, and this host has 2 processors; set it to 2 or less in .env\n"
    assert done.stderr.endswith(line)


def test_the_bash_of_macos_is_refused_in_a_line() -> None:
    library = (ROOT / "scripts" / "lib.sh").read_text().replace("BASH_VERSINFO", "OLD")
    script = f"OLD=(3 2 57)\n{library}"
    done = subprocess.run(["bash", "-c", script, "up"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "is too old; install bash 4 or newer" in done.stderr
    assert done.stderr.count("\n") == 1
