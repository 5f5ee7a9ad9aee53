"""A fact that must stand in two places stands there alike."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from hardened_sessions.format import visitor
from session_stack.env import BODY_MAX_KB_MOST, Env, read
from session_stack.layers import engines
from session_stack.sign_in import counters, device, limits
from session_stack.sign_in.visit import PREFIXES

ENGINES = engines("hardened")

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
DEFAULTS = dict(re.findall(r"^#([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))
IN_COMPOSE = dict(re.findall(r"\$\{([A-Z_]+):-([^${}]*)\}", COMPOSE))

REQUIRED = {
    "DOMAIN": "localhost",
    "SESSION_BACKEND": "db",
    "SECRET_KEY": "k" * 50,
    "DATABASE_PASSWORD": "p" * 16,
}


@pytest.mark.parametrize("name", sorted(set(DEFAULTS) & {f.name.upper() for f in fields(Env)}))
def test_the_manual_states_the_default_that_the_app_has(name: str) -> None:
    assert read({**REQUIRED, name: DEFAULTS[name]}) == read(REQUIRED)


@pytest.mark.parametrize("name", sorted(IN_COMPOSE))
def test_the_manual_states_the_default_that_compose_has(name: str) -> None:
    assert DEFAULTS[name] == IN_COMPOSE[name]


def test_the_manual_names_every_setting_that_reaches_a_container() -> None:
    passed = set(re.findall(r"^  ([A-Z_]+):$", COMPOSE, re.MULTILINE))
    asked = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE))
    assert passed | asked | {"COMPOSE_PROFILES"} == set(DEFAULTS)


@pytest.mark.parametrize("kept", ENGINES)
def test_an_adopter_may_drop_the_other_engines(kept: str) -> None:
    """No shared part stands in a service that may go."""
    text = COMPOSE
    for engine in set(ENGINES) - {kept}:
        text = re.sub(rf"^  app-{engine}:\n(?:(?:    .*)?\n)+", "", text, flags=re.MULTILINE)
    services = yaml.safe_load(text)["services"]
    assert [name for name in services if name.startswith("app-")] == [f"app-{kept}"]


def test_layer_and_stack_compare_cookies_names_alike() -> None:
    """Neither package imports the other."""
    layer, stack = (ROOT / "app" / name for name in ("hardened_sessions", "session_stack"))
    assert (layer / "cookie_names.py").read_text() == (stack / "cookie_names.py").read_text()


def test_layer_and_stack_take_addresses_for_one_network_alike() -> None:
    """A list of sessions and a limit for guesses mean the same network."""
    assert visitor.PREFIXES == PREFIXES


@pytest.mark.lesson(44)
def test_every_engine_has_its_service_and_profile() -> None:
    for backend in ENGINES:
        assert re.search(
            rf"^  app-{backend}:\n.*\n    profiles: \[{backend}[\],]", COMPOSE, re.MULTILINE
        )
        assert f"SESSION_BACKEND: {backend}\n" in COMPOSE


def test_the_manual_of_sign_in_states_the_limits() -> None:
    text = (ROOT / "app/session_stack/sign_in/README.md").read_text()
    rows = re.findall(r"\| (\d+) \| (\d+) s \| (\d+) s \| (\d+) s \|", text)
    stated = [limits.Limit(*map(int, row)) for row in rows]
    assert stated == [limits.OWN, limits.OWN, limits.EVERYBODY, limits.EVERYBODY]
    assert f"{counters.ROWS:,} rows" in text
    assert f"{device.AGE_SECONDS // 86400} days" in text
    assert f"IPv4 /{PREFIXES[4]}, IPv6 /{PREFIXES[6]}" in text


def test_the_page_for_localhost_names_every_engine() -> None:
    page = (ROOT / "nginx/html/503-localhost.html").read_text()
    named = [word.replace("redis", "cache") for word in re.findall(r"--profile (\w+)", page)]
    assert sorted(named) == sorted(ENGINES)


def test_the_dockerfile_builds_on_the_same_python() -> None:
    match = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert match
    assert match[1] == IN_COMPOSE["PYTHON_IMAGE"]


def test_the_base_images_have_the_tags_that_compose_asks_for() -> None:
    build = (ROOT / "deploy/base-images/build").read_text()
    tags = dict(re.findall(r"\[(\w+)\]=(\S+)", build))
    assert {
        name: IN_COMPOSE[f"{name.upper()}_IMAGE"]
        for name in ("python", "postgres", "redis", "nginx")
    } == {name: tag.rstrip(")") for name, tag in tags.items()}


def test_init_gives_files_to_the_users_that_run_the_services() -> None:
    volumes = (ROOT / "deploy/init/volumes.py").read_text()
    users = {
        name: int(uid) for name, uid in re.findall(r"^([A-Z]+) = (\d+)", volumes, re.MULTILINE)
    }
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert dockerfile.count(f"USER {users['APP']}:{users['APP']}\n") == 3
    assert COMPOSE.count(f'user: "{users["STORES"]}:{users["STORES"]}"') == 2
    assert COMPOSE.count(f'user: "{users["NGINX"]}:{users["NGINX"]}"') == 1


def test_what_visitors_may_take_of_nginx_fits_its_memory() -> None:
    nginx = re.search(r"^  nginx:\n((?:    .*\n)+)", COMPOSE, re.MULTILINE)
    assert nginx
    snippets = "".join(path.read_text() for path in (ROOT / "nginx").rglob("*.conf*"))

    def number(pattern: str, text: str = snippets) -> int:
        (found,) = re.findall(pattern, text, re.MULTILINE)
        return int(found)

    limit = number(r"limits: .*memory: (\d+)M", nginx[1]) * 1024  # all in KiB
    files = [int(size) * 1024 for size in re.findall(r":size=(\d+)m", nginx[1])]
    workers = number(r"^worker_processes (\d+);")
    connections = number(r"worker_connections (\d+);")
    streams = number(r"^http2_max_concurrent_streams (\d+);")
    requests = number(r"limit_conn requests (\d+);")
    body = number(r"^client_body_buffer_size (\d+)k;")
    spill = number(r"^proxy_max_temp_file_size (\d+)k;")
    buffers = number(r"^proxy_buffers 4 (\d+)k;") * 4 + number(r"^proxy_buffer_size (\d+)k;")
    of_address = int(IN_COMPOSE["CONNECTIONS_PER_ADDRESS"])

    assert workers == number(r'limits: {cpus: "(\d+)"', nginx[1])
    # Measured: an idle connection with TLS holds 25 KiB, a refused stream that nobody reads 10.
    held = workers * connections * (25 + 10 * streams) + requests * (buffers + body)
    assert held + sum(files) <= 0.85 * limit
    assert int(IN_COMPOSE["BODY_MAX_KB"]) < body
    assert max(files) >= 4 * BODY_MAX_KB_MOST
    assert f"16 to {BODY_MAX_KB_MOST};" in EXAMPLE
    assert of_address * spill <= max(files)
    assert 2 * requests <= connections  # of a client, and to the app
    assert of_address <= requests / 3
    assert number(r"of (\d+) and 384 in\n", EXAMPLE) == connections
    assert f"and {requests} in\n" in EXAMPLE


def test_gunicorn_takes_every_header_that_nginx_lets_through() -> None:
    gunicorn = (ROOT / "app/session_stack/gunicorn.py").read_text().replace("_", "")
    limits = (ROOT / "nginx/snippets/limits.conf").read_text()
    proxy = (ROOT / "nginx/snippets/proxy.conf").read_text()
    buffers = re.search(r"^large_client_header_buffers (\d+) (\d+)k;", limits, re.MULTILINE)
    headers = re.search(r"^max_headers (\d+);", limits, re.MULTILINE)
    assert buffers
    assert headers
    sizes = dict(re.findall(r"^(limit[a-z]+) = (\d+)", gunicorn, re.MULTILINE))
    assert int(sizes["limitrequestfieldsize"]) == int(buffers[1]) * int(buffers[2]) * 1024
    added = re.findall(r"^proxy_set_header +\S+ +[^\s\"]", proxy, re.MULTILINE)
    assert int(sizes["limitrequestfields"]) >= int(headers[1]) + len(added)


def test_every_folder_of_tests_is_in_a_stage_and_every_stage_in_the_run() -> None:
    test, stage = ((ROOT / "scripts" / name).read_text() for name in ("test", "lib/stage"))
    rounds = re.search(r"^ROUNDS=\((.*)\)", test, re.MULTILINE)
    assert rounds
    run = rounds[1].replace("'", "").split()
    assert sorted(run) == sorted(re.findall(r"^#   ([a-z]+) {2,}", test, re.MULTILINE))
    by_name = set(run) - set(re.findall(r"^([a-z]+)\)", stage, re.MULTILINE))  # tests/NAME
    named = set(re.findall(r"tests/([a-z_]+)", stage)) | by_name
    folders = {
        path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")
    }
    assert {folder.parts[0] for folder in folders} <= named | {"full"}  # scripts/test --full
