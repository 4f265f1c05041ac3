#!/bin/sh
# Two roles: the owner migrates; web and worker use `gridhouse_app`, which may change rows and nothing else, so that
# no process that serves people can lift a trigger. Run as the owner on each new database, before the first migration
# or a restore; a role that is there already is kept.
set -eu
password="${APP_PASSWORD:-$(cat /run/secrets/app_password)}"
psql -q -v ON_ERROR_STOP=1 -v password="$password" --username "${POSTGRES_USER:-gridhouse_owner}" --dbname "${POSTGRES_DB:-gridhouse}" <<'SQL'
SELECT format('CREATE ROLE gridhouse_app LOGIN PASSWORD %L', :'password')
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'gridhouse_app') \gexec
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO gridhouse_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO gridhouse_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO gridhouse_app;
SQL
