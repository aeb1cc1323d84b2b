#!/bin/sh
# restore.sh find|restore [TIME]: restore a database to TIME (2026-11-27 10:45:00+00), or to the end of the
# archived WAL. `find` only prints the base backup that it would start from.
# The server must be stopped. A private server, which only this script can reach, replays the WAL next to
# the old data; the old data is deleted once that server has reached TIME and shut down cleanly.
# backup/places.py runs it as the user postgres with PGDATA and BACKUPS (folders) in its environment.
set -eu
target=${2:-}
# A backup's name is the time of its end: it cannot be used to recover to an earlier moment.
stamp=$(echo "$target" | sed 's/[-:]//g; s/ /T/; s/[.+].*//')Z

base=$(ls -d "$BACKUPS"/*/base/* 2>/dev/null |
    awk -F/ -v stamp="$stamp" 'stamp == "Z" || $NF < stamp { print $NF, $0 }' |
    sort | tail -n 1 | cut -d ' ' -f 2-)
if [ -z "$base" ]; then
    echo "There is no backup${target:+ from before $target}. make backup takes one." >&2
    exit 1
fi
# Each restore begins a new timeline, and only a backup of that timeline can recover what was stored on it.
cluster=${base%/base/*}
mark=$cluster/restored_without_backup
old=$PGDATA/replaced
# No server starts without PG_VERSION. So the old one is moved away first, and the new one is moved in last:
# that rename commits the restore. Before it the old data is valid, after it the restored data.
undecided() { [ -d "$old" ] && [ ! -e "$PGDATA/PG_VERSION" ]; }
if [ -e "$mark" ] && ! undecided; then
    echo "This database was restored and not backed up since: make up, then make backup. Or delete" >&2
    echo "$mark, which gives up what was stored since then." >&2
    exit 1
fi
exec 9> "$BACKUPS/restore.lock"
flock -n 9 || { echo "Another restore of this database is running: wait until it has ended." >&2; exit 1; }
if [ "$1" = find ]; then
    basename "$base"
    exit
fi
new=$PGDATA/restored
private=$(mktemp -d)
log=$private/log
server=
unfinished=$new
end_server() {
    [ -z "$server" ] || kill -INT "$server" 2>/dev/null || true
    [ -z "$server" ] || wait "$server" || true
    server=
}
trap 'end_server; rm -rf "$private" ${unfinished:+"$unfinished"}' EXIT
trap 'exit 130' INT TERM HUP
# The private server of a restore that was killed with -9 would write into the folder of this restore.
left=$(head -n 1 "$new/postmaster.pid" 2>/dev/null || true)
is_left() { [ -n "$left" ] && tr '\0' ' ' < "/proc/$left/cmdline" | grep -qF -- "-D $new "; } 2>/dev/null
if is_left; then
    kill -QUIT "$left"
    while is_left; do sleep 0.1; done
fi

# Move all but PG_VERSION from one folder to another; fail if something is in the way.
move_all() {
    find "$1" -mindepth 1 -maxdepth 1 ! -path "$new" ! -path "$old" ! -name PG_VERSION |
        while read -r path; do mv "$path" "$2/"; done
}
if undecided; then # a restore was killed between its renames: put the old data back
    for path in "$old"/* "$old"/.[!.]*; do
        rm -rf "$PGDATA/${path##*/}" # of the restored one
    done
    rm -f "$mark"
    move_all "$old" "$PGDATA"
    [ ! -e "$old/PG_VERSION" ] || mv "$old/PG_VERSION" "$PGDATA/"
fi
rm -rf "$new" "$old" # left by a restore that was interrupted
mkdir -m 700 "$new"
tar -xzf "$base/base.tar.gz" -C "$new"
tar -xzf "$base/pg_wal.tar.gz" -C "$new/pg_wal"
pg_verifybackup --quiet --no-parse-wal --manifest-path="$base/backup_manifest" "$new"
rm -rf "$new/restored" "$new/replaced" # left by a restore that was killed before the backup

# recovery_target_timeline: a backup is taken after each restore, so the WAL to replay is on the backup's
# own timeline. The other settings are only for the private server.
conf=$new/postgresql.auto.conf
cp "$conf" "$private/conf"
cat >> "$conf" <<CONF
restore_command = 'gunzip -c "$cluster/wal/%f.gz" > "%p" 2>/dev/null'
recovery_target_timeline = 'current'
recovery_target_action = 'promote'
archive_mode = on
archive_command = 'gzip -c "%p" > "$cluster/wal/%f.gz"'
hot_standby = off
listen_addresses = ''
unix_socket_directories = '$private'
shared_preload_libraries = ''
autovacuum = off
logging_collector = off
log_destination = stderr
CONF
[ -z "$target" ] || echo "recovery_target_time = '$target'" >> "$conf"
: > "$new/recovery.signal"

# Return once the server has replayed the WAL and accepts connections; fail if it exits.
replay() {
    postgres -D "$new" -p 5432 > "$log" 2>&1 < /dev/null 9>&- &
    server=$!
    until pg_isready -q -h "$private" -p 5432; do
        kill -0 "$server" 2>/dev/null || return 1
        sleep 0.2
    done
}
if ! replay; then
    if ! grep -q "recovery ended before configured recovery target" "$log"; then
        echo "The backup $(basename "$base") cannot be restored:" "$(grep -E 'FATAL|PANIC' "$log" | tail -n 1)" >&2
        exit 1
    fi
    echo "Nothing in the archive is later than $target: all of it is restored."
    sed -i '/^recovery_target_time /d' "$conf"
    replay
fi
end_server
if ! LC_ALL=C pg_controldata "$new" | grep -q "^Database cluster state: *shut down$"; then
    echo "The restored server did not shut down cleanly:" "$(tail -n 1 "$log")" >&2
    exit 1
fi
mv "$private/conf" "$conf"
sed -n 's/.*last completed transaction was at log time /last transaction: /p' "$log"

# Only renames, within one file system, and not to be interrupted by Ctrl-C.
trap '' INT TERM HUP
unfinished=
mkdir "$old"
[ ! -e "$PGDATA/PG_VERSION" ] || mv "$PGDATA/PG_VERSION" "$old/"
: > "$mark"
move_all "$PGDATA" "$old"
move_all "$new" "$PGDATA"
chmod 700 "$PGDATA" # otherwise the server refuses to start
mv "$new/PG_VERSION" "$PGDATA/"
rm -rf "$new" "$old"
