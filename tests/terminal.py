"""A real terminal of some width with a process in it; what it shows is kept."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CONTROLS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")
UP = "\x1b[1A"  # the cursor goes a line up: what is drawn next replaces that line


class Terminal:
    """What a process shows at a terminal, without the codes that colour it and move the cursor."""

    def __init__(self, process: "subprocess.Popen[bytes]", master: int) -> None:
        self.process = process
        self.master = master
        self.raw = b""

    @property
    def shown(self) -> str:
        """All that was shown so far; each redrawing is below the one before."""
        return CONTROLS.sub("", self.raw.decode(errors="replace").replace(UP, "\n"))

    def read(self) -> None:
        """Take what was shown in the last moment."""
        if select.select([self.master], [], [], 0.2)[0]:
            with suppress(OSError):  # the process has closed its side
                self.raw += os.read(self.master, 65536)

    def wait_for(self, pattern: str, seconds: float = 120) -> re.Match[str]:
        """Wait until something is shown that the pattern matches."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.shown)):
            assert time.monotonic() < deadline, self.shown
            assert self.process.poll() is None, self.shown
            self.read()
        return found

    def ended(self, seconds: float = 120) -> int:
        """Wait for the end of the process; its exit code."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.shown
            self.read()
        self.read()
        return self.process.returncode


@contextmanager
def terminal(
    command: list[str], environment: dict[str, str], columns: int = 80, lines: int = 40
) -> Iterator[Terminal]:
    """The command at a terminal; killed at the end of the block if it still runs."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {"TERM": "xterm-256color"} | environment
    with subprocess.Popen(
        command, env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    ) as process:
        os.close(slave)
        try:
            yield Terminal(process, master)
        finally:
            process.kill()
            os.close(master)
