"""The feed and its triggers on PostgreSQL; tables for signed cookies everywhere."""

from collections.abc import Callable
from typing import Any

from django.db import migrations, models, router

FEED = """
CREATE TABLE hardened_sessions_change (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name varchar(80) NOT NULL,
  version bigint,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX hardened_sessions_change_xid ON hardened_sessions_change (xid);

CREATE FUNCTION hardened_sessions_announce() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    INSERT INTO hardened_sessions_change (name) VALUES ('');
  ELSE
    INSERT INTO hardened_sessions_change (name) VALUES (
      CASE WHEN length(OLD.session_key) = 40 THEN OLD.session_key
           ELSE left(encode(sha256(convert_to(OLD.session_key, 'UTF8')), 'hex'), 40) END);
  END IF;
  RETURN NULL;
END $$;

-- Expired rows say nothing: a purge of millions costs the feed not one row.
CREATE TRIGGER hardened_sessions_deleted AFTER DELETE ON django_session
  FOR EACH ROW WHEN (OLD.expire_date > now()) EXECUTE FUNCTION hardened_sessions_announce();
CREATE TRIGGER hardened_sessions_truncated AFTER TRUNCATE ON django_session
  FOR EACH STATEMENT EXECUTE FUNCTION hardened_sessions_announce();

-- Room on each page for the next versions of its rows, so that saves touch no index.
ALTER TABLE django_session SET (fillfactor = 80);
"""

NO_FEED = """
ALTER TABLE django_session RESET (fillfactor);
DROP TRIGGER hardened_sessions_truncated ON django_session;
DROP TRIGGER hardened_sessions_deleted ON django_session;
DROP FUNCTION hardened_sessions_announce();
DROP TABLE hardened_sessions_change;
"""


def on_postgres(sql: str) -> Callable[[Any, Any], None]:
    """Return an operation's function that runs SQL on PostgreSQL, where sessions are."""

    def run(apps: Any, schema_editor: Any) -> None:
        here = router.allow_migrate(
            schema_editor.connection.alias, "sessions", model_name="session"
        )
        if schema_editor.connection.vendor == "postgresql" and here:
            schema_editor.execute(sql)

    return run


class Migration(migrations.Migration):
    initial = True
    dependencies = [("sessions", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="RevokedCookie",
            fields=[
                (
                    "sid",
                    models.CharField(max_length=40, primary_key=True, serialize=False),
                ),
                ("rotated", models.BooleanField()),
                ("successor", models.CharField(blank=True, max_length=40)),
                ("at", models.DateTimeField()),
                ("expire_date", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="SignOutEpoch",
            fields=[
                (
                    "user_id",
                    models.CharField(max_length=64, primary_key=True, serialize=False),
                ),
                ("epoch", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="PurgePosition",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("page", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.RunPython(on_postgres(FEED), on_postgres(NO_FEED)),
    ]
