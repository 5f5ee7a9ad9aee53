"""Hold the four base images to what the stack relies on, whoever built them.

NGINX_IMAGE, POSTGRES_IMAGE, PYTHON_IMAGE and REDIS_IMAGE name other images to test.
"""

import gzip
import json
import os
import subprocess
import time
import urllib.request
import uuid
import zipfile

import pytest

IMAGES = {
    name: os.environ.get(f"{name.upper()}_IMAGE") or default
    for name, default in {
        "nginx": "nginx:1.30",
        "postgres": "postgres:17-trixie",
        "python": "python:3.13-slim-trixie",
        "redis": "redis:8-trixie",
    }.items()
}
LOCKED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
PASSWORD = uuid.uuid4().hex


def docker(*words, check=True):
    """Run docker and return its two outputs as one text."""
    done = subprocess.run(
        ["docker", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    if check and done.returncode:
        pytest.fail(f"docker {' '.join(words)}: {done.returncode}\n{done.stdout}")
    return done.stdout.strip()


def once(image, *command, options=()):
    """Run one command in a container that is gone afterwards."""
    return docker("run", "--rm", *options, IMAGES[image], *command)


def shell(image, script):
    return once(image, "-c", script, options=["--entrypoint=sh"])


def until(condition, seconds=20):
    """Wait for a condition to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not so within {seconds} s"
        time.sleep(0.1)


def stop(container):
    """Stop a container by its own signal; return its exit code and its log."""
    docker("stop", "--time=20", container)
    code = docker("inspect", "--format={{.State.ExitCode}}", container)
    return int(code), docker("logs", container)


def folder(path, files):
    """Fill a folder that every user may read; a name that ends in ! is executable."""
    path.mkdir()
    path.chmod(0o755)
    for name, content in files.items():
        file = path / name.rstrip("!")
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        file.chmod(0o755 if name.endswith("!") else 0o644)
    return path


@pytest.fixture(scope="module")
def make():
    """Make containers, volumes and networks; all go when the module ends."""
    removals = []

    def make(kind, *words):
        name = f"contract-{kind}-{uuid.uuid4().hex}"
        if kind == "container":
            removals.append(["rm", "--force", "--volumes", name])
            docker("run", "--detach", f"--name={name}", *words)
        else:
            removals.append([kind, "rm", name])
            docker(kind, "create", name)
        return name

    yield make
    for words in reversed(removals):
        docker(*words, check=False)


@pytest.fixture
def refusal(make):
    """Start a container that must give up by itself; return its log."""

    def refusal(*words):
        container = make("container", *words)
        state = "--format={{.State.Status}} {{.State.ExitCode}}"
        until(lambda: docker("inspect", state, container) == "exited 1")
        return docker("logs", container)

    return refusal


# every image


@pytest.mark.parametrize(
    ("image", "declared"),
    [
        (
            "nginx",
            {
                "Entrypoint": ["/docker-entrypoint.sh"],
                "Cmd": ["nginx", "-g", "daemon off;"],
                "ExposedPorts": {"80/tcp": {}},
                "StopSignal": "SIGQUIT",
            },
        ),
        (
            "postgres",
            {
                "Entrypoint": ["docker-entrypoint.sh"],
                "Cmd": ["postgres"],
                "ExposedPorts": {"5432/tcp": {}},
                "StopSignal": "SIGINT",
                "Volumes": {"/var/lib/postgresql/data": {}},
            },
        ),
        ("python", {"Cmd": ["python3"]}),
        (
            "redis",
            {
                "Entrypoint": ["docker-entrypoint.sh"],
                "Cmd": ["redis-server"],
                "ExposedPorts": {"6379/tcp": {}},
                "WorkingDir": "/data",
            },
        ),
    ],
    ids=IMAGES,
)
def test_image_declares_how_it_runs(image, declared):
    config = json.loads(docker("image", "inspect", IMAGES[image]))[0]["Config"]
    keys = ["Entrypoint", "Cmd", "ExposedPorts", "StopSignal", "User"]
    expected = dict.fromkeys(keys) | declared
    assert {key: config.get(key) or None for key in expected} == expected


@pytest.mark.parametrize("image", IMAGES)
def test_image_keeps_nothing_that_apt_fetched(image):
    find = "find /var/lib/apt /var/cache/apt -name '*_Packages*' -o -name '*.deb'"
    assert shell(image, f"{find} -o -name '*.bin'") == ""


@pytest.mark.parametrize("image", IMAGES)
def test_image_takes_upgrades_from_debian_13_only(image):
    words = set(shell(image, "find /etc/apt/sources.list* -type f -exec cat {} +").split())
    assert "trixie" in words
    assert not words & {"testing", "forky", "sid", "unstable"}


@pytest.mark.parametrize("image", IMAGES)
def test_image_has_no_compiler(image):
    assert shell(image, "for name in cc gcc g++ clang; do command -v $name; done || true") == ""


@pytest.mark.parametrize("image", IMAGES)
def test_no_program_of_an_image_built_here_makes_its_caller_another_user(image):
    labels = json.loads(docker("image", "inspect", IMAGES[image]))[0]["Config"]["Labels"] or {}
    found = shell(image, "find / -xdev -type f -perm /6000")
    # A registry's image is as it is: no-new-privileges keeps its bits from counting.
    assert found == "" or "django-sessions.base-image" not in labels


@pytest.mark.parametrize(
    ("image", "ids"), [("nginx", "101:101"), ("postgres", "999:999"), ("redis", "999:999")]
)
def test_service_user_has_the_official_ids(image, ids):
    assert shell(image, f"echo $(id -u {image}):$(id -g {image})") == ids


@pytest.mark.parametrize("image", ["nginx", "postgres", "redis"])
def test_entrypoint_just_runs_any_other_command(image):
    assert once(image, "echo", "hello") == "hello"


# python


def test_python_and_pip_of_usr_local_come_first():
    for name in ("python", "python3", "pip"):
        assert shell("python", f"command -v {name}") == f"/usr/local/bin/{name}"
    assert once("python", "python", "--version").startswith("Python 3.13.")


def test_python_has_authorities_time_zones_and_service_names():
    script = (
        "import socket, sqlite3, ssl, zoneinfo;"
        "print(len(ssl.create_default_context().get_ca_certs()) > 50,"
        "zoneinfo.ZoneInfo('Europe/Berlin'), socket.getservbyname('https'))"
    )
    assert once("python", "python", "-c", script) == "True Europe/Berlin 443"


def test_python_image_has_openssl():
    assert once("python", "openssl", "version").startswith("OpenSSL 3.")


def test_python_venv_installs_a_wheel_without_network(tmp_path):
    info = "demo-1.dist-info"
    with zipfile.ZipFile(tmp_path / "demo-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("demo.py", "print('installed')")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    script = (
        "python -m venv /opt/venv"
        " && /opt/venv/bin/pip --quiet install --no-index /wheels/*.whl"
        " && /opt/venv/bin/python -m demo"
    )
    options = ["--network=none", f"--volume={tmp_path}:/wheels:ro"]
    assert once("python", "sh", "-c", script, options=options).endswith("installed")


# redis


@pytest.fixture(scope="module")
def redis_files(tmp_path_factory):
    conf = "appendonly yes\naclfile /etc/redis/users.acl\n"
    users = f"user default off\nuser app on >{PASSWORD} ~* &* +@all\n"
    path = tmp_path_factory.mktemp("redis") / "etc"
    return f"--volume={folder(path, {'site.conf': conf, 'users.acl': users})}:/etc/redis:ro"


@pytest.fixture(scope="module")
def redis_network(make):
    return make("network")


@pytest.fixture(scope="module")
def redis(make, redis_files, redis_network):
    """Start Redis the way the stack does."""
    container = make(
        *["container", "--user=999:999", *LOCKED, redis_files],
        *[f"--network={redis_network}", "--network-alias=redis"],
        *[f"--volume={make('volume')}:/data"],
        *[IMAGES["redis"], "redis-server", "/etc/redis/site.conf"],
    )
    until(lambda: redis_cli(container, "ping") == "PONG")
    return container


def redis_cli(container, *words, user="app", password=PASSWORD):
    login = ["--user", user, "--pass", password, "--no-auth-warning"] if user else []
    return docker("exec", container, "redis-cli", *login, *words, check=False)


def test_redis_answers_its_user_over_the_network(redis, redis_network):
    client = ["redis-cli", "-h", "redis", "--user", "app", "ping"]
    options = [f"--network={redis_network}", f"--env=REDISCLI_AUTH={PASSWORD}"]
    assert once("redis", *client, options=options) == "PONG"


def test_redis_refuses_who_is_not_in_the_acl_file(redis):
    assert "NOAUTH" in redis_cli(redis, "ping", user=None)
    assert "WRONGPASS" in redis_cli(redis, "ping", password="wrong")


def test_redis_keeps_its_data_over_a_restart(redis):
    redis_cli(redis, "set", "key", "kept")
    code, log = stop(redis)
    assert code == 0
    assert "ready to exit" in log
    docker("start", redis)
    until(lambda: redis_cli(redis, "ping") == "PONG")
    assert redis_cli(redis, "get", "key") == "kept"


@pytest.mark.parametrize(
    ("command", "user"), [("/etc/redis/site.conf", "app"), ("--appendonly=no", None)]
)
def test_redis_server_is_prepended_to_a_file_or_an_option(make, redis_files, command, user):
    container = make("container", redis_files, IMAGES["redis"], *command.split("="))
    until(lambda: redis_cli(container, "ping", user=user) == "PONG")


def test_redis_without_configuration_answers_other_containers(make, redis_network):
    container = make("container", f"--network={redis_network}", IMAGES["redis"])
    until(lambda: redis_cli(container, "ping", user=None) == "PONG")
    client = ["redis-cli", "-h", container, "ping"]
    assert once("redis", *client, options=[f"--network={redis_network}"]) == "PONG"


def test_redis_as_root_gives_data_to_its_user_and_becomes_it(make):
    volume = make("volume")
    mount = f"--volume={volume}:/data"
    once("redis", "-c", "chown root: /data", options=[mount, "--entrypoint=sh"])
    container = make("container", mount, IMAGES["redis"])
    until(lambda: redis_cli(container, "ping", user=None) == "PONG")
    assert "Uid:\t999\t" in docker("exec", container, "cat", "/proc/1/status")
    assert docker("exec", container, "stat", "--format=%u:%g", "/data") == "999:999"


# postgres

INITDB_SCRIPTS = {
    "1-table.sql": "CREATE TABLE ran (script text, value text);",
    "2-packed.sql.gz": gzip.compress(b"INSERT INTO ran VALUES ('packed', '');"),
    "3-executed.sh!": (
        "#!/bin/sh\n"
        "kept=no\n"
        'psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "INSERT INTO ran VALUES'
        " ('executed', current_setting('work_mem')),"
        " ('addresses', current_setting('listen_addresses'))\"\n"
    ),
    "4-sourced.sh": "kept=yes\n",
    "5-sourced.sh": "docker_process_sql -c \"INSERT INTO ran VALUES ('sourced', '$kept')\"\n",
    "6-ignored.txt": "",
}


@pytest.fixture(scope="module")
def postgres(make, tmp_path_factory):
    """Start Postgres the way the stack does, on an empty volume."""
    path = tmp_path_factory.mktemp("postgres")
    secrets = folder(path / "secrets", {"password": f"{PASSWORD}\n"})
    scripts = folder(path / "scripts", INITDB_SCRIPTS)
    container = make(
        *["container", "--hostname=database", "--user=999:999", *LOCKED],
        *["--tmpfs=/tmp", "--tmpfs=/var/run/postgresql"],
        f"--volume={make('volume')}:/var/lib/postgresql/data",
        f"--volume={secrets}:/run/secrets:ro",
        f"--volume={scripts}:/docker-entrypoint-initdb.d:ro",
        "--env=POSTGRES_USER=owner",
        "--env=POSTGRES_DB=shop",
        "--env=POSTGRES_PASSWORD_FILE=/run/secrets/password",
        "--env=POSTGRES_INITDB_ARGS=--data-checksums --set='log_line_prefix=%m '",
        *[IMAGES["postgres"], "postgres", "-c", "work_mem=5MB"],
    )
    until(lambda: is_ready(container))
    return container


def is_ready(container):
    """Ask over TCP, where the bootstrap server never answers."""
    probe = ["pg_isready", "-h", "127.0.0.1"]
    return docker("exec", container, *probe, check=False).endswith("accepting connections")


def sql(container, statement, password=PASSWORD):
    """Ask as another host would: pg_hba.conf trusts 127.0.0.1, not this name's address."""
    client = ["psql", "-h", "database", "-U", "owner", "-d", "shop", "-Atqc", statement]
    return docker("exec", f"--env=PGPASSWORD={password}", container, *client, check=False)


def test_postgres_first_start_makes_user_and_database(postgres):
    assert sql(postgres, "SELECT current_user, current_database()") == "owner|shop"


def test_postgres_stores_a_scram_password(postgres):
    stored = sql(postgres, "SELECT left(rolpassword, 14) FROM pg_authid WHERE rolcanlogin")
    assert stored == "SCRAM-SHA-256$"


def test_postgres_refuses_a_wrong_password(postgres):
    assert "password authentication failed" in sql(postgres, "SELECT 1", password="wrong")


def test_postgres_is_utf8_in_english(postgres):
    statement = "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database LIMIT 1"
    assert sql(postgres, statement) == "UTF8|en_US.utf8"


def test_postgres_hands_quoted_arguments_to_initdb(postgres):
    settings = "SELECT current_setting('data_checksums'), current_setting('log_line_prefix')"
    assert sql(postgres, settings + " || '.'") == "on|%m ."


def test_postgres_data_is_private(postgres):
    assert docker("exec", postgres, "sh", "-c", "stat -c %a:%u $PGDATA") == "700:999"


def test_postgres_runs_initdb_scripts_on_a_private_server_with_its_options(postgres):
    ran = sql(postgres, "SELECT script, value FROM ran").splitlines()
    assert ran == ["packed|", "executed|5MB", "addresses|", "sourced|yes"]


def test_postgres_stops_cleanly_and_starts_again_without_the_scripts(postgres):
    code, log = stop(postgres)
    assert code == 0
    assert "received fast shutdown request" in log
    assert log.endswith("database system is shut down")
    docker("start", postgres)
    until(lambda: is_ready(postgres))
    assert sql(postgres, "SELECT count(*) FROM ran") == "4"
    assert "was not properly shut down" not in docker("logs", postgres)
    assert docker("logs", postgres).count("1-table.sql") == log.count("1-table.sql")


def test_postgres_as_root_becomes_its_user(make):
    container = make("container", f"--env=POSTGRES_PASSWORD={PASSWORD}", IMAGES["postgres"])
    until(lambda: is_ready(container))
    assert "Uid:\t999\t" in docker("exec", container, "cat", "/proc/1/status")


def test_postgres_needs_no_password_where_all_are_trusted(make):
    container = make(
        *["container", "--hostname=database", "--env=POSTGRES_HOST_AUTH_METHOD=trust"],
        *["--env=POSTGRES_USER=owner", "--env=POSTGRES_DB=shop", IMAGES["postgres"]],
    )
    until(lambda: is_ready(container))
    assert sql(container, "SELECT 1", password="any") == "1"


def test_postgres_refuses_to_start_without_a_password(refusal):
    assert "POSTGRES_PASSWORD" in refusal("--env=POSTGRES_PASSWORD=", IMAGES["postgres"])


@pytest.mark.parametrize("variable", ["PASSWORD", "USER", "DB", "INITDB_ARGS"])
def test_postgres_refuses_a_variable_and_its_file(refusal, variable):
    both = [f"--env=POSTGRES_{variable}=x", f"--env=POSTGRES_{variable}_FILE=/etc/hostname"]
    log = refusal("--env=POSTGRES_HOST_AUTH_METHOD=trust", *both, IMAGES["postgres"])
    assert f"both POSTGRES_{variable} and POSTGRES_{variable}_FILE are set" in log


# nginx

NGINX_WRITES = ["/etc/nginx/conf.d", "/run", "/var/cache/nginx"]
SITE = """
server {
  listen 80;
  root /srv;
  location / { return 200 "${GREETING} $uri ${SOURCED}"; }
  location /slow { limit_rate 500; }
}
"""


@pytest.fixture(scope="module")
def nginx(make, tmp_path_factory):
    """Start nginx the way the stack does."""
    path = tmp_path_factory.mktemp("nginx")
    templates = folder(path / "templates", {"default.conf.template": SITE})
    scripts = folder(
        path / "scripts",
        {"1-site.envsh!": "export SOURCED=sourced\n", "2-site.sh": "echo ran without x\n"},
    )
    return make(
        *["container", "--user=101:101", *LOCKED, "--publish=127.0.0.1::80"],
        *[f"--tmpfs={path}:uid=101,gid=101" for path in NGINX_WRITES],
        *[f"--volume={templates}:/etc/nginx/templates:ro"],
        *[f"--volume={s}:/docker-entrypoint.d/{s.name}:ro" for s in scripts.iterdir()],
        *[f"--volume={folder(path / 'srv', {'slow': 'x' * 1500})}:/srv:ro"],
        *["--env=GREETING=hello", "--env=uri=replaced"],
        *["--env=NGINX_ENVSUBST_FILTER=^(GREETING|SOURCED)$", IMAGES["nginx"]],
    )


def get(container, path):
    address = docker("port", container, "80/tcp").splitlines()[0]
    try:
        return urllib.request.urlopen(f"http://{address}{path}", timeout=20)
    except OSError:
        return None


def body(container, path):
    response = get(container, path)
    return response and response.read().decode()


def test_nginx_is_1_30_with_its_tools():
    assert "nginx/1.30." in once("nginx", "nginx", "-v")
    shell("nginx", "curl --version && envsubst --version && openssl version")


def test_nginx_serves_a_template_with_only_the_filtered_variables(nginx):
    until(lambda: body(nginx, "/page"))
    assert body(nginx, "/page") == "hello /page sourced"


def test_nginx_skips_a_script_that_is_not_executable(nginx):
    log = docker("logs", nginx)
    assert "2-site.sh, not executable" in log
    assert "ran without x" not in log


def test_nginx_logs_requests_to_the_container_log(nginx):
    until(lambda: body(nginx, "/logged"))
    until(lambda: '"GET /logged HTTP/1.1" 200' in docker("logs", nginx))


def test_nginx_reloads_its_configuration(nginx):
    until(lambda: body(nginx, "/page"))
    change = "sed -i s/hello/goodbye/ /etc/nginx/conf.d/default.conf && nginx -s reload"
    docker("exec", nginx, "sh", "-c", change)
    until(lambda: body(nginx, "/page") == "goodbye /page sourced")


def test_nginx_finishes_a_response_before_it_stops(nginx):
    until(lambda: body(nginx, "/page"))
    response = get(nginx, "/slow")
    code, _ = stop(nginx)
    assert code == 0
    assert len(response.read()) == 1500
    docker("start", nginx)


@pytest.mark.parametrize(
    ("wanted", "addresses"),
    [("true", "10.89.0.1 [fd00::1] 127.0.0.11"), ("", "${NGINX_LOCAL_RESOLVERS}")],
)
def test_nginx_templates_get_the_containers_resolvers_where_that_is_asked_for(
    tmp_path, wanted, addresses
):
    files = {
        "resolv.conf": "# the network's own\nsearch example\nnameserver 10.89.0.1\n"
        "nameserver fd00::1\nnameserver 127.0.0.11\n",
        "site.conf.template": "resolver ${NGINX_LOCAL_RESOLVERS} valid=1s;\n",
    }
    given = folder(tmp_path / "in", files)
    script = "/docker-entrypoint.sh nginx -v >&2; cat /etc/nginx/conf.d/site.conf"
    options = [
        *["--user=101:101", *LOCKED, "--entrypoint=sh", "--env=NGINX_ENTRYPOINT_QUIET_LOGS=1"],
        *[f"--tmpfs={path}:uid=101,gid=101" for path in NGINX_WRITES],
        *[f"--volume={given}/resolv.conf:/etc/resolv.conf:ro"],
        *[f"--volume={given}:/etc/nginx/templates:ro"],
        f"--env=NGINX_ENTRYPOINT_LOCAL_RESOLVERS={wanted}",
    ]
    shown = once("nginx", "-c", script, options=options)
    assert f"resolver {addresses} valid=1s;" in shown


def test_nginx_renders_from_and_to_the_named_folders(tmp_path):
    conf = (
        "include /etc/nginx/modules-enabled/*.conf; pid /tmp/nginx.pid; events {}"
        " stream { server { listen 8443; pass 127.0.0.1:8444; } }"
        " http { resolver 127.0.0.11; upstream app { zone app 64k;"
        " server ${HOST_NAME}:8000 resolve; keepalive 16; } }"
    )
    templates = folder(tmp_path / "in", {})
    folder(templates / "sub", {"nginx.conf.tmpl": conf, "other.template": ""})
    options = [
        *["--user=101:101", *LOCKED],
        *[f"--tmpfs={path}:uid=101,gid=101" for path in (*NGINX_WRITES, "/tmp")],
        *[f"--volume={templates}:/templates:ro", "--env=HOST_NAME=app.invalid"],
        *["--env=NGINX_ENVSUBST_TEMPLATE_DIR=/templates"],
        *["--env=NGINX_ENVSUBST_TEMPLATE_SUFFIX=.tmpl", "--env=NGINX_ENVSUBST_OUTPUT_DIR=/tmp"],
    ]
    shown = once("nginx", "nginx", "-T", "-c", "/tmp/sub/nginx.conf", options=options)
    assert "server app.invalid:8000 resolve;" in shown
    assert "other.template" not in shown


def test_nginx_does_not_start_when_a_script_fails(refusal, tmp_path):
    script = folder(tmp_path / "scripts", {"1-fail.sh!": "#!/bin/sh\nexit 1\n"}) / "1-fail.sh"
    refusal(f"--volume={script}:/docker-entrypoint.d/{script.name}:ro", IMAGES["nginx"])
