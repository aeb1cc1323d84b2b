#!/bin/sh
# Stop the local stack and delete its data, downloads and logs, and .env. This depends on nothing that it
# deletes, not even .venv.
cd "$(dirname "$0")/.." || exit 1

if [ -L .local ] || [ -e .local ]; then
    folder=$(readlink -f .local)
    if [ ! -O "$folder" ] && [ -e "$folder" ]; then
        echo "$folder belongs to another user: it is left as it is. Look at it, then: rm .local" >&2
        exit 1
    fi
    # Every process of a stack has the stack's folder in its environment. The data is deleted too, so
    # SIGKILL is fine. Repeat, because a process may have started another one.
    while pids=$(grep -lsz "^DATA_PIPELINE_STACK=$folder\(/\|\$\)" /proc/[0-9]*/environ | cut -d/ -f3) && [ -n "$pids" ]; do
        kill -KILL $pids 2>/dev/null
        sleep 0.2
    done
    case $folder in
        "$PWD/.local" | /var/tmp/data-pipeline-*) rm -rf "$folder" ;;
        *) echo ".local is a link to $folder, which this project has not made: only the link is deleted." >&2 ;;
    esac
    rm -rf .local
fi
find logs -mindepth 1 ! -name .gitkeep -delete
rm -rf .env .venv .cache lab/progress.json ./*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
find . -name __pycache__ -type d -prune -exec rm -rf {} +
