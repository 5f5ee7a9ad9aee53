"""What the engine says of the running containers, not what the file asked for."""

from typing import Any

import pytest

from stack import Stack, run

ONE_SHOTS = {"init", "migrate"}
# They give files to the users of other services, and read an operator's own.
WITH_CAPABILITIES = {"init", "certificates"}
USERS = {
    "init": "0:0",
    "certificates": "0:0",
    "postgres": "999:999",
    "redis": "999:999",
    "nginx": "101:101",
    "app-cache": "10001:10001",
    "clearsessions": "10001:10001",
    "migrate": "10001:10001",
}
NETWORKS = {
    "init": set(),
    "certificates": set(),
    "migrate": {"data"},
    "postgres": {"data"},
    "redis": {"data"},
    "clearsessions": {"data"},
    "app-cache": {"app", "data"},
    "nginx": {"edge", "app"},
}


@pytest.fixture
def containers(cache_site: Stack) -> dict[str, dict[str, Any]]:
    """Return each service's container, as the engine knows it."""
    found = {
        container["Config"]["Labels"]["com.docker.compose.service"]: container
        for container in cache_site.containers()
    }
    assert set(found) == set(USERS)
    return found


def test_each_runs_as_its_own_numeric_user(containers: dict[str, dict[str, Any]]) -> None:
    assert {name: c["Config"]["User"] for name, c in containers.items()} == USERS


def test_processes_really_have_that_user_and_no_capability(
    cache_site: Stack, containers: dict[str, dict[str, Any]]
) -> None:
    for name in set(USERS) - ONE_SHOTS:
        script = "for p in /proc/[0-9]*; do cat $p/status; done 2>/dev/null"
        status = cache_site.execute(name, "sh", "-c", script)
        uids = {line.split()[1] for line in status.splitlines() if line.startswith("Uid:")}
        effective = {line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")}
        bounding = {line.split()[1] for line in status.splitlines() if line.startswith("CapBnd:")}
        new = {line.split()[1] for line in status.splitlines() if line.startswith("NoNewPrivs:")}
        assert uids == {USERS[name].split(":")[0]}, name
        # CHOWN and DAC_OVERRIDE are the first two bits.
        capabilities = {f"{3 if name in WITH_CAPABILITIES else 0:016x}"}
        assert effective == bounding == capabilities, name
        assert new == {"1"}, name


def test_only_what_places_files_has_a_capability_and_only_two(
    containers: dict[str, dict[str, Any]],
) -> None:
    for name, container in containers.items():
        host = container["HostConfig"]
        assert host["CapDrop"] == ["ALL"], name
        added = {cap.removeprefix("CAP_") for cap in host["CapAdd"] or ()}
        assert added == ({"CHOWN", "DAC_OVERRIDE"} if name in WITH_CAPABILITIES else set()), name
        assert not host["Privileged"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name


def test_the_root_filesystem_is_read_only(
    cache_site: Stack, containers: dict[str, dict[str, Any]]
) -> None:
    for name, container in containers.items():
        assert container["HostConfig"]["ReadonlyRootfs"], name
    for name in set(USERS) - ONE_SHOTS:
        for folder in ("/", "/usr/"):
            command = ["exec", "-T", name, "touch", f"{folder}probe"]
            done = cache_site.compose(*command, check=False)
            assert "Read-only file system" in f"{done.stdout}{done.stderr}", (name, folder)


def test_memory_processors_and_processes_are_limited(
    containers: dict[str, dict[str, Any]],
) -> None:
    for name, container in containers.items():
        host = container["HostConfig"]
        assert 0 < host["Memory"] <= 512 * 2**20, name
        assert 0 < host["NanoCpus"] <= 10**9, name
        # A thread is one of these: the app's and Postgres's number is the operator's.
        most = 500 if name == "postgres" or name.startswith("app-") else 100
        assert 0 < host["PidsLimit"] <= most, name


def test_logs_are_rotated(containers: dict[str, dict[str, Any]]) -> None:
    for name, container in containers.items():
        log = container["HostConfig"]["LogConfig"]
        assert log == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}, name


def test_services_restart_and_one_shots_do_not(containers: dict[str, dict[str, Any]]) -> None:
    for name, container in containers.items():
        policy = container["HostConfig"]["RestartPolicy"]["Name"]
        assert policy == ("no" if name in ONE_SHOTS else "unless-stopped"), name
        if name in ONE_SHOTS:
            assert (container["State"]["Status"], container["State"]["ExitCode"]) == ("exited", 0)
        else:
            assert container["State"]["Health"]["Status"] == "healthy", name


def test_networks_are_as_few_as_can_be(
    cache_site: Stack, containers: dict[str, dict[str, Any]]
) -> None:
    for name, container in containers.items():
        joined = {
            network.removeprefix(f"{cache_site.project}_")
            for network in container["NetworkSettings"]["Networks"]
        } - {"none"}
        assert joined == NETWORKS[name], name


def test_only_nginx_publishes_ports(
    cache_site: Stack, containers: dict[str, dict[str, Any]]
) -> None:
    published = {
        name: {
            binding["HostPort"]
            for bindings in container["NetworkSettings"]["Ports"].values()
            for binding in bindings or ()
        }
        for name, container in containers.items()
    }
    ports = {cache_site.settings["HTTP_PORT"], cache_site.settings["HTTPS_PORT"]}
    assert {name: ports for name, ports in published.items() if ports} == {"nginx": ports}


@pytest.mark.parametrize("service", ["postgres", "redis", "app-cache", "clearsessions"])
def test_nothing_behind_nginx_reaches_the_outside(cache_site: Stack, service: str) -> None:
    # No route but to the container's own networks.
    routes = cache_site.execute(service, "cat", "/proc/net/route").splitlines()[1:]
    assert routes
    assert "00000000" not in [route.split()[1] for route in routes]


def test_no_tool_to_build_or_install_is_in_the_image(cache_site: Stack) -> None:
    script = "command -v gcc cc make; ls -d /opt/pip /opt/venv/bin/pip; pip --version"
    found = cache_site.compose(
        "exec",
        "-T",
        "app-cache",
        "sh",
        "-c",
        f"PATH=/opt/venv/bin:/bin:/usr/bin; {script}",
        check=False,
    )
    assert found.stdout == ""


def test_no_program_in_the_image_makes_its_caller_another_user(cache_site: Stack) -> None:
    search = ["/", "-xdev", "-type", "f", "-perm", "/6000"]
    image = ["--user=0", "--entrypoint=find", cache_site.settings["APP_IMAGE"]]  # root sees all
    assert run("docker", "run", "--rm", *image, *search).stdout == ""


def test_the_image_adds_little_to_its_base(cache_site: Stack) -> None:
    base = cache_site.environment({}).get("PYTHON_IMAGE", "python:3.13-slim-trixie")
    images = [base, cache_site.settings["APP_IMAGE"]]
    sizes = run("docker", "inspect", "--format", "{{.Size}}", *images).stdout.split()
    assert int(sizes[1]) - int(sizes[0]) <= 110 * 10**6


def test_the_app_can_change_neither_its_code_nor_its_environment(cache_site: Stack) -> None:
    script = "find /app /opt/venv -writable -not -type l | head"
    assert cache_site.execute("app-cache", "sh", "-c", script) == ""


def test_the_apps_role_reads_and_writes_rows_and_nothing_else(cache_site: Stack) -> None:
    question = (
        "SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolbypassrls FROM pg_roles "
        "WHERE rolname LIKE 'app%' ORDER BY 1"
    )
    assert cache_site.sql(question) == "app|f|f|f|f\napp_owner|f|f|f|f"
    granted = cache_site.sql(
        "SELECT DISTINCT privilege_type FROM information_schema.role_table_grants "
        "WHERE grantee = 'app' ORDER BY 1"
    )
    assert granted.split() == ["DELETE", "INSERT", "SELECT", "UPDATE"]
    assert cache_site.sql("SELECT has_schema_privilege('app', 'public', 'CREATE')") == "f"
    assert (
        cache_site.sql("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
        == "app_owner"
    )


def test_redis_knows_the_app_and_lets_nobody_else_in(cache_site: Stack) -> None:
    assert "NOAUTH" in cache_site.execute("redis", "redis-cli", "ping")
    allowed = ["get session:x", "get :1:django.contrib.sessions.cachex", "info", "eval 1 0", "ping"]
    refused = [
        *("flushall", "flushdb", "keys *", "config get maxmemory", "acl list", "shutdown"),
        *("scan 0", "randomkey", "dbsize", "monitor", "client list", "client tracking on bcast"),
        *("script flush", "script kill", "function list", "function flush", "publish x y"),
        *("pubsub channels", "get other", "set other x", "mget session:x other"),
    ]
    asked = "\n".join(f"acl dryrun app {command}" for command in [*allowed, *refused])
    script = 'REDISCLI_AUTH="$(cat /run/secrets/redis_admin_password)" redis-cli --user admin'
    answers = cache_site.execute("redis", "sh", "-c", script, stdin=f"{asked}\n").splitlines()
    permitted = [line == "OK" for line in answers if line]
    assert permitted == [True] * len(allowed) + [False] * len(refused), answers
    assert cache_site.redis("config", "get", "maxmemory-policy").split()[-1] == "noeviction"
    assert cache_site.redis("config", "get", "appendfsync").split()[-1] == "everysec"
