#!/bin/bash
# The documented contract of apache/airflow's entrypoint: "bash ..." and "airflow ..." run as they
# are, anything else is an airflow command; any user may run it if its group is 0.
if ! whoami > /dev/null 2>&1; then
    echo "default:x:$(id -u):0:default user:/home/airflow:/sbin/nologin" >> /etc/passwd
fi
case "${1:-}" in
    bash | python | airflow) exec "$@" ;;
    *) exec airflow "$@" ;;
esac
