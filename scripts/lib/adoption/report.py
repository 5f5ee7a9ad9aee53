"""What is said at the end: what was set, and what needs a person."""

from collections.abc import Iterator

from adoption.project import Project


def planned(project: Project) -> Iterator[str]:
    """Yield what would be made."""
    yield f"would make {project.stack}"
    yield from known(project)


def done(project: Project) -> Iterator[str]:
    """Yield what was made, what a person has to do, and the next command."""
    yield f"made {project.stack}"
    yield from known(project)
    yield "needs a person, where it applies:"
    for line in persons(project):
        yield f"  - {line}"
    yield f"next: cd {project.root} && stack/scripts/up {project.engine}"


def known(project: Project) -> Iterator[str]:
    """Yield what was found and is set."""
    yield f"  settings   {project.settings}, under stack/stack_settings.py"
    yield f"  wsgi       {project.wsgi or 'as the settings say'}"
    yield f"  needs      {', '.join(project.requirements)}, locked in stack/requirements.txt"
    yield f"  engine     {project.engine}"
    yield f"  domain     {project.domain}"
    yield f"  sign-in    {' '.join(project.sign_in)}"


def persons(project: Project) -> Iterator[str]:
    """Yield what only a person can decide, each with the line to write."""
    names, reads = project.source.names, project.source.reads
    if isinstance(names.get("SECRET_KEY"), str):
        yield (
            f"SECRET_KEY stands in {project.settings}, so others may know it: a new one is made, "
            "which signs everybody out. To keep them for two weeks, at the risk that whoever knows "
            "the old key can forge what it signs: put it into stack/deploy/secrets/"
            "secret_key_fallbacks, and remove that file then"
        )
    elif "SECRET_KEY" in reads or "DJANGO_SECRET_KEY" in reads:
        yield (
            "SECRET_KEY comes from the environment: to keep everybody signed in, put its value "
            "into stack/deploy/secrets/secret_key"
        )
    yield (
        "sessions: stack/.env begins with SESSION_KEYS=read and takes the former cookie; after one "
        "SESSION_COOKIE_AGE set SESSION_KEYS=hash and remove SESSION_OLD_COOKIE_NAME: from then on "
        "the way back signs people out"
    )
    if "SECURE_CSP" not in names:
        yield (
            "pages with inline scripts, or scripts of other sites: the stack's policy stops them; "
            'write SECURE_CSP = {"default-src": ["\'self\'"], ...} into the settings'
        )
    yield (
        "variables of its own: a NAME=VALUE a line in stack/app.env, secret ones each in a file of "
        "its name in stack/deploy/secrets/app"
    )
    yield (
        "uploads, mail, workers, more databases: the file system is "
        "read-only and the app reaches its own stores alone; add a volume, a network or a service "
        "in stack/docker-compose.override.yml, named in COMPOSE_FILE of stack/.env"
    )
