"""Where a member of the group continues: known, doubtful or lost. Pure; talks to no server.

Between two polls, the position of a partition is either known, and the next stretch of the log must
begin there, or doubtful, and nothing is accepted until the offset was read from the database.
"""

from collections.abc import Iterable
from typing import NamedTuple

from streaming_pipeline.client import Held, Stretch

#: Kafka's log is compared only if that reads no more than this many offsets without a record again.
MOST_READ_AGAIN = 10_000


class Lost(Exception):
    """Kafka no longer holds the next records to read."""

    def __init__(self, what: str, resume_at: int) -> None:
        super().__init__(what)
        self.resume_at = resume_at  # the first record that can still be read


class LastRead(NamedTuple):
    """The last record that was read of a partition; its timestamp distinguishes it from others.

    Kafka's leader epoch would not: with a single broker it stays, even if the log was truncated.
    """

    offset: int
    kafka_ms: int

    def is_replaced(self, stretch: Stretch) -> bool:
        """Whether a stretch has another record there: the log was truncated and written again.

        If it has none, the record was compacted away, and nothing can be concluded.
        """
        return any(
            record.offset == self.offset and record.kafka_ms != self.kafka_ms and not record.fault
            for record in stretch.records
        )


class Positions:
    """The next offset to read of each partition that is assigned to this member."""

    def __init__(self) -> None:
        self._next: dict[int, int | None] = {}  # None: doubtful
        #: Logs to compare first: the offset from which records count, and the last one before it.
        self._compared: dict[int, tuple[int, LastRead]] = {}
        self._replaced: dict[int, LastRead] = {}

    def assign(self, partitions: Iterable[int]) -> None:
        """The group has assigned these partitions to this member; all become doubtful."""
        self._next = dict.fromkeys(partitions)

    def accept(self, stretches: dict[int, Stretch]) -> dict[int, Stretch]:
        """The stretches that begin where the previous one ended; after a gap, it is doubtful."""
        accepted = {}
        for partition, stretch in stretches.items():
            known = self._next.get(partition)
            if known == stretch.start:
                self._next[partition] = stretch.after
                if rest := self._compare(partition, stretch):
                    accepted[partition] = rest
            elif known is not None:
                self._next[partition] = None
        return accepted

    def _compare(self, partition: int, stretch: Stretch) -> Stretch | None:
        """The part of a stretch that counts; none if the log is not the one read before."""
        if partition not in self._compared:
            return stretch
        begin, last = self._compared[partition]
        if last.is_replaced(stretch):
            self._replaced[partition] = last
            self._next[partition] = None
            return None
        if stretch.after <= begin:
            return None
        del self._compared[partition]
        return Stretch(begin, stretch.after, [r for r in stretch.records if r.offset >= begin])

    def doubt(self, partitions: Iterable[int]) -> None:
        """Make those of the partitions that are assigned to this member doubtful."""
        for partition in self._next.keys() & set(partitions):
            self._next[partition] = None

    def resume(self, partition: int, offset: int, last: LastRead | None = None) -> None:
        """Continue at `offset`, if still assigned; with `last`, at that record, to compare it."""
        self._compared.pop(partition, None)
        if partition in self._next:
            self._next[partition] = last.offset if last else offset
            if last:
                self._compared[partition] = offset, last

    def is_replaced(self, partition: int, last: LastRead | None) -> bool:
        """Whether Kafka turned out to have another record in place of `last`."""
        return last is not None and self._replaced.get(partition) == last

    def are_compared(self) -> bool:
        """Whether no partition is doubtful or waits for its last record to be compared."""
        return all(
            offset is not None
            and (partition not in self._compared or offset > self._compared[partition][1].offset)
            for partition, offset in self._next.items()
        )

    def doubtful(self) -> list[int]:
        """The partitions whose position has to be read from the database."""
        return [partition for partition, offset in self._next.items() if offset is None]

    def known(self) -> dict[int, int]:
        """The next offsets of the other partitions; one that is being compared counts as read."""
        return {
            partition: self._compared[partition][0] if partition in self._compared else offset
            for partition, offset in self._next.items()
            if offset is not None
        }


def to_compare(last: LastRead | None, next_offset: int, held: Held) -> LastRead | None:
    """The last record that was read before `next_offset`, if it is to be read again.

    None if Kafka has deleted it, if somebody has reset the offset, or if more than MOST_READ_AGAIN
    offsets without a record follow it (aborted transactions, compaction): they would be fetched
    again whenever the topic is idle. A log that was truncated and written again beyond
    `next_offset` is then not detected until the next record has been read.
    """
    if last is None or not held.first <= last.offset < next_offset:
        return None
    return last if next_offset - last.offset <= MOST_READ_AGAIN else None


def resume_at(next_offset: int, same_topic: bool, held: Held, replaced: bool = False) -> int:
    """Where to continue, given the stored offset and the offsets that Kafka holds.

    Raises Lost if that offset is no longer available, or was `replaced` by other records.
    """
    if not same_topic:
        raise Lost("the topic was deleted and recreated since (another topic id)", held.first)
    if replaced:
        raise Lost("Kafka's log was truncated before that and written again", held.first)
    if not held.first <= next_offset <= held.end:
        raise Lost(f"Kafka holds {held.first} to {held.end}", held.first)
    return next_offset
