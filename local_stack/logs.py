"""What a service's log says about a failure."""

import re
from pathlib import Path

#: How Java and Python begin the line that names the error; the last such line is the cause.
EXCEPTION = re.compile(r"^(Caused by: )?[\w.]+(Error|Exception|InvalidToken)\b")
#: How PostgreSQL and Java's logs mark it.
SEVERE = re.compile(r"\b(FATAL|PANIC|ERROR|CRITICAL)\b")
RECENT_LINES = 400


def failing_line(log: Path) -> str:
    """The line of the log that says why the service failed; its last lines if none does."""
    text = log.read_text(errors="replace") if log.exists() else ""
    lines = text.splitlines()[-RECENT_LINES:]
    for pattern in (EXCEPTION, SEVERE):
        found = [line for line in lines if pattern.search(line)]
        if found:
            return found[-1].strip()
    return "\n".join(lines[-5:])
