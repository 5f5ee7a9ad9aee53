"""Every setting of Django's that concerns sessions: its default, its value here, and who set it."""

from dataclasses import dataclass
from typing import Any

from django.conf import global_settings, settings

from session_stack.overlay.values import choices

# The line of `.env` that changes a setting; what is not here is fixed by the stack.
VARIABLES = {
    "SESSION_ENGINE": "COMPOSE_PROFILES",
    "SESSION_COOKIE_NAME": "SESSION_COOKIE_NAME",
    "CSRF_TRUSTED_ORIGINS": "DOMAIN",
    **{name: variable for name, (variable, _) in choices(settings.ENV).items()},
}

WHAT = {
    "SESSION_CACHE_ALIAS": "The cache that cache and cached_db use.",
    "SESSION_ENGINE": "Where sessions are kept; a profile of docker compose picks it.",
    "SESSION_COOKIE_NAME": "The cookie’s name.",
    "SESSION_COOKIE_AGE": "How long a session lives after its last change, in seconds.",
    "SESSION_COOKIE_DOMAIN": "Which hosts get the cookie: None is this one alone.",
    "SESSION_COOKIE_SECURE": "Whether the cookie goes over https only.",
    "SESSION_COOKIE_PATH": "Which paths get the cookie.",
    "SESSION_COOKIE_HTTPONLY": "Whether scripts are kept from it.",
    "SESSION_COOKIE_SAMESITE": "Whether it comes along from other sites.",
    "SESSION_SAVE_EVERY_REQUEST": "Whether each visit renews the end, not each change alone.",
    "SESSION_EXPIRE_AT_BROWSER_CLOSE": "Whether the browser drops the cookie when it is closed.",
    "SESSION_SERIALIZER": "How values become bytes.",
    "SESSION_FILE_PATH": "The folder of the file engine.",
    "CSRF_COOKIE_NAME": "The name of the CSRF token’s cookie.",
    "CSRF_COOKIE_AGE": "How long the CSRF token’s cookie lives, in seconds.",
    "CSRF_COOKIE_DOMAIN": "Which hosts get it.",
    "CSRF_COOKIE_PATH": "Which paths get it.",
    "CSRF_COOKIE_SECURE": "Whether it goes over https only.",
    "CSRF_COOKIE_HTTPONLY": "Whether scripts are kept from it.",
    "CSRF_COOKIE_SAMESITE": "Whether it comes along from other sites.",
    "CSRF_HEADER_NAME": "The header in which scripts send the token.",
    "CSRF_TRUSTED_ORIGINS": "Whose forms are taken.",
    "CSRF_USE_SESSIONS": "Whether the token is kept in the session, not in a cookie.",
    "CSRF_FAILURE_VIEW": "What answers a refused form.",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, as it is in force."""

    name: str
    what: str
    default: Any
    value: Any
    set_by: str
    change: str  # the line of .env that changes it; empty where none does

    @property
    def changed(self) -> bool:
        """Return whether the value is another one than Django's default."""
        return bool(self.value != self.default)


def in_force() -> list[Setting]:
    """Return the settings that Django knows, by their names, in the order of its own list."""
    names = [name for name in vars(global_settings) if name.startswith(("SESSION_", "CSRF_"))]
    return [setting(name) for name in names]


def setting(name: str) -> Setting:
    """Return one setting with who set it."""
    default, value = getattr(global_settings, name), getattr(settings, name)
    variable = VARIABLES.get(name, "")
    if name == "SESSION_ENGINE":
        set_by = "the profile of docker compose"
    elif variable in settings.ENV.given:
        set_by = f"{variable}, in .env or the compose file"
    elif settings.is_overridden(name):  # type: ignore[misc] # the stubs lack it
        set_by = "this stack"
    else:
        set_by = "Django’s default"
    return Setting(
        name=name,
        what=WHAT.get(name, ""),
        default=default,
        value=value,
        set_by=set_by,
        change=f"{variable}=..." if variable else "",
    )
