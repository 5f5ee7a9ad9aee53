"""The feed hears of floods, of rows that expired lately, and of rows that an UPDATE ended."""

from importlib import import_module

from django.db import migrations

on_postgres = import_module("hardened_sessions.migrations.0001_initial").on_postgres

# Rows that expired longer ago than any clock is wrong, and any copy lives, say nothing: a purge of
# millions costs the feed not one row. The layer's own UPDATEs change session_data.
FLOODS = """
CREATE FUNCTION hardened_sessions_announce_gone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  names text[];
BEGIN
  IF TG_OP = 'UPDATE' THEN
    names := ARRAY[OLD.session_key];
  ELSE
    SELECT array_agg(session_key) INTO names FROM (
      SELECT session_key FROM gone WHERE expire_date > now() - interval '20 minutes' LIMIT 1001
    ) AS lately;
    IF cardinality(names) > 1000 THEN
      names := ARRAY[''];
    END IF;
  END IF;
  INSERT INTO hardened_sessions_change (name)
  SELECT CASE WHEN name = '' OR length(name) = 40 THEN name
              ELSE left(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 40) END
  FROM unnest(names) AS name;
  RETURN NULL;
END $$;

DROP TRIGGER hardened_sessions_deleted ON django_session;
CREATE TRIGGER hardened_sessions_deleted AFTER DELETE ON django_session
  REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION hardened_sessions_announce_gone();
CREATE TRIGGER hardened_sessions_ended AFTER UPDATE OF expire_date ON django_session
  FOR EACH ROW WHEN (NEW.expire_date < OLD.expire_date AND NEW.session_data = OLD.session_data)
  EXECUTE FUNCTION hardened_sessions_announce_gone();
"""

NO_FLOODS = """
DROP TRIGGER hardened_sessions_ended ON django_session;
DROP TRIGGER hardened_sessions_deleted ON django_session;
CREATE TRIGGER hardened_sessions_deleted AFTER DELETE ON django_session
  FOR EACH ROW WHEN (OLD.expire_date > now()) EXECUTE FUNCTION hardened_sessions_announce();
DROP FUNCTION hardened_sessions_announce_gone();
"""


class Migration(migrations.Migration):
    dependencies = [("hardened_sessions", "0001_initial")]

    operations = [migrations.RunPython(on_postgres(FLOODS), on_postgres(NO_FLOODS))]
