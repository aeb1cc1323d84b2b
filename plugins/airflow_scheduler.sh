#!/bin/bash
# The scheduler's service: the scheduler starts tasks, the dag-processor reads the DAG files.
# Both run as one service: if either dies, the service exits, so that both are restarted.
airflow dag-processor &
airflow scheduler --skip-serve-logs &
trap 'kill -TERM $(jobs -p) 2>/dev/null; wait; exit 0' TERM INT
wait -n
echo "The scheduler or the dag-processor ended; ending both so that they are started again." >&2
kill -TERM $(jobs -p) 2>/dev/null
wait
exit 1
