"""Check that every service of the stack answers and holds what a fresh stack should.

\b
python python_scripts/verify_setup.py           # now; exit 0 if every check passes, else 1
python python_scripts/verify_setup.py --wait    # until every check passes, five minutes at most
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import json
import sys
import time
from typing import Annotated, NamedTuple

import typer

from pipeline_common.console import run, stderr
from pipeline_common.settings import Settings
from pipeline_common.tables import screen_width, table
from python_scripts.drawing import tick
from python_scripts.explorer import AsJson
from python_scripts.verify_checks import CHECKS, FAULTS, Check

WAIT_SECONDS = 300

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Outcome(NamedTuple):
    """One check: what was found, or what is wrong and what to do next."""

    service: str
    passed: bool
    found: str
    next_step: str


def perform(check: Check, settings: Settings) -> Outcome:
    """Run one check and return its outcome."""
    try:
        return Outcome(check.service, True, check.look(settings), "")
    except FAULTS as fault:
        # The errors of this project say what to do next after what happened.
        found, _, advice = str(fault).strip().splitlines()[0].partition(". ")
        next_step = advice or check.next_step.format(service=check.service)
        return Outcome(check.service, False, found, next_step)


def perform_all(settings: Settings) -> list[Outcome]:
    """Run all checks; of a service that failed one, the rest is left out: they would fail alike."""
    outcomes: list[Outcome] = []
    for check in CHECKS:
        if check.service not in failed_services(outcomes):
            outcomes.append(perform(check, settings))
    return outcomes


def failed_services(outcomes: list[Outcome]) -> list[str]:
    """Services that are not what they should be, in the order of the checks."""
    return [outcome.service for outcome in outcomes if not outcome.passed]


def wait_until_well(settings: Settings, seconds: float) -> list[Outcome]:
    """Repeat all checks until they pass or time is up; print what is missing."""
    deadline = time.monotonic() + seconds
    printed: list[str] = []
    while failed := failed_services(outcomes := perform_all(settings)):
        if time.monotonic() > deadline:
            break
        if failed != printed:
            stderr.print(f"Waiting for {', '.join(failed)}")
            printed = failed
        time.sleep(1)
    return outcomes


@app.command(help=__doc__)
def main(
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every check passes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check every service, its version and what a fresh stack should hold."""
    outcomes = wait_until_well(Settings(), WAIT_SECONDS if wait else 0)
    if as_json:
        print(json.dumps([outcome._asdict() for outcome in outcomes]))
    else:
        rows = [(tick(passed), service, found) for service, passed, found, _ in outcomes]
        print(table(rows, ["", "service", "found"], screen_width()), flush=True)
    if not any(outcome.passed for outcome in outcomes):
        stderr.print("Nothing answers. Start the stack: make up")
    elif failed := [outcome for outcome in outcomes if not outcome.passed]:
        stderr.print("What to do next:")
        for outcome in failed:
            stderr.print(f"  {outcome.service}: {outcome.next_step}", markup=False, soft_wrap=True)
    else:
        stderr.print("Everything is there.")
        return
    sys.exit(1)


if __name__ == "__main__":
    run(app)
