"""Where one member of the group reads on: known, doubtful or lost. Pure; talks to no server.

Between two polls the position of a partition is either known, and then the next stretch of the log
must begin there, or doubtful, and then nothing is taken until the database has been asked.
"""

from collections.abc import Iterable

from streaming_pipeline.client import Held, Stretch


class Lost(Exception):
    """Kafka no longer holds the records that the database is waiting for."""

    def __init__(self, what: str, resume_at: int) -> None:
        super().__init__(what)
        self.resume_at = resume_at  # the first record that can still be read


class Positions:
    """The next offset to read of each partition that the group has given us."""

    def __init__(self) -> None:
        self._next: dict[int, int | None] = {}  # None: doubtful

    def assign(self, partitions: Iterable[int]) -> None:
        """The group has dealt the partitions out: these are ours, and all are doubtful."""
        self._next = dict.fromkeys(partitions)

    def accept(self, stretches: dict[int, Stretch]) -> dict[int, Stretch]:
        """Those that begin where the one before ended; a partition with a hole is doubtful."""
        accepted = {}
        for partition, stretch in stretches.items():
            known = self._next.get(partition)
            if known == stretch.start:
                accepted[partition] = stretch
                self._next[partition] = stretch.after
            elif known is not None:
                self._next[partition] = None
        return accepted

    def doubt(self, partitions: Iterable[int]) -> None:
        """Have the database asked for those of the partitions that are ours."""
        for partition in self._next.keys() & set(partitions):
            self._next[partition] = None

    def resume(self, partition: int, offset: int) -> None:
        """Read on at `offset`, if the partition is still ours."""
        if partition in self._next:
            self._next[partition] = offset

    def doubtful(self) -> list[int]:
        """Partitions whose position only the database knows."""
        return [partition for partition, offset in self._next.items() if offset is None]

    def known(self) -> dict[int, int]:
        """The next offsets of the others."""
        return {partition: offset for partition, offset in self._next.items() if offset is not None}


def resume_at(next_offset: int, same_topic: bool, held: Held) -> int:
    """Where to read on, given what the database waits for and what Kafka holds.

    Raises Lost if that is no longer to be had.
    """
    if not same_topic:
        raise Lost("the topic was deleted and recreated since (another topic id)", held.first)
    if next_offset < held.first:
        raise Lost(f"Kafka holds {held.first} to {held.end}", held.first)
    if next_offset > held.end:
        raise Lost(f"Kafka holds {held.first} to {held.end}", held.end)
    return next_offset
