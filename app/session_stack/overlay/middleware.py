"""The project's middleware and apps, with the stack's in their places."""

from collections.abc import Mapping, Sequence
from typing import Any

import django

FRONT = [
    "session_stack.logs.RequestIdMiddleware",
    "session_stack.cookies.CookieNamesMiddleware",
    "session_stack.headers.HeadersMiddleware",
]
SECURITY = "django.middleware.security.SecurityMiddleware"
STATIC = "whitenoise.middleware.WhiteNoiseMiddleware"
POLICY = (
    "django.middleware.csp.ContentSecurityPolicyMiddleware"
    if django.VERSION >= (6,)
    else "session_stack.headers.PolicyMiddleware"
)
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
BELOW_SESSIONS = [
    "session_stack.new_sessions.NewSessionsMiddleware",
    "session_stack.cross_site.CrossSiteMiddleware",
]
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
SIGN_IN = "session_stack.sign_in.middleware.SignInMiddleware"


def chain(given: Sequence[str], layer: list[str], settings: Mapping[str, Any]) -> list[str]:
    """Return the project's middleware in its order, the sessions' replaced where it stands.

    Args:
        given: the project's.
        layer: what the session layer has in place of Django's.
        settings: those that are decided already.
    """
    made = list(given)
    if SECURITY not in made:
        made.insert(0, SECURITY)
    below = made.index(SECURITY) + 1
    # A policy by another package is the project's own.
    if not any("csp" in path.lower() for path in made):
        made.insert(below, POLICY)
    storage = settings["STORAGES"].get("staticfiles", {}).get("BACKEND", "")
    if STATIC not in made and storage.startswith(("django.", "whitenoise.")):
        made.insert(below, STATIC)
    if SESSIONS not in made:
        made.insert(made.index(AUTHENTICATION) if AUTHENTICATION in made else len(made), SESSIONS)
    place = made.index(SESSIONS)
    made[place : place + 1] = [*layer, *BELOW_SESSIONS]
    if AUTHENTICATION in made and settings["ENV"].sign_in_delays:
        made.insert(made.index(AUTHENTICATION) + 1, SIGN_IN)
    return [*FRONT, *made]


def installed(project: Mapping[str, Any], layer: list[str]) -> list[str]:
    """Return the project's apps behind the stack's: of one command's two forms the first counts."""
    given = project.get("INSTALLED_APPS", ())
    needed = ["django.contrib.sessions"]
    # What uses Postgres's own types where it can asks for this app there.
    if project.get("DATABASES", {}).get("default", {}).get("ENGINE", "").endswith("sqlite3"):
        needed.append("django.contrib.postgres")
    ours = ["session_stack", *layer]
    missing = [app for app in needed if app not in given]
    return [*ours, *(app for app in given if app not in ours), *missing]
