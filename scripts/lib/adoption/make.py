"""Make the folder `stack/`: whole, or not at all."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from adoption import RefusedError, update
from adoption.project import Project
from stack import ROOT

FILES = Path(__file__).parent / "files"
# Of this repository, what operates a stack.
TAKEN = (
    ".env.example",
    "LICENSE",
    "docker-compose.yml",
    "deploy",
    "nginx",
    "app/hardened_sessions",
    "app/session_stack",
    "scripts/lib.sh",
    "scripts/lib/stack.py",
    "scripts/lib/operate",
    *(
        f"scripts/{verb}"
        for verb in (
            "up", "down", "complaints", "status", "rotate", "verify", "verify-stack", "prepare",
            "install-engine", "check-ports",
        )
    ),
)  # fmt: skip
GENERATED = {
    "Dockerfile": "Dockerfile",
    "dockerignore.in": "Dockerfile.dockerignore",
    "adopted.yml": "adopted.yml",
    "stack_settings.in": "stack_settings.py",
    "env.in": ".env",
    "gitignore.in": ".gitignore",
    "sign-in.in": "scripts/sign-in",
}


def make(project: Project) -> list[str]:
    """Make or update the folder, once all of it is right; return what an update left to a person.

    Raises:
        RefusedError: where the dependencies can't be locked, or a file can't be written.
    """
    made = Path(tempfile.mkdtemp(prefix=".stack-", dir=project.root))
    try:
        made.chmod(0o755)
        copy(made)
        for name, target in GENERATED.items():
            (made / target).write_text(filled((FILES / name).read_text(), project))
        (made / "requirements.txt").write_text(lock(project))
        update.note(made, project.options)
        if project.stack.exists():
            return update.merge(project.stack, made)
        made.rename(project.stack)
    except OSError as error:
        raise RefusedError(f"{error.filename}: {error.strerror}; nothing was made") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return []


def copy(made: Path) -> None:
    """Copy what operates a stack."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "ca.pem")
    for name in TAKEN:
        source, target = ROOT / name, made / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignored)
        else:
            shutil.copy2(source, target)


def filled(text: str, project: Project) -> str:
    """Put the project's values in place of `{{ name }}`."""
    names = project.source.names
    values = {
        "name": project.name,
        "settings": project.settings,
        "wsgi": f', wsgi="{project.wsgi}"' if project.wsgi else "",
        "manage": str(project.manage.relative_to(project.root)),
        "engine": project.engine,
        "domain": project.domain,
        "sign_in": " ".join(project.sign_in),
        "login": project.sign_in[0],
        "area": project.sign_in[0].removesuffix("login/"),
        "old_cookie": names.get("SESSION_COOKIE_NAME") or "sessionid",
        "old_domain": names.get("SESSION_COOKIE_DOMAIN") or "",
    }
    return re.sub(r"\{\{ (\w+) \}\}", lambda found: str(values[found[1]]), text)


def lock(project: Project) -> str:
    """Return the project's and the stack's dependencies with hashes, for the image's Python.

    Resolved in a container of the image that will run them.
    """
    image = os.environ.get("PYTHON_IMAGE", "python:3.13-slim-trixie")
    ca = Path(os.environ["BUILD_CA_FILE"])
    command = ["docker", "run", "--rm", "--interactive", "--entrypoint", "sh"]
    command += ["--volume", f"{project.root}:/project:ro", "--volume", f"{ROOT}/app:/app:ro"]
    command += ["--volume", f"{FILES}:/files:ro"]
    if ca.is_file():
        command += ["--volume", f"{ca}:/ca.pem:ro", "--env", "PIP_CERT=/ca.pem"]
    command += [image, "/files/lock.sh", *project.requirements]
    done = subprocess.run(  # noqa: S603 - a command of this file, in no shell
        command, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = " ".join(done.stderr.split())[-600:]
        raise RefusedError(f"the dependencies can't be locked: {said}")
    return done.stdout
