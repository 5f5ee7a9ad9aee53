"""Django's `Session` model over hashed names: code that knows keys goes on working.

A visitor's key and a row's name differ in length, so a value's length tells which of the two it is.
A key is hashed on its way into a statement, whether it is looked up, excluded, saved or referred to
by a foreign key. Nothing changes with other engines, nor with KEYS = "read".
"""

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import CharField
from django.db.models.lookups import Exact, In

from hardened_sessions.conf import options
from hardened_sessions.format import codec, keys
from hardened_sessions.format.record import epoch
from hardened_sessions.session import HardenedSession

if TYPE_CHECKING:  # which takes no parameters when it runs
    TextField = CharField[Any, Any]
else:
    TextField = CharField


def rows_are_hashed() -> bool:
    """Return whether the engine in use keeps rows, under the hashes of their keys."""
    return keeps_rows(settings.SESSION_ENGINE) and options().keys == "hash"


@cache
def keeps_rows(engine: str) -> bool:
    """Return whether an engine of this layer keeps sessions in the model's table."""
    store = import_module(engine).SessionStore
    return issubclass(store, HardenedSession) and hasattr(store, "get_model_class")


class SessionKeyField(TextField):
    """The column `session_key`, which takes a visitor's key too."""

    def get_prep_value(self, value: Any) -> Any:
        """Return the name that a key's session is stored under; any other value as it is."""
        value = super().get_prep_value(value)
        return keys.hashed(value) if keys.is_key(value) and rows_are_hashed() else value

    def deconstruct(self) -> Any:
        """Deconstruct as the CharField that it replaces, so that makemigrations sees no change."""
        name, _, arguments, named = super().deconstruct()
        return name, "django.db.models.CharField", arguments, named


class Named:
    """A lookup that during grace also finds rows which are still stored under their key."""

    def forms(self, values: Any) -> list[Any]:
        """Return every name under which sessions with these keys may be stored."""
        if not rows_are_hashed():
            return list(values)
        return [
            name
            for value in values
            for name in (keys.names_for(value) if keys.is_key(value) else (value,))
        ]


@SessionKeyField.register_lookup
class NamedExact(Named, Exact):
    """`session_key=`."""

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Return the comparison, with each form of a key."""
        names = self.forms([self.given])
        if len(names) < 2:
            return super().as_sql(compiler, connection)
        left, parameters = self.process_lhs(compiler, connection)
        places = ", ".join(["%s"] * len(names))
        return f"{left} IN ({places})", (*parameters, *names)

    def get_prep_lookup(self) -> Any:
        """Keep the value as it was given."""
        self.given = self.rhs
        return super().get_prep_lookup()


@SessionKeyField.register_lookup
class NamedIn(Named, In):
    """`session_key__in=`."""

    def get_prep_lookup(self) -> Any:
        """Return the values, with each form of a key."""
        if self.rhs_is_direct_value():
            return self.forms(self.rhs)
        return super().get_prep_lookup()


def decoded(row: Any) -> dict[str, Any]:
    """Return the visitor's data; nothing for the copy that a replaced key has left behind."""
    serializer = codec.serializer_of(import_module(settings.SESSION_ENGINE).SessionStore())
    found = codec.decode_row(row.session_key, row.session_data, epoch(row.expire_date), serializer)
    return found.data if found is not None and found.mark != "copy" else {}


def teach() -> None:
    """Give Django's `Session` this field and `get_decoded()`, once every app is loaded."""
    field = Session._meta.get_field("session_key")
    field.__class__ = SessionKeyField
    Session.get_decoded = decoded  # type: ignore[assignment, method-assign]
