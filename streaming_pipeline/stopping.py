"""SIGINT and SIGTERM shut a script down gracefully, within GRACE_SECONDS.

The first signal sets an event that every loop and every wait checks. If the script has not ended
GRACE_SECONDS later (a library that waits forever, a lock in the database), a separate thread ends
it: the totals are printed, the exit code is 1, and the server rolls back the open transaction.
A second signal ends the process at once.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Timer

GRACE_SECONDS = 8.0
log = logging.getLogger("stopping")


class Stopped(Exception):
    """The script was told to stop while it waited for a server."""


def stop_on_signals(
    print_totals: Callable[[], None] = lambda: None, grace_seconds: float = GRACE_SECONDS
) -> Event:
    """The event that SIGINT and SIGTERM set."""
    stopping = Event()

    def stop(signum: int, _frame: object) -> None:
        signal.signal(signum, signal.SIG_DFL)
        stopping.set()
        last_resort = Timer(grace_seconds, _end_at_once, [grace_seconds, print_totals])
        last_resort.daemon = True  # so that it does not delay a script that ends in time
        last_resort.start()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    return stopping


def _end_at_once(after: float, print_totals: Callable[[], None]) -> None:
    log.warning(
        "no graceful shutdown within %.0f s: exiting; uncommitted records will be read again", after
    )
    with suppress(Exception):
        print_totals()
        sys.stdout.flush()
    os._exit(1)
