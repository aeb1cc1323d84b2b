#!/bin/bash
# The documented contract of the postgres image: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB,
# POSTGRES_INITDB_ARGS, options after the command "postgres", and /docker-entrypoint-initdb.d, which is
# run when the data volume is new.
set -eo pipefail
[ "${1:-}" = postgres ] || exec "$@"
PGDATA=/var/lib/postgresql/data
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chown -R postgres "$PGDATA"
    chmod 700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi
shift
timescaledb=/usr/share/postgresql/15/extension/timescaledb.control
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb -D "$PGDATA" --username="$POSTGRES_USER" --auth-local=trust --auth-host=scram-sha-256 \
        --pwfile=<(echo "$POSTGRES_PASSWORD") $POSTGRES_INITDB_ARGS
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    printf '%s\n' "listen_addresses = '*'" "unix_socket_directories = '/tmp'" >> "$PGDATA/postgresql.conf"
    if [ -e $timescaledb ]; then
        printf '%s\n' "shared_preload_libraries = 'timescaledb'" "timescaledb.telemetry_level = off" \
            >> "$PGDATA/postgresql.conf"
    fi
    # As the image does it: the server that runs the init scripts cannot be reached by TCP.
    pg_ctl -D "$PGDATA" -w start -o "$(printf '%q ' "$@") -c listen_addresses=''"
    export PGHOST=/tmp PGUSER="$POSTGRES_USER"
    psql -v ON_ERROR_STOP=1 -d postgres -c "CREATE DATABASE \"$POSTGRES_DB\""
    if [ -e $timescaledb ]; then
        # As the image's script 000_install_timescaledb.sh does.
        psql -v ON_ERROR_STOP=1 -d "$POSTGRES_DB" -c "CREATE EXTENSION IF NOT EXISTS timescaledb"
        # As 001_timescaledb_tune.sh does for 1 GB and 2 processors: it is true of the next server only.
        printf '%s\n' "shared_buffers = 256MB" "maintenance_work_mem = 128MB" "max_connections = 25" \
            "autovacuum_max_workers = 10" "autovacuum_naptime = 10" "max_worker_processes = 21" \
            "timescaledb.max_background_workers = 16" >> "$PGDATA/postgresql.conf"
    fi
    for file in /docker-entrypoint-initdb.d/*.sql; do
        echo "$0: running $file"
        psql -v ON_ERROR_STOP=1 --no-psqlrc -d "$POSTGRES_DB" -f "$file"
    done
    pg_ctl -D "$PGDATA" -m fast -w stop
    unset PGHOST PGUSER
fi
exec postgres -D "$PGDATA" "$@"
