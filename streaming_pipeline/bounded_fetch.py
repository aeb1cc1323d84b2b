"""kafka-python's fetcher with bounded memory; only this module uses the library's internals.

The library decompresses a record batch at once, blocks forever on one that it cannot read, and
does not say what it has skipped. Here a poll ends once its records take MAX_POLL_BYTES of memory,
however small they were compressed, and reports the offsets that it has read. For kafka-python 3.0.
"""

from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords
from kafka.structs import OffsetAndMetadata

from streaming_pipeline.client import Stretch
from streaming_pipeline.record import UNREADABLE, Record, size_of
from streaming_pipeline.record_batch_format import records_of

MAX_POLL_BYTES = 8 * 1024 * 1024
#: The minimum size that a list of records counts as, since skipping records takes time, too.
_LEAST = 32 * 1024


class BoundedRecords:
    """One partition's part of a fetch response, decoded on demand.

    Has the attributes and methods of Fetcher.PartitionRecords that the fetcher uses.
    """

    def __init__(
        self, fetch_offset: int, tp: TopicPartition, records: MemoryRecords, **options: Any
    ) -> None:
        self.fetch_offset = self.next_fetch_offset = fetch_offset
        self.topic_partition = tp
        self.leader_epoch = -1
        self.bytes_read = 0
        self.on_drain = options["on_drain"]
        self.aborted = sorted(options["aborted_transactions"] or [], key=lambda t: t.first_offset)
        self.aborted_producers: set[int] = set()
        self.lists: Iterator[list[Record]] | None = self._lists(records)

    def __bool__(self) -> bool:
        return self.lists is not None

    def drain(self) -> None:
        """Discard what is left."""
        if self.lists is not None:
            self.lists = None
            self.on_drain(self)

    def take(self, room: int) -> tuple[list[Record], int]:
        """The next records, up to `room` bytes of them, and the room that is left."""
        taken: list[Record] = []
        while room > 0 and self.lists is not None:
            records = next(self.lists, None)
            if records is None:
                self.drain()
                break
            taken += records
            size = sum(map(size_of, records))
            self.bytes_read += size
            room -= max(size, _LEAST)
        return taken, room

    def _lists(self, batches: MemoryRecords) -> Iterator[list[Record]]:
        while (batch := batches.next_batch()) is not None:
            if batch.magic < 2:  # Kafka 3 writes no such batch; one in an old topic is kept whole
                fault = self._fault(batch.base_offset, bytes(batch._buffer))
                self.next_fetch_offset = fault.offset + 1
                yield [fault]
                continue
            self.leader_epoch = batch.leader_epoch
            self._note_transactions(batch)
            if not batch.is_control_batch and not self._is_aborted(batch):
                yield from map(self._not_before, records_of(batch, self.topic_partition.partition))
            self.next_fetch_offset = max(self.next_fetch_offset, batch.next_offset)

    def _not_before(self, records: list[Record]) -> list[Record]:
        if records and records[0].offset < self.fetch_offset:  # a fetch may begin within a batch
            records = [record for record in records if record.offset >= self.fetch_offset]
        if records:
            self.next_fetch_offset = records[-1].offset + 1
        return records

    def _fault(self, offset: int, raw: bytes) -> Record:
        offset = max(offset, self.fetch_offset)
        return Record(self.topic_partition.partition, offset, -1, False, None, raw, UNREADABLE)

    def _is_aborted(self, batch: DefaultRecordBatch) -> bool:
        return batch.is_transactional and batch.producer_id in self.aborted_producers

    def _note_transactions(self, batch: DefaultRecordBatch) -> None:
        while self.aborted and self.aborted[0].first_offset <= batch.last_offset:
            self.aborted_producers.add(self.aborted.pop(0).producer_id)
        # Kafka's log cleaner may leave a control batch without its record.
        if batch.is_control_batch and batch.records_count and next(iter(batch)).abort:
            self.aborted_producers.discard(batch.producer_id)


class BoundedFetcher(Fetcher):  # type: ignore[misc]
    """A fetcher that keeps what it has read until it is collected, even if a poll raises."""

    PartitionRecords = BoundedRecords

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.stretches: dict[int, Stretch] = {}
        self._next_partition_records: BoundedRecords | None = None

    def collect(self) -> dict[int, Stretch]:
        """What has been read since the last call, by partition."""
        collected, self.stretches = self.stretches, {}
        return collected

    def fetched_records(
        self, max_records: int | None = None, update_offsets: bool = True
    ) -> tuple[dict[TopicPartition, list[Record]], bool]:
        """Read more, unless there are records to collect; called by KafkaConsumer.poll()."""
        room = 0 if any(s.records for s in self.stretches.values()) else MAX_POLL_BYTES
        while room > 0:
            if self._next_partition_records:
                room = self._read(self._next_partition_records, room)
            elif self._completed_fetches:
                fetch = self._completed_fetches.popleft()
                self._next_partition_records = self._parse_fetched_data(fetch)
            else:
                break
        with_records = {p: s.records for p, s in self.stretches.items() if s.records}
        return with_records, bool(self._completed_fetches)

    def _read(self, part: BoundedRecords, room: int) -> int:
        tp = part.topic_partition
        if not self._subscriptions.is_fetchable(tp):
            part.drain()  # the partition was revoked
            return room
        position = self._subscriptions.assignment[tp].position
        if position.offset != part.next_fetch_offset:
            part.drain()  # the response to a request from before a seek
            return room
        records, room = part.take(room)
        before = self.stretches.get(tp.partition)
        if before is None or before.after != position.offset:
            before = Stretch(position.offset, position.offset, [])
        self.stretches[tp.partition] = Stretch(
            before.start, part.next_fetch_offset, before.records + records
        )
        self._subscriptions.assignment[tp].position = OffsetAndMetadata(
            part.next_fetch_offset, "", part.leader_epoch
        )
        return room


class BoundedConsumer(KafkaConsumer):  # type: ignore[misc]
    """KafkaConsumer with the fetcher of this module; `fetcher.collect()` gives what poll() read."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.fetcher = self._fetcher = BoundedFetcher(
            self._client, self._subscription, metrics=self._metrics, **self.config
        )

    def finish_join(self) -> None:
        """Continue a JoinGroup that took longer than the poll in which it began.

        kafka-python 3.0.12 forgets it: such a member gets no partitions, sends no heartbeats and
        does not notice.
        """
        if self._coordinator.rejoining:
            self._coordinator.request_rejoin()
