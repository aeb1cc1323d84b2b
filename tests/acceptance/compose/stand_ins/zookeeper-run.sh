#!/bin/bash
# The documented contract of cp-zookeeper: ZOOKEEPER_CLIENT_PORT and ZOOKEEPER_TICK_TIME; the data
# is in /var/lib/zookeeper/data, the transaction log in /var/lib/zookeeper/log.
set -e
cat > /tmp/zookeeper.properties <<CONFIG
dataDir=/var/lib/zookeeper/data
dataLogDir=/var/lib/zookeeper/log
clientPort=${ZOOKEEPER_CLIENT_PORT:?}
tickTime=${ZOOKEEPER_TICK_TIME:-2000}
admin.enableServer=false
CONFIG
exec java ${KAFKA_HEAP_OPTS:--Xmx512m} -Dlog4j.configuration=file:/usr/share/kafka/log4j.properties \
    -cp '/usr/share/kafka/*' org.apache.zookeeper.server.quorum.QuorumPeerMain /tmp/zookeeper.properties
