"""The stack, laid over the settings of a project that knows nothing of it.

What counts first: what keeps visitors safe and the secrets, then `.env`, then what the project's
module says, then a default of this stack.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from django.conf import global_settings

from session_stack.env import Env, load
from session_stack.layers import named
from session_stack.overlay import stores, values
from session_stack.overlay.middleware import chain, installed
from session_stack.overlay.offered import offering

FLOOR, DOT_ENV, PROJECT, DEFAULT, MERGED = "stack", ".env", "project", "default", "both"


def over(module: str, wsgi: str | None = None) -> dict[str, Any]:
    """Return a project's settings with the stack on top.

    Args:
        module: the project's settings, which are imported as they are.
        wsgi: the project's WSGI application, where its settings do not name it.

    Raises:
        SystemExit: with one line, where the environment or the module is not what it may be.
    """
    env = load()
    with offering(env, module):
        project = vars(import_module(module))
    found = {name: value for name, value in project.items() if name.isupper()}
    if wsgi:
        found.setdefault("WSGI_APPLICATION", wsgi)
    return apply(found, env)


def apply(project: Mapping[str, Any], env: Env) -> dict[str, Any]:
    """Return the settings, and in `STACK_ORIGINS` who set each that the stack has a word in."""
    layer = named(env.session_layer)
    made = dict(project)
    origins: dict[str, str] = {}

    def put(origin: str, settings: Mapping[str, Any]) -> None:
        made.update(settings)
        origins.update(dict.fromkeys(settings, origin))

    for name, value in values.defaults(env).items():
        if name in project:
            origins[name] = PROJECT
        else:
            put(DEFAULT, {name: value})
    for name, (variable, value) in values.choices(env).items():
        if variable in env.given:
            put(f"{DOT_ENV}{values.weaker(name, value, project)}", {name: value})
        elif name in project:
            origins[name] = PROJECT
        else:
            put(DEFAULT, {name: value})
    put(FLOOR, values.floor(project, env))
    put(
        MERGED,
        {
            "DATABASES": stores.databases(project.get("DATABASES", {}), layer.DATABASE, env),
            "CACHES": stores.caches(project.get("CACHES", global_settings.CACHES), env),
            "HARDENED_SESSIONS": values.hardened(project, env),
            "INSTALLED_APPS": installed(project, layer.APPS),
            "MIDDLEWARE": chain(project.get("MIDDLEWARE", ()), layer.MIDDLEWARE, made),
        },
    )
    return {**made, "STACK_ORIGINS": origins}
