"""What Kafka's admin API knows, as tables: used by explore_kafka.py and the dashboard."""

from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec

from python_scripts.queries import Result


def brokers(admin: KafkaAdminClient) -> Result:
    """The brokers of the cluster and which of them is the controller."""
    cluster = admin.describe_cluster()
    rows = [
        (
            broker["broker_id"],
            f"{broker['host']}:{broker['port']}",
            broker["broker_id"] == cluster["controller_id"],
        )
        for broker in cluster["brokers"]
    ]
    title = f"Brokers of cluster {cluster['cluster_id']}"
    return Result("brokers", title, ["broker", "advertised_address", "controller"], rows)


def topic_names(admin: KafkaAdminClient) -> list[str]:
    """Topics that people created; Kafka's internal ones begin with two underscores."""
    return sorted(topic for topic in admin.list_topics() if not topic.startswith("__"))


def offsets(admin: KafkaAdminClient, topics: list[str]) -> dict[TopicPartition, tuple[int, int]]:
    """For each partition, the first offset still stored and the next offset to be written."""
    parts = [
        TopicPartition(topic["name"], partition["partition_index"])
        for topic in admin.describe_topics(topics)
        for partition in topic["partitions"]
    ]
    first = admin.list_partition_offsets(dict.fromkeys(parts, OffsetSpec.EARLIEST))
    following = admin.list_partition_offsets(dict.fromkeys(parts, OffsetSpec.LATEST))
    return {part: (first[part].offset, following[part].offset) for part in sorted(parts)}


def topics(admin: KafkaAdminClient) -> Result:
    """Each topic with its partitions and stored messages."""
    names = topic_names(admin)
    ranges = offsets(admin, names)
    rows = []
    for name in names:
        sizes = [end - start for part, (start, end) in ranges.items() if part.topic == name]
        rows.append((name, len(sizes), sum(sizes)))
    return Result("topics", "Topics", ["topic", "partitions", "messages"], rows)


def partitions(admin: KafkaAdminClient, topic: str) -> Result:
    """Each partition of a topic with its leader and the offsets it holds."""
    if topic not in topic_names(admin):
        return Result("partitions", f"There is no topic {topic} yet", [], [])
    leaders = {
        partition["partition_index"]: partition["leader_id"]
        for partition in admin.describe_topics([topic])[0]["partitions"]
    }
    rows = [
        (part.partition, leaders[part.partition], first, following, following - first)
        for part, (first, following) in offsets(admin, [topic]).items()
    ]
    headers = ["partition", "leader", "first_offset", "next_offset", "messages"]
    return Result("partitions", f"Partitions of {topic}", headers, rows)


def groups(admin: KafkaAdminClient) -> Result:
    """Consumer groups: each partition's offset, lag (records not yet read) and member."""
    rows = []
    for group in sorted(group["group_id"] for group in admin.list_groups()):
        committed = admin.list_group_offsets(group)[group]
        readers = _members(admin.describe_groups([group])[group])
        ends = offsets(admin, sorted({part.topic for part in committed})) if committed else {}
        for part, position in sorted(committed.items()):
            lag = ends[part][1] - position.offset
            reader = readers.get((part.topic, part.partition), "none")
            rows.append((group, reader, part.topic, part.partition, position.offset, lag))
    headers = ["group", "member", "topic", "partition", "committed", "lag"]
    return Result(
        "groups", "Consumer groups: who reads which partition, and the lag", headers, rows
    )


def members(admin: KafkaAdminClient) -> Result:
    """Each member of each consumer group: which program, and the partitions that it has."""
    rows = []
    for group in sorted(group["group_id"] for group in admin.list_groups()):
        for member in admin.describe_groups([group])[group]["members"]:
            topics = (member["member_assignment"] or {}).get("assigned_partitions", [])
            parts = ", ".join(f"{each['topic']}: {sorted(each['partitions'])}" for each in topics)
            rows.append((group, member["client_id"], member["client_host"], parts or "none"))
    title = "Members of the groups: the client id is what a program calls itself"
    return Result("members", title, ["group", "client_id", "host", "partitions"], sorted(rows))


def members_of(admin: KafkaAdminClient, group: str) -> list[dict[str, Any]]:
    """The members of a group as Kafka describes them; none if there is no such group."""
    # Before its first group, Kafka has no coordinator that could describe one.
    if group not in {each["group_id"] for each in admin.list_groups()}:
        return []
    members: list[dict[str, Any]] = admin.describe_groups([group])[group]["members"]
    return members


def _members(group: dict[str, Any]) -> dict[tuple[str, int], str]:
    """Which member reads each partition: "2 of 3", numbered by Kafka's id of the member."""
    members = sorted(group["members"], key=lambda member: str(member["member_id"]))
    return {
        (topic["topic"], partition): f"{number} of {len(members)}"
        for number, member in enumerate(members, start=1)
        if member["member_assignment"]  # empty while the group rebalances
        for topic in member["member_assignment"]["assigned_partitions"]
        for partition in topic["partitions"]
    }


def lag(groups: Result, group: str) -> str:
    """The lag of a group over all partitions; "?" where there is no such group (yet)."""
    lags = [row[-1] for row in groups.rows if row[0] == group]
    return str(sum(lags)) if lags else "?"
