#!/bin/sh
# upgrade.sh pipeline_db|timeseries_db: upgrade a database that an older release created, or refuse one
# that a newer release created. It runs on each start, with Docker and without.
# The numbered files in upgrades/ change what exists; the init SQL, which is idempotent, adds what is new.
# All of it is one transaction. PGHOST, PGPORT, PGDATABASE and PGPASSWORD are the connection of
# pipeline_admin; in a container, the image's own variables are used.
set -eu
cd "$(dirname "$0")"
export PGUSER=pipeline_admin PGHOST="${PGHOST:-127.0.0.1}" PGDATABASE="${PGDATABASE:-$POSTGRES_DB}"
export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}"
export PIPELINE_ADMIN_PASSWORD="$PGPASSWORD"
psql="psql -X -q -v ON_ERROR_STOP=1"
init=init_postgres.sql
[ "$1" = pipeline_db ] || init=init_timescale.sql

# Prints psql's error as one sentence. In a container this is the output of the health check:
# docs/troubleshooting.md says how to see it.
refuse() {
    echo "$PGDATABASE is not upgraded: $(echo "$1" | grep -m 1 -E 'ERROR|FATAL' || echo "$1")" >&2
    exit 1
}

if ! said=$($psql -c "" 2>&1); then
    # A database of release 1.0.0, perhaps. If not, report why pipeline_admin cannot log in.
    PGUSER=$WRITER_USER PGPASSWORD=$WRITER_PASSWORD $psql -f upgrades/superuser.sql 2>/dev/null ||
        refuse "$said"
fi

version=$($psql -tA -f upgrades/version.sql)
newest=0
files=""
for file in "upgrades/$1"/*.sql; do
    newest=$(expr "$(basename "$file" | cut -c 1-3)" + 0)
    [ "$version" -ge "$newest" ] || files="$files -f $file"
done
if [ "$version" -gt "$newest" ]; then
    echo "$PGDATABASE has schema version $version, but this release only knows $newest: go back to the" \
        "release that made it, or delete its data (make reset)." >&2
    exit 1
fi
[ "$files" ] || exit 0

said=$($psql -c "SET client_min_messages = warning" -c "DROP ROLE IF EXISTS upgrade_superuser" \
    -f roles.sql 2>&1) || refuse "$said"
said=$($psql --single-transaction $files -f "$init" \
    -c "INSERT INTO schema_version VALUES ($newest)" 2>&1) || refuse "$said"
echo "$PGDATABASE: schema version $version, upgraded to $newest" >&2
