"""Drive one compose project of this stack: what the scenarios, the drills and the benchmarks share.

A project is named for its purpose and for the folder of the clone, so neither an operator's stack
nor another clone's is ever touched.
"""

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Each has a service in docker-compose.yml.
ENGINES = tuple(
    re.findall(
        r"^  app-(\w+):$",
        (ROOT / "docker-compose.yml").read_text().partition("\nvolumes:")[0],
        re.MULTILINE,
    )
)
# Where each keeps anything, by its module; the first store decides.
STORES = {
    engine: tuple(re.findall(r"\"(\w+)\"", re.findall(r"^    stores\b.*= (\(.*\))", text, re.M)[0]))
    for engine in ENGINES
    for text in [(ROOT / "app/hardened_sessions/backends" / f"{engine}.py").read_text()]
}
LONGEST_COMMAND_SECONDS = 900
SERVICE = "com.docker.compose.service"  # the label by which compose knows a container's
# What the hardened layer promises: by then each process has heard of a sign-out.
SIGN_OUT_SECONDS = float(
    re.findall(
        r"^TRUST: Final = ([\d.]+)$",
        (ROOT / "app" / "hardened_sessions" / "bounds.py").read_text(),
        re.MULTILINE,
    )[0]
)


class StackError(Exception):
    """What can't be done with the stack; one line."""


class CommandError(StackError):
    """A command that failed, with what it printed."""

    def __init__(self, command: Sequence[str], done: subprocess.CompletedProcess[str]) -> None:
        self.status = done.returncode
        self.output = f"{done.stdout}{done.stderr}"
        super().__init__(f"{' '.join(command)} ended with {self.status}:\n{self.output}")


def run(
    *command: str,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and keep what it prints.

    Raises:
        CommandError: when it fails and `check` is true.
    """
    done = subprocess.run(  # noqa: S603 - commands of this file, in no shell
        command,
        cwd=cwd,
        env=env,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=LONGEST_COMMAND_SECONDS,
        check=False,
    )
    if check and done.returncode:
        raise CommandError(command, done)
    return done


def eventually(condition: Callable[[], bool], seconds: float = 30, pause: float = 0.2) -> bool:
    """Return whether the condition came true within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def project(purpose: str) -> str:
    """Return the name of this clone's compose project for that purpose."""
    return f"sessions-{purpose}-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"


class ComposeProject:
    """A compose project, by its folder and its name; without `files` compose finds its own."""

    project: str
    folder: Path
    files: Sequence[str] = ()

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return what compose is told."""
        return {**os.environ, **settings}

    @property
    def label(self) -> str:
        """Return the label that compose puts on all that belongs to the project."""
        return f"com.docker.compose.project={self.project}"

    def compose(
        self,
        *arguments: str,
        profile: str = "*",
        check: bool = True,
        stdin: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `docker compose` in the project; `settings` are environment variables."""
        files = [f"--file={name}" for name in self.files]
        command = ["docker", "compose", "--ansi=never", *files, "--profile", profile, *arguments]
        env = self.environment(settings or {})
        return run(*command, cwd=self.folder, env=env, stdin=stdin, check=check)

    def containers(self, *services: str) -> list[dict[str, Any]]:
        """Return what `docker inspect` knows of the project's containers, one-shots included.

        Asks Docker itself: compose takes ten times as long, and faults are timed.
        """
        listing = ["docker", "ps", "--all", "--quiet", "--filter", f"label={self.label}"]
        ids = run(*listing, "--filter", "label=com.docker.compose.oneoff=False").stdout.split()
        if not ids:
            return []
        found: list[dict[str, Any]] = json.loads(run("docker", "inspect", *ids).stdout)
        if not services:
            return found
        return [one for one in found if one["Config"]["Labels"][SERVICE] in services]

    def container(self, service: str) -> dict[str, Any]:
        """Return what `docker inspect` knows of the service's one container."""
        (container,) = self.containers(service)
        return container

    def logs(self, service: str) -> str:
        """Return what the service's containers have written, as they wrote it."""
        written = [run("docker", "logs", container["Id"]) for container in self.containers(service)]
        return "".join(f"{done.stdout}{done.stderr}" for done in written)

    def execute(
        self, service: str, *command: str, stdin: str | None = None, user: str | None = None
    ) -> str:
        """Run a command in the service's container and return what it prints."""
        options = ["--no-TTY", *(["--user", user] if user else [])]
        return self.compose("exec", *options, service, *command, stdin=stdin).stdout

    def sql(self, statement: str, database: str = "app") -> str:
        """Run SQL as the superuser and return the bare values.

        Raises:
            StackError: when a statement fails, with what the server said of it.
        """
        psql = ["psql", "--username=postgres", f"--dbname={database}", "--no-psqlrc", "-qtA"]
        psql += ["--set=ON_ERROR_STOP=1"]  # else psql ends well whatever became of the statement
        return self.execute("postgres", *psql, stdin=statement).strip()

    def redis(self, *command: str) -> str:
        """Run a Redis command as the administrator."""
        script = (
            'REDISCLI_AUTH="$(cat /run/secrets/redis_admin_password)" redis-cli --user admin "$@"'
        )
        return self.execute("redis", "sh", "-c", script, "sh", *command).strip()

    def wait_healthy(self, *services: str, seconds: float = 60) -> None:
        """Wait until every running container of the services is healthy.

        Raises:
            StackError: when one is not, after that long.
        """
        deadline = time.monotonic() + seconds
        while True:
            ill = [
                container["Name"]
                for container in self.containers(*services)
                if "Health" in container["State"]
                and container["State"]["Health"]["Status"] != "healthy"
            ]
            if not ill:
                return
            if time.monotonic() > deadline:
                raise StackError(f"not healthy after {seconds:.0f} s: {', '.join(ill)}")
            time.sleep(0.5)


class Stack(ComposeProject):
    """A compose project with ports, volumes and images of its own, in a copy of this clone."""

    def __init__(self, purpose: str, overrides: Sequence[str] = ()) -> None:
        """Name a project; `overrides` are compose files of the clone, laid over its own."""
        self.project = project(purpose)
        self.files = ["docker-compose.yml", *overrides]
        self.folder = Path("/tmp") / self.project  # noqa: S108 - the name holds the clone's digest
        self.settings = {
            "DOMAIN": "localhost",
            "BIND_ADDRESS": "127.0.0.1",
            "HTTP_PORT": str(free_port()),
            "HTTPS_PORT": str(free_port()),
            "SIGN_INS_PER_MINUTE": "6000",
            "PASSWORDS_PER_MINUTE": "6000",
            "NEW_SESSIONS_PER_HOUR": "0",
            "APP_IMAGE": f"{self.project}-app",
        }

    # --- The project ------------------------------------------------------------------------------

    def create(self, commit: str | None = None) -> None:
        """Copy the clone, as it is or as a commit of its history was, and build the image.

        Raises:
            StackError: when a project of this name came from somewhere else.
        """
        self.require_own()
        if self.folder.exists():
            self.destroy()
        self.copy(commit)
        self.compose("build", "--quiet", profile=ENGINES[0])  # backups have an image of their own

    def copy(self, commit: str | None = None) -> None:
        """Make the folder hold what the clone does but for what that ignores, or what a commit did.

        Folders stay: containers may have them mounted.

        Raises:
            CommandError: when the clone's history lacks the commit.
        """
        for path in self.folder.rglob("*"):
            if path.is_file():
                path.unlink()
        self.folder.mkdir(exist_ok=True)
        if commit:
            archive = self.folder / "archive.tar"
            run("git", "archive", f"--output={archive}", commit)
            run("tar", "--extract", f"--file={archive}", cwd=self.folder)
            archive.unlink()
            return
        self.copy_clone()
        for name in self.files[1:]:
            # An overlay says once what holds for the service of each engine.
            path = self.folder / name
            each = r"^  app-ENGINE: (.*)$"
            services = "\n".join(rf"  app-{engine}: \1" for engine in ENGINES)
            path.write_text(re.sub(each, services, path.read_text(), flags=re.MULTILINE))

    def copy_clone(self) -> None:
        """Copy every file that git knows or would take."""
        listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in filter(None, run(*listing).stdout.split("\0")):
            if (ROOT / name).exists():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.folder / name)

    def require_own(self) -> None:
        """Raise StackError where the project's containers belong to another folder."""
        folder = "com.docker.compose.project.working_dir"
        listing = ["docker", "ps", "--all", "--filter", f"label={self.label}", "--format"]
        for found in run(*listing, f'{{{{.Label "{folder}"}}}}').stdout.split():
            if found != str(self.folder):
                raise StackError(f"the project {self.project} belongs to {found}; remove it first")

    def destroy(self) -> None:
        """Remove every container, volume, network and image of the project, and its folder."""
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "1")
        run("docker", "image", "rm", "--force", self.settings["APP_IMAGE"], check=False)
        shutil.rmtree(self.folder)

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return what compose is told: nothing of the caller's own settings, but the build's CA."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG", "BUILD_CA_FILE")
            or name.endswith("_IMAGE")
        }
        return {**kept, **self.settings, "COMPOSE_PROJECT_NAME": self.project, **settings}

    # --- Engines ----------------------------------------------------------------------------------

    def up(self, engine: str, *arguments: str, **settings: str) -> None:
        """Start the stack with that engine, and wait until all of it is healthy and served."""
        self.compose("up", "--detach", "--wait", *arguments, profile=engine, settings=settings)
        self.wait_served()

    def switch(self, engine: str, **settings: str) -> None:
        """Start that engine after removing every other one."""
        others = [f"app-{other}" for other in ENGINES if other != engine]
        self.compose("rm", "--stop", "--force", *others)
        self.up(engine, **settings)

    def runs(self, engine: str) -> bool:
        """Return whether that engine runs, and no other, with every service healthy."""
        states = {
            container["Config"]["Labels"][SERVICE]: container["State"]
            for container in self.containers()
        }
        apps = {name for name in states if name.startswith("app-")}
        return apps == {f"app-{engine}"} and all(
            state.get("Health", {}).get("Status") == "healthy"
            for name, state in states.items()
            if name not in ("init", "migrate")
        )

    def down(self, *arguments: str) -> None:
        """Remove every container; volumes stay."""
        self.compose("down", "--remove-orphans", "--timeout", "5", *arguments)

    def wait_served(self, seconds: float = 30) -> None:
        """Wait until nginx reaches the app: it looks up the app's address once a second.

        Raises:
            StackError: when it does not, after that long.
        """
        page = '"https://$DOMAIN:8443/robots.txt"'  # needs no store
        curl = f'curl --silent --insecure --connect-to "::127.0.0.1:8443" {page}'
        status = f"{curl} --output /dev/null --write-out '%{{http_code}}'"

        def reached() -> bool:
            done = self.compose("exec", "--no-TTY", "nginx", "sh", "-c", status, check=False)
            return done.stdout in ("200", "404")  # not all that runs here has the page

        if not eventually(reached, seconds):
            raise StackError(f"nginx does not reach the app after {seconds:.0f} s")

    # --- From outside -----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Return the address of the site."""
        return f"https://{self.settings['DOMAIN']}:{self.settings['HTTPS_PORT']}"

    @property
    def http_url(self) -> str:
        """Return the address of the plain port."""
        return f"http://{self.settings['DOMAIN']}:{self.settings['HTTP_PORT']}"

    def ca_file(self) -> Path:
        """Return a copy of the authority that the stack's own certificate comes from."""
        path = self.folder / "deploy" / "certs" / "ca.pem"
        self.compose("cp", "nginx:/etc/nginx/certificates/ca.pem", str(path))
        return path
