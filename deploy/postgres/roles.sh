#!/bin/bash
# Make the database and its two roles, and give the roles the passwords in /run/secrets.
#
# usage: roles.sh [DATABASE]     (app, if not said)
#
# Runs once on an empty data directory, and by hand after a password was changed:
#   docker compose exec postgres /etc/postgresql/roles.sh
#
# app_owner owns the schema (migrate); app reads and writes rows. Neither is a superuser.
set -euo pipefail

# psql reads the passwords itself, so they stand on no command line.
psql --username=postgres --dbname=postgres --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
  --set=database="${1:-app}" <<'SQL'
\set owner_password `cat /run/secrets/database_owner_password`
\set app_password `cat /run/secrets/database_app_password`
SET log_statement = none;
SET password_encryption = 'scram-sha-256';
SELECT format('CREATE ROLE %I LOGIN', role) FROM unnest(ARRAY['app_owner', 'app']) AS role
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) \gexec
ALTER ROLE app_owner PASSWORD :'owner_password';
ALTER ROLE app PASSWORD :'app_password';
SELECT format('CREATE DATABASE %I OWNER app_owner', :'database')
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO app;
\connect :"database"
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CREATE, USAGE ON SCHEMA public TO app_owner;
GRANT USAGE ON SCHEMA public TO app;
ALTER DEFAULT PRIVILEGES FOR ROLE app_owner IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO app;
ALTER DEFAULT PRIVILEGES FOR ROLE app_owner IN SCHEMA public
  GRANT USAGE, SELECT ON SEQUENCES TO app;
SQL
echo "roles: app_owner and app have the passwords of this stack's secrets"
