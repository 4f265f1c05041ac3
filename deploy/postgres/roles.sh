#!/bin/sh
# Two roles: the owner migrates; web and worker use `gridhouse_app`, which may change rows and nothing else, so that
# no process that serves people can lift a trigger. Run once as the owner, before the first migration.
set -eu
password="${APP_PASSWORD:-$(cat /run/secrets/app_password)}"
psql -v ON_ERROR_STOP=1 -v password="$password" --username "${POSTGRES_USER:-gridhouse_owner}" --dbname "${POSTGRES_DB:-gridhouse}" <<'SQL'
CREATE ROLE gridhouse_app LOGIN PASSWORD :'password';
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO gridhouse_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO gridhouse_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO gridhouse_app;
SQL
