"""`make test`: a test that failed together with others runs once more, alone, on fresh servers.

A test that then passes is reported: it needs too much of the machine, or is flaky. One that fails
twice fails the run. The tests of its file or folder run with it, as they may depend on each other;
of the pages, only its own does, as each page starts from a fresh stack.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.parallel import unit

LAST_FAILED = Path(".pytest_cache/v/cache/lastfailed")
#: If more than these fail, it is no coincidence.
MOST_UNITS = 5
PAGES = "tests/acceptance/readme/test_pages.py"
PAGE = re.compile(re.escape(PAGES) + r"::\w+\[([\w./-]+\.md):")


def alone(name: str, failed: list[str]) -> list[str]:
    """What pytest is asked for to run a unit again."""
    of_unit = [test for test in failed if unit(test) == name]
    pages = {found[1] for test in of_unit if (found := PAGE.match(test))}
    if pages and all(map(PAGE.match, of_unit)):
        return [PAGES, "-k", " or ".join(sorted(pages))]
    return [name]


def main() -> int:
    """Run the units of the last run's failed tests; the exit status is pytest's."""
    failed = sorted(json.loads(LAST_FAILED.read_text())) if LAST_FAILED.exists() else []
    units = sorted({unit(nodeid) for nodeid in failed})
    if not 0 < len(units) <= MOST_UNITS:
        return 1
    print(f"Once more, alone: {', '.join(units)}", flush=True)
    command = [sys.executable, "-m", "pytest", "-m", "not slow"]
    runs = [subprocess.run([*command, *alone(name, failed)], check=False) for name in units]
    status = max(run.returncode for run in runs)
    if status == 0:
        print("Passed alone, failed together with others:", *failed, sep="\n  ")
    return status


if __name__ == "__main__":
    sys.exit(main())
