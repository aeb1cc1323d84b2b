"""What the reader needs of a Kafka client, and no more."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from streaming_pipeline.record import Record


class Stretch(NamedTuple):
    """A partition's log, read without a gap from offset `start` up to, but excluding, `after`.

    Offsets without a record are transaction markers, aborted records, or were compacted away.
    """

    start: int
    after: int
    records: list[Record]


class Poll(NamedTuple):
    """What a poll has brought."""

    #: The partitions that this member has from now on; None: as before.
    assigned: set[int] | None
    stretches: dict[int, Stretch]  # by partition, only of those that it has
    joining: bool = False  # the group has not dealt the partitions out yet


class Held(NamedTuple):
    """The offsets that Kafka holds of a partition: `first` up to, but excluding, `end`."""

    first: int
    end: int


class Client(Protocol):
    """A member of a consumer group on one topic; every method may raise KafkaError.

    It reads committed records only, in memory bounded after decompression, and its own idea of
    where to begin does not matter: the reader seeks.
    """

    def poll(self, seconds: float) -> Poll:
        """Records, or a new assignment, or nothing after `seconds`."""

    def seek(self, partition: int, offset: int) -> bool:
        """Read on at `offset`; False if this member no longer has the partition."""

    def held(self, partitions: Iterable[int] | None = None) -> dict[int, Held]:
        """What Kafka holds of the partitions (None: of all) that it knows."""

    def commit(self, after: dict[int, int]) -> None:
        """Tell Kafka the next offsets, for the tools that show lag; does not wait."""

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
