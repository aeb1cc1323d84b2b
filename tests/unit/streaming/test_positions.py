"""Whatever the group, the network and kill -9 do, every record is stored once: checked on a model.

Two members read a topic of three partitions. The database is a model of the real one: it accepts a
batch only if it begins at the stored offset (the fence). Positions is the real class.
"""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from streaming_pipeline.client import Held, Stretch
from streaming_pipeline.positions import (
    MOST_READ_AGAIN,
    LastRead,
    Lost,
    Positions,
    resume_at,
    to_compare,
)
from streaming_pipeline.record import Record

PARTITIONS = range(3)
members = st.sampled_from([0, 1])
partitions = st.sampled_from(PARTITIONS)


class Member:
    """A validator: its positions, those of its client, the batch that is being written."""

    def __init__(self) -> None:
        self.positions = Positions()
        self.client: dict[int, int] = {}
        self.in_flight: dict[int, Stretch] = {}


class ExactlyOnce(RuleBasedStateMachine):
    """Events in any order; the invariants hold after each."""

    @initialize()
    def start(self) -> None:
        self.log: dict[int, list[int | None]] = {p: [] for p in PARTITIONS}  # None: a gap
        self.next_offset = dict.fromkeys(PARTITIONS, 0)  # what the database says
        self.stored: dict[int, list[int]] = {p: [] for p in PARTITIONS}
        self.members = [Member(), Member()]

    @rule(partition=partitions, gaps=st.lists(st.booleans(), max_size=4))
    def produce(self, partition: int, gaps: list[bool]) -> None:
        log = self.log[partition]
        for gap in gaps:
            log.append(None if gap else len(log))

    @rule(owner=st.lists(st.sampled_from([0, 1, None]), min_size=3, max_size=3))
    def rebalance(self, owner: list[int | None]) -> None:
        for number, member in enumerate(self.members):
            mine = {p for p in PARTITIONS if owner[p] == number}
            member.positions.assign(mine)
            member.client = dict.fromkeys(mine, 0)  # wherever the client begins

    @rule(number=members, partition=partitions, offset=st.integers(0, 10))
    def client_jumps(self, number: int, partition: int, offset: int) -> None:
        """A reset, a truncation, an answer from before a seek."""
        if partition in self.members[number].client:
            self.members[number].client[partition] = offset

    @rule(number=members, count=st.integers(1, 3))
    def poll(self, number: int, count: int) -> None:
        member = self.members[number]
        if member.in_flight:
            self.commit(number)  # the loop writes one batch before it hands over the next
        stretches = {}
        for partition, start in member.client.items():
            after = min(start + count, len(self.log[partition]))
            if after > start:
                offsets = [o for o in self.log[partition][start:after] if o is not None]
                records = [Record(partition, o, 0, False, None, b"") for o in offsets]
                stretches[partition] = Stretch(start, after, records)
                member.client[partition] = after
        member.in_flight = member.positions.accept(stretches)

    @rule(number=members)
    def commit(self, number: int) -> None:
        member = self.members[number]
        batch, member.in_flight = member.in_flight, {}
        if any(self.next_offset[p] != stretch.start for p, stretch in batch.items()):
            member.positions.doubt(batch)  # fenced: another has been there
            return
        self._store(batch)

    @rule(number=members)
    def commit_whose_answer_is_lost(self, number: int) -> None:
        member = self.members[number]
        if all(self.next_offset[p] == s.start for p, s in member.in_flight.items()):
            self._store(member.in_flight)  # it is tried again, and then fenced

    @rule(number=members)
    def crash(self, number: int) -> None:
        self.members[number] = Member()

    @rule(number=members)
    def resume(self, number: int) -> None:
        member = self.members[number]
        self.commit(number)
        for partition in member.positions.doubtful():
            held = Held(0, len(self.log[partition]))
            offset = resume_at(self.next_offset[partition], True, held)
            stored = self.stored[partition]
            last = to_compare(LastRead(stored[-1], 0) if stored else None, offset, held)
            if partition in member.client:
                member.client[partition] = last.offset if last else offset
                member.positions.resume(partition, offset, last)

    def _store(self, batch: dict[int, Stretch]) -> None:
        for partition, stretch in batch.items():
            self.stored[partition] += [record.offset for record in stretch.records]
            self.next_offset[partition] = stretch.after

    @invariant()
    def every_record_that_was_read_is_stored_once(self) -> None:
        for partition in PARTITIONS:
            read = self.log[partition][: self.next_offset[partition]]
            assert self.stored[partition] == [offset for offset in read if offset is not None]


TestExactlyOnce: Any = ExactlyOnce.TestCase
TestExactlyOnce.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def stretch(start: int, after: int) -> Stretch:
    return Stretch(start, after, [])


def test_a_partition_is_doubtful_until_the_database_has_been_asked() -> None:
    positions = Positions()
    positions.assign({0, 1})
    assert positions.accept({0: stretch(0, 5)}) == {}
    positions.resume(0, 5)
    assert (positions.doubtful(), positions.known()) == ([1], {0: 5})


def test_stretches_that_follow_on_one_another_need_no_question() -> None:
    positions = Positions()
    positions.assign({0})
    positions.resume(0, 5)
    for start, after in ((5, 9), (9, 12)):
        assert positions.accept({0: stretch(start, after)}) == {0: stretch(start, after)}
        assert (positions.known(), positions.doubtful()) == ({0: after}, [])


def test_the_database_is_asked_for_what_is_doubted_and_not_for_the_others() -> None:
    positions = Positions()
    positions.assign({0, 1})
    positions.resume(0, 5)
    positions.resume(1, 6)
    positions.doubt([1])
    assert (positions.known(), positions.doubtful()) == ({0: 5}, [1])


def test_a_hole_makes_a_partition_doubtful_and_a_gap_within_a_stretch_does_not() -> None:
    positions = Positions()
    positions.assign({0})
    positions.resume(0, 5)
    assert list(positions.accept({0: stretch(5, 9)})) == [0]
    assert positions.accept({0: stretch(10, 12)}) == {}
    assert positions.doubtful() == [0]


def of_last(offset: int, kafka_ms: int, fault: str = "") -> Record:
    return Record(0, offset, kafka_ms, False, None, b"", fault)


@pytest.mark.parametrize(
    "first",
    [[], [of_last(3, 77)], [of_last(3, 99, "unreadable_batch")], [of_last(4, 99)]],
    ids=["compacted", "the same", "unreadable", "compacted, another follows"],
)
def test_what_is_read_once_more_to_compare_it_is_no_part_of_the_stretch(
    first: list[Record],
) -> None:
    positions = Positions()
    positions.assign({0})
    positions.resume(0, 5, LastRead(3, 77))
    assert positions.known() == {0: 5}
    assert positions.accept({0: Stretch(3, 4, first[:1])}) == {}
    assert positions.known() == {0: 5}
    assert positions.accept({0: Stretch(4, 5, [])}) == {}
    assert positions.known() == {0: 5}
    positions.resume(0, 5, LastRead(3, 77))
    new = of_last(5, 99)
    assert positions.accept({0: Stretch(3, 6, [*first, new])}) == {0: Stretch(5, 6, [new])}
    assert positions.accept({0: stretch(6, 9)}) == {0: stretch(6, 9)}


def test_another_record_in_place_of_the_last_makes_a_partition_doubtful() -> None:
    positions, last = Positions(), LastRead(3, 77)
    positions.assign({0})
    positions.resume(0, 5, last)
    assert positions.accept({0: Stretch(3, 6, [of_last(3, 78), of_last(5, 99)])}) == {}
    assert positions.doubtful() == [0]
    assert positions.is_replaced(0, last)
    assert not positions.is_replaced(0, LastRead(3, 78))  # another member has gone on with that
    assert not positions.is_replaced(1, last)
    assert not positions.is_replaced(0, None)


def test_a_log_is_compared_once_its_last_record_has_been_passed() -> None:
    positions = Positions()
    positions.assign({0})
    assert not positions.are_compared()
    positions.resume(0, 5, LastRead(3, 77))
    assert not positions.are_compared()
    positions.accept({0: Stretch(3, 4, [of_last(3, 77)])})
    assert positions.are_compared()
    positions.resume(0, 5, LastRead(3, 77))
    positions.assign({1})  # another member compares it
    positions.resume(1, 5)
    assert positions.are_compared()


def test_what_is_resumed_without_a_last_record_is_not_compared_with_an_earlier_one() -> None:
    positions = Positions()
    positions.assign({0})
    positions.resume(0, 5, LastRead(3, 77))
    positions.doubt([0])
    positions.resume(0, 2)  # somebody has set the offset back
    found = positions.accept({0: Stretch(2, 4, [of_last(2, 70), of_last(3, 99)])})
    assert [record.offset for record in found[0].records] == [2, 3]


@pytest.mark.parametrize(
    ("first", "next_offset", "is_to_be"),
    [
        (3, 4, True),
        (4, 5, False),
        (0, 3, False),
        (0, 3 + MOST_READ_AGAIN, True),
        (0, 4 + MOST_READ_AGAIN, False),
    ],
    ids=["held", "deleted", "set back", "few behind it", "too many behind it"],
)
def test_the_last_record_is_compared_where_it_is_near(
    first: int, next_offset: int, is_to_be: bool
) -> None:
    last, held = LastRead(3, 77), Held(first, 1_000_000)
    assert to_compare(last, next_offset, held) == (last if is_to_be else None)
    assert to_compare(None, next_offset, held) is None


def test_a_partition_that_was_taken_away_is_not_resumed() -> None:
    positions = Positions()
    positions.assign({0})
    positions.assign(set())
    positions.resume(0, 5)
    positions.doubt([0])
    assert (positions.known(), positions.doubtful()) == ({}, [])


@pytest.mark.parametrize(
    ("next_offset", "same_topic", "resume", "what"),
    [
        (4, True, 5, "^Kafka holds 5 to 8$"),
        (9, True, 5, "^Kafka holds 5 to 8$"),
        (6, False, 5, r"^the topic was deleted and recreated since \(another topic id\)$"),
    ],
)
def test_records_are_lost_where_kafka_no_longer_holds_the_next(
    next_offset: int, same_topic: bool, resume: int, what: str
) -> None:
    with pytest.raises(Lost, match=what) as lost:
        resume_at(next_offset, same_topic, Held(5, 8))
    assert lost.value.resume_at == resume


def test_where_records_were_replaced_all_that_kafka_holds_is_read_again() -> None:
    with pytest.raises(Lost, match=r"^Kafka's log was truncated before that") as lost:
        resume_at(7, True, Held(5, 8), replaced=True)
    assert lost.value.resume_at == 5


@pytest.mark.parametrize("next_offset", [5, 8])
def test_the_first_and_the_end_offset_are_still_there(next_offset: int) -> None:
    assert resume_at(next_offset, True, Held(5, 8)) == next_offset
