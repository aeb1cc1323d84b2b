#!/bin/sh
# base_backup.sh [after-restore]: take a base backup of the running server, and have it archive its WAL from
# then on. The newest three backups are kept, with the WAL since the oldest of them. After a restore all are
# kept, since finding the right moment may take several restores. Prints each backup: time, size in kB.
# backup/places.py runs it as the user postgres with PGDATA and BACKUPS (folders) in its environment.
set -eu
KEEP=3
export PGHOST="${PGHOST:-127.0.0.1}" PGUSER="${PGUSER:-$POSTGRES_USER}"
export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}" PGDATABASE=postgres
sql() { psql -X -q -tA -v ON_ERROR_STOP=1 "$@"; }

# A folder for each cluster, since the WAL files of a new cluster have the same names.
id=$(sql -c "SELECT system_identifier FROM pg_control_system()")
here=$BACKUPS/$id
mkdir -p "$here/base" "$here/wal"
exec 9> "$here/lock"
flock -n 9 || { echo "Another backup of this database is under way: wait until it has ended." >&2; exit 1; }

# Once this file exists, archive_command archives WAL instead of discarding it. It is part of the backup, so
# that a restored server continues to archive, and a new one does not.
echo "$id" > "$PGDATA/archive_id"
# If the disk is lost, so is the WAL that was not archived yet: a minute's at most.
sql -c "ALTER SYSTEM SET archive_timeout = '60s'" -c "SELECT pg_reload_conf()" > "$here/reloaded"

# The server is running, so anything that a killed restore has left next to its data is useless.
rm -rf "$PGDATA/restored" "$PGDATA/replaced"
rm -rf "$here/part" # of a backup that was interrupted
pg_basebackup --pgdata="$here/part" --format=tar --gzip --checkpoint=fast --no-password
tar -xzOf "$here/part/base.tar.gz" backup_label |
    sed -n 's/^START WAL LOCATION.*(file \(.*\))$/\1/p' > "$here/part/first_wal"
[ -s "$here/part/first_wal" ] || { echo "The backup cannot be read back: is the disk full?" >&2; exit 1; }
sleep 1 # so that no two backups have the same name
mv "$here/part" "$here/base/$(date -u +%Y%m%dT%H%M%SZ)"
rm -f "$here/restored_without_backup"

if [ "${1:-}" != after-restore ]; then
    ls "$here/base" | sort -r | tail -n "+$((KEEP + 1))" | while read -r old; do
        rm -r "$here/base/$old"
    done
    # Sort by the WAL position only (from the 9th digit on): a restore goes back in it, on a new timeline.
    first=$(cat "$here"/base/*/first_wal | sort -k 1.9 | head -n 1)
    pg_archivecleanup -x .gz "$here/wal" "$first"
fi
(cd "$here/base" && du -sk -- *) | while read -r size name; do echo "$name $size"; done
