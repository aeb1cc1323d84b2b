"""What a script does before its other imports, which take a second; needs no packages itself."""

import os
import signal
from types import FrameType

STOPPED = 128 + signal.SIGINT  # the exit code


def ready_for_ctrl_c() -> None:
    """Make Ctrl-C print one line; raises ModuleNotFoundError if the environment is not active."""
    # A shell makes its background jobs ignore Ctrl-C: leave that as it is.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, end_at_once)
    import typer  # noqa: F401, PLC0415 - every script needs it


def end_at_once(_signal: int, _frame: FrameType | None) -> None:
    """Print one line and exit: nothing has begun yet, or everything is done."""
    os.write(2, b"\nStopped.\n")
    os._exit(STOPPED)
