#!/bin/bash
# The documented contract of the postgres image: POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB,
# and /docker-entrypoint-initdb.d, which is run when the data volume is new.
set -eo pipefail
PGDATA=/var/lib/postgresql/data
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chown -R postgres "$PGDATA"
    chmod 700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi
options=(-c unix_socket_directories=/tmp)
if [ -e /usr/share/postgresql/15/extension/timescaledb.control ]; then
    options+=(-c shared_preload_libraries=timescaledb -c timescaledb.telemetry_level=off)
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb -D "$PGDATA" --username="$POSTGRES_USER" --auth-local=trust --auth-host=scram-sha-256 \
        --pwfile=<(echo "$POSTGRES_PASSWORD") --encoding=UTF8 --locale=C.UTF-8
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    # As the image does it: the server that runs the init scripts cannot be reached by TCP.
    pg_ctl -D "$PGDATA" -w start -o "${options[*]} -c listen_addresses=''"
    export PGHOST=/tmp PGUSER="$POSTGRES_USER"
    psql -v ON_ERROR_STOP=1 -d postgres -c "CREATE DATABASE \"$POSTGRES_DB\""
    if [ ${#options[@]} -gt 2 ]; then # as the image's script 000_install_timescaledb.sh does
        psql -v ON_ERROR_STOP=1 -d "$POSTGRES_DB" -c "CREATE EXTENSION IF NOT EXISTS timescaledb"
    fi
    for file in /docker-entrypoint-initdb.d/*.sql; do
        echo "$0: running $file"
        psql -v ON_ERROR_STOP=1 --no-psqlrc -d "$POSTGRES_DB" -f "$file"
    done
    pg_ctl -D "$PGDATA" -m fast -w stop
    unset PGHOST PGUSER
fi
exec postgres -D "$PGDATA" "${options[@]}" -c listen_addresses='*'
