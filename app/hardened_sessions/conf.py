"""The layer's settings: `HARDENED_SESSIONS`, a dict; every key may be left out."""

from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

Keys = Literal["read", "hash"]
Conflicts = Literal["merge", "strict"]

# Each module in backends/ is an engine of that name.
ENGINES = tuple(sorted(path.stem for path in Path(__file__).parent.glob("backends/[a-z]*.py")))


@dataclass(frozen=True, slots=True)
class Options:
    """What can be set, by its lower-case name, with its default."""

    # `hash` stores sessions under the hash of their key. `read` finds those too, but writes under
    # the key itself, as Django does: the step before `hash`, and the way back.
    keys: Keys = "hash"
    # With `hash`: also find sessions that are still stored under their key.
    grace: bool = True
    # Two requests changed one key: `merge` keeps the later one's value, `strict` answers it 409.
    conflicts: Conflicts = "merge"
    # The alias in DATABASES that sessions are kept in.
    database: str = "default"
    # A cookie of this name is taken where the new one is absent, and replaced at once.
    old_cookie_name: str | None = None
    # The Domain that the old cookie was set with; without it browsers would not delete that one.
    old_cookie_domain: str | None = None
    # Engines that ran before, whose expired sessions `clearsessions` removes as well; each as in
    # SESSION_ENGINE, or by its last word.
    previous_engines: tuple[str, ...] = ()
    # How many threads of a process serve requests, for the check that a connection pool has one
    # for each; None leaves that unverified.
    threads: int | None = None
    # AES-256 keys as 64 hexadecimal digits: the first encrypts, all decrypt. Empty: no encryption.
    encryption_keys: tuple[str, ...] = field(default=(), repr=False)


@cache
def options() -> Options:
    """Return the settings.

    Raises:
        ImproperlyConfigured: with the name of what may not be, and what it may be.
    """
    given: dict[str, Any] = getattr(settings, "HARDENED_SESSIONS", {})
    known = {field.name.upper(): field.name for field in fields(Options)}
    if unknown := sorted(set(given) - set(known)):
        raise ImproperlyConfigured(
            f"HARDENED_SESSIONS has no {', '.join(unknown)}; it may hold {', '.join(known)}"
        )
    for name, words in (("KEYS", get_args(Keys)), ("CONFLICTS", get_args(Conflicts))):
        if given.get(name, words[0]) not in words:
            raise ImproperlyConfigured(
                f"HARDENED_SESSIONS[{name!r}] is {given[name]!r}; it may be {', '.join(words)}"
            )
    for name in given.get("PREVIOUS_ENGINES", ()):
        if name.rpartition(".")[2] not in ENGINES:
            raise ImproperlyConfigured(
                f"HARDENED_SESSIONS['PREVIOUS_ENGINES'] has {name!r}; it may have "
                f"{', '.join(ENGINES)}"
            )
    values: dict[str, Any] = {
        known[name]: tuple(value) if isinstance(value, list) else value
        for name, value in given.items()
    }
    return Options(**values)


def forget(*, setting: str, **kwargs: Any) -> None:
    """Read the settings anew after a test changed them."""
    if setting == "HARDENED_SESSIONS":
        options.cache_clear()


setting_changed.connect(forget)
