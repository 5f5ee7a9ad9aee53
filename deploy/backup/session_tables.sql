-- The tables of sessions, whatever their names, of what the session layer knows of them, and all
-- that refers to one of these. A backup leaves out their rows; a restore keeps the live ones.
WITH RECURSIVE left_out(oid) AS (
  SELECT t.oid
  FROM pg_class AS t
  WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'p') AND (
    t.relname LIKE 'hardened\_sessions\_%' OR 3 = (
      SELECT count(*) FROM pg_attribute AS a
      WHERE a.attrelid = t.oid AND a.attname IN ('session_key', 'session_data', 'expire_date')))
  UNION
  SELECT c.conrelid
  FROM pg_constraint AS c JOIN left_out ON c.confrelid = left_out.oid
  WHERE c.contype = 'f'
)
SELECT oid::regclass::text FROM left_out ORDER BY 1
