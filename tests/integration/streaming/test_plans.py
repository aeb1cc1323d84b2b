"""What a batch costs depends on its own size, not on what is stored, whatever the planner knows."""

from contextlib import closing

import pytest

from streaming_pipeline.writer import write_whole
from tests.integration.streaming.conftest import Table
from tests.plans import explained, nodes, rows_seen

STORED = 5000
REPEATED = 20
MOST_ROWS = 500


@pytest.mark.parametrize("analysed", [False, True])
def test_repeated_readings_are_looked_up_one_by_one(table: Table, analysed: bool) -> None:
    """A producer that starts again repeats what it has sent over a long time."""
    if analysed:
        table.execute("ANALYZE sensor_readings")  # of the samples: their chunk has no more yet
    table.write(*map(table.reading, range(STORED)))
    again = range(0, STORED, STORED // REPEATED)
    batch = table.batch(*map(table.reading, again), table.reading(STORED)).validate(table.newest)
    connection, plans = explained(table.login)
    with closing(connection):
        counts = write_whole(connection, batch)
    assert (counts.valid, counts.duplicates[0]) == (1, REPEATED)
    assert plans.found
    for plan in plans.found:
        for node in nodes(plan["Plan"]):
            assert rows_seen(node) <= MOST_ROWS, plan
