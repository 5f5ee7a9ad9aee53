"""A user who is deactivated, deleted or given another password is signed out, by whatever path.

A trigger on the user's table hears SQL and the ORM's `update()` as well. `migrate` makes it, for
whichever model AUTH_USER_MODEL is; it needs PostgreSQL, and the users in the sessions' database.
"""

from typing import Any

from django.apps import apps
from django.conf import settings

from hardened_sessions.conf import options
from hardened_sessions.models import SignOutEpoch
from hardened_sessions.revocation import users

FUNCTION = "hardened_sessions_user_changed"

TRIGGERS = """
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  who text := to_jsonb(OLD)->>TG_ARGV[0];
  moment bigint;
BEGIN
  IF length(who) > {longest} THEN
    who := encode(sha256(convert_to(who, 'UTF8')), 'hex');
  END IF;
  INSERT INTO {table} AS kept (user_id, epoch)
  SELECT who, GREATEST({clock}, MAX(epoch) + 1) FROM {table} WHERE user_id IN (who, '')
  ON CONFLICT (user_id) DO UPDATE SET epoch = GREATEST(kept.epoch + 1, EXCLUDED.epoch)
  RETURNING epoch INTO moment;
  INSERT INTO hardened_sessions_change (name, version) VALUES ('user:' || who, moment);
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER hardened_sessions_user_deleted AFTER DELETE ON {users}
  FOR EACH ROW EXECUTE FUNCTION {function}('{key}');
"""
CHANGED = """
CREATE OR REPLACE TRIGGER hardened_sessions_user_changed AFTER UPDATE ON {users}
  FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION {function}('{key}');
"""
CONDITIONS = {
    "is_active": "OLD.{column} AND NOT NEW.{column}",
    "password": "OLD.{column} IS DISTINCT FROM NEW.{column}",
}


def watch(using: str) -> None:
    """Make the triggers in a database, where it is the one that has both users and sessions."""
    if using != options().database or not users.source().is_postgres:
        return
    try:
        model = apps.get_model(settings.AUTH_USER_MODEL)
    except LookupError:
        return  # a site without users
    connection = users.source().connection
    tables = connection.introspection.table_names()
    if not {model._meta.db_table, SignOutEpoch._meta.db_table} <= set(tables):
        return
    quote = connection.ops.quote_name
    fields = {field.name: quote(str(field.column)) for field in model._meta.concrete_fields}
    words: dict[str, Any] = {
        "function": FUNCTION,
        "longest": users.LONGEST,
        "clock": users.CLOCK,
        "table": SignOutEpoch._meta.db_table,
        "users": quote(model._meta.db_table),
        "key": str(model._meta.pk.column).replace("'", "''"),
    }
    conditions = [
        condition.format(column=fields[name])
        for name, condition in CONDITIONS.items()
        if name in fields
    ]
    statements = TRIGGERS.format(**words)
    if conditions:
        statements += CHANGED.format(**words, condition=" OR ".join(conditions))
    with connection.cursor() as cursor:
        cursor.execute(statements)
