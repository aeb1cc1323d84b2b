"""What a script does before its other imports, which take a second; needs no package itself."""

import os
import signal
from types import FrameType

STOPPED = 128 + signal.SIGINT  # the exit code


def ready_for_ctrl_c() -> None:
    """Have Ctrl-C say one line; raises ModuleNotFoundError if the environment is not active."""
    # A shell lets what it starts in the background ignore Ctrl-C: that stays so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, end_at_once)
    import typer  # noqa: F401, PLC0415 - every script needs it


def end_at_once(_signal: int, _frame: FrameType | None) -> None:
    """Say one line and end: nothing has begun yet, or all is done."""
    os.write(2, b"\nStopped.\n")
    os._exit(STOPPED)
