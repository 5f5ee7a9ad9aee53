"""The same values through two engines, and what each of them stores."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from lab.layers import Place, backend, layer
from lab.measure import reachable
from session_stack.layers import session_class

VALUES: dict[str, Any] = {"visits": 3, "cart": {"apple": 2}, "name": "Ada"}


CODE = "\n".join(
    [*(f"session[{name!r}] = {value!r}" for name, value in VALUES.items()), "session.save()"]
)


@dataclass(frozen=True, slots=True)
class Form:
    """What an engine made of the values."""

    engine: str
    cookie: str  # what the browser would get
    size: int  # bytes of the cookie's name and value
    places: list[Place]
    read_by_anyone: dict[str, Any] | None  # what the cookie says without any secret
    read_back: bool


def forms() -> list[Form]:
    """Write the values through the engine that runs and through another; end both sessions."""
    ours = layer().in_cookie(backend())
    other = next(name for name in reachable() if layer().in_cookie(name) != ours)
    return [form(engine) for engine in (backend(), other)]


def form(engine: str) -> Form:
    """Write the values through one engine and return what it stored."""
    store = session_class(engine)
    session = store()
    session.update(VALUES)
    session.save()
    key = session.session_key or ""
    try:
        in_cookie = layer().in_cookie(engine)
        return Form(
            engine=engine,
            cookie=key,
            size=len(settings.SESSION_COOKIE_NAME) + len(key),
            places=[] if in_cookie else layer().places(engine, key),
            read_by_anyone=layer().cookie_contents(key) if in_cookie else None,
            read_back=dict(store(key).items()) == VALUES,
        )
    finally:
        session.delete()
