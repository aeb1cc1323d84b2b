"""The interface of the Kafka client that the reader uses."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from streaming_pipeline.record import Record


class Stretch(NamedTuple):
    """A contiguous part of a partition's log: the offsets `start` up to, but excluding, `after`.

    Offsets without a record are transaction markers, aborted records, or were compacted away.
    """

    start: int
    after: int
    records: list[Record]


class Poll(NamedTuple):
    """The result of a poll."""

    #: The partitions that are assigned to this member from now on; None: as before.
    assigned: set[int] | None
    stretches: dict[int, Stretch]  # by partition, only assigned ones
    joining: bool = False  # the group has not assigned the partitions yet


class Held(NamedTuple):
    """The offsets that Kafka holds of a partition: `first` up to, but excluding, `end`."""

    first: int
    end: int


class Client(Protocol):
    """A member of a consumer group on one topic; every method may raise KafkaError.

    It reads committed records only (read_committed), and bounds the memory that they take after
    decompression. Where it would begin does not matter, because the reader seeks.
    """

    def poll(self, seconds: float) -> Poll:
        """Records, or a new assignment, or nothing after `seconds`."""

    def seek(self, partition: int, offset: int) -> bool:
        """Continue at `offset`; False if the partition is no longer assigned to this member."""

    def held(self, partitions: Iterable[int] | None = None) -> dict[int, Held]:
        """The offsets that Kafka holds of the partitions (None: of all); omits unknown ones."""

    def commit(self, after: dict[int, int]) -> None:
        """Commit the next offsets to Kafka, for tools that show lag; does not wait."""

    def close(self) -> None:
        """Leave the group, so that its partitions are reassigned at once."""
