#!/bin/bash
# The documented contract of cp-kafka: KAFKA_SOME_NAME in the environment is some.name in the
# configuration; the data is in /var/lib/kafka/data.
set -e
if [ -n "$KAFKA_PORT$KAFKA_HOST" ]; then
    echo "port and host are deprecated. Please use KAFKA_ADVERTISED_LISTENERS instead."
    exit 1
fi
: "${KAFKA_ZOOKEEPER_CONNECT:?}" "${KAFKA_ADVERTISED_LISTENERS:?}"
{
    echo "log.dirs=/var/lib/kafka/data"
    env | grep '^KAFKA_' | grep -v '^KAFKA_HEAP_OPTS=' | while IFS='=' read -r name value; do
        name=${name#KAFKA_}
        echo "$(echo "${name,,}" | tr _ .)=$value"
    done
} > /tmp/server.properties
exec java ${KAFKA_HEAP_OPTS:--Xmx1g} -Dlog4j.configuration=file:/usr/share/kafka/log4j.properties \
    -cp '/usr/share/kafka/*' kafka.Kafka /tmp/server.properties
