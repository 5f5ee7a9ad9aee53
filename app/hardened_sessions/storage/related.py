"""Rows of other tables that refer to a session: they go with it, or follow its new name.

Django emulates `on_delete`, so the database has the bare constraint, and the layer's own statements
would fail where another app has a foreign key to `django_session`. Where none has, nothing here
runs.
"""

from collections.abc import Iterable

from django.contrib.sessions.models import Session

from hardened_sessions.clients.database import Database


def referred_to() -> bool:
    """Return whether some model refers to sessions."""
    return bool(Session._meta.related_objects)


def columns(database: Database) -> list[tuple[str, str]]:
    """Return the quoted table and column of each foreign key to sessions."""
    quote = database.connection.ops.quote_name
    fields = (relation.field for relation in Session._meta.related_objects)
    return [(quote(field.model._meta.db_table), quote(str(field.column))) for field in fields]


def follow(database: Database, former: str, name: str) -> None:
    """Have what refers to a session refer to its new name; in the transaction that renames it."""
    for table, column in columns(database):
        database.change(f"UPDATE {table} SET {column} = %s WHERE {column} = %s", [name, former])


def delete(database: Database, names: Iterable[str]) -> int:
    """Delete sessions as Django's collector does, with what its models say of `on_delete`.

    Returns:
        How many sessions went.
    """
    with database.spoken_to():
        rows = Session._base_manager.using(database.alias).filter(pk__in=list(names))
        _, models = rows.delete()
    return models.get(Session._meta.label, 0)
