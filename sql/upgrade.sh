#!/bin/sh
# upgrade.sh pipeline_db|timeseries_db: bring a database that an older release made up to date, or
# refuse it with one sentence if a newer release made it. Both ways of running call it on each start.
# The numbered files in upgrades/ say what changes; the init SQL, which may be run again, adds what is
# new: all of it in one transaction. PGHOST, PGPORT, PGDATABASE and PGPASSWORD log in pipeline_admin; in a
# container they are those of the image.
set -eu
cd "$(dirname "$0")"
export PGUSER=pipeline_admin PGHOST="${PGHOST:-127.0.0.1}" PGDATABASE="${PGDATABASE:-$POSTGRES_DB}"
export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}"
export PIPELINE_ADMIN_PASSWORD="$PGPASSWORD"
psql="psql -X -q -v ON_ERROR_STOP=1"
init=init_postgres.sql
[ "$1" = pipeline_db ] || init=init_timescale.sql

# What psql said becomes one sentence. In a container this is the output of the health check:
# docs/troubleshooting.md says how to see it.
refuse() {
    echo "$PGDATABASE is not upgraded: $(echo "$1" | grep -m 1 -E 'ERROR|FATAL' || echo "$1")" >&2
    exit 1
}

if ! said=$($psql -c "" 2>&1); then
    # Of release 1.0.0, perhaps; if it is not, what counts is that pipeline_admin may not log in.
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
