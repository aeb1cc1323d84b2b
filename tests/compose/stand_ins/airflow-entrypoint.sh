#!/bin/bash
# The documented contract of apache/airflow's entrypoint: "bash ..." and "airflow ..." run as they
# are, anything else is an airflow command; any user may run it if its group is 0.
case "${1:-}" in
    bash | python | airflow) exec "$@" ;;
    *) exec airflow "$@" ;;
esac
