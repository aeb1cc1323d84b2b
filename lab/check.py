"""Check an exercise of the course, or show which are done.

\b
python -m lab.check       # the overview: done, next, open; the same as make check
python -m lab.check 3     # check exercise 3: exit 0 if it is done, else 1; make check EXERCISE=3

The next exercise is the first open one from the page on which you last completed one. What you have
done, and how often a check failed, is kept in lab/progress.json.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from lab.exercises import EXERCISES
from lab.exercises.exercise import Exercise, Lab, NotYet
from pipeline_common.console import run, stderr
from pipeline_common.errors import StackError
from pipeline_common.settings import PROJECT_FOLDER, Settings
from pipeline_common.tables import screen_width, table

PROGRESS = PROJECT_FOLDER / "lab/progress.json"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Record(msgspec.Struct):
    """What is kept about one exercise."""

    done_at: datetime | None = None  # when a check first passed
    failures: int = 0  # checks that failed before that


class Progress:
    """The records of all exercises, by name, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: dict[str, Record] = {}
        self._read()

    def _read(self) -> None:
        """Also before each change: another check may have finished while this one was grading."""
        if self.path.exists():
            try:
                self.records = msgspec.json.decode(self.path.read_bytes(), type=dict[str, Record])
            except msgspec.DecodeError as error:
                raise StackError(
                    f"{self.path} cannot be read ({error}). Delete it to start again."
                ) from error

    def of(self, exercise: Exercise) -> Record:
        """The record of an exercise; a new one if it was never checked."""
        return self.records.setdefault(exercise.name, Record())

    def passed(self, exercise: Exercise) -> None:
        """Record that it is done."""
        self._read()
        record = self.of(exercise)
        record.done_at = record.done_at or datetime.now(timezone.utc).replace(microsecond=0)
        self._save()

    def failed(self, exercise: Exercise) -> str:
        """Record that a check failed; returns the hint that is due now."""
        self._read()
        record = self.of(exercise)
        record.failures += 1
        self._save()
        return exercise.hints[min(record.failures, len(exercise.hints)) - 1]

    def _save(self) -> None:
        """All or nothing: a file that is half written could not be read again."""
        new = self.path.with_suffix(".new")
        new.write_bytes(msgspec.json.format(msgspec.json.encode(self.records)) + b"\n")
        new.replace(self.path)

    def page(self) -> str:
        """The learner's page: that of the exercise that was done last; the first one at first."""
        done = [(at, one.page) for one in EXERCISES if (at := self.of(one).done_at)]
        return max(done)[1] if done else EXERCISES[0].page

    def left(self) -> list[Exercise]:
        """The exercises that are not done: from the learner's page on, then those before it."""
        page = self.page()
        left = [one for one in EXERCISES if not self.of(one).done_at]
        return sorted(left, key=lambda one: one.page < page)


def number_of(exercise: Exercise) -> int:
    """The exercise's number, from 1."""
    return EXERCISES.index(exercise) + 1


def overview(progress: Progress) -> list[dict[str, Any]]:
    """One entry for each exercise, with what is kept of it."""
    following = progress.left()[:1]
    return [
        {
            "number": number,
            "page": one.page,
            "kind": one.kind,
            "name": one.name,
            "state": "done" if record.done_at else "next" if one in following else "open",
            "failures": record.failures,
            "done_at": record.done_at and record.done_at.isoformat(),
        }
        for number, one in enumerate(EXERCISES, start=1)
        for record in [progress.of(one)]
    ]


def check(exercise: Exercise, lab: Lab, progress: Progress) -> tuple[str, str]:
    """Grade an exercise and keep the result: what was found, and the hint; both empty if right."""
    try:
        exercise.grade(lab)
    except NotYet as wrong:
        return str(wrong), progress.failed(exercise)
    progress.passed(exercise)
    return "", ""


def show_overview(progress: Progress) -> None:
    """Print the table, and the next task below it."""
    columns = ["number", "page", "kind", "name", "state"]
    entries = overview(progress)
    rows = [[entry[column] for column in columns] for entry in entries]
    print(table(rows, columns, screen_width()))
    done = sum(entry["state"] == "done" for entry in entries)
    print(f"{done} of {len(entries)} exercises are done.")
    show_next(progress)


def show_result(exercise: Exercise, found: str, hint: str, progress: Progress) -> None:
    """Print the result of a check."""
    number = number_of(exercise)
    if found:
        stderr.print(f"Exercise {number} is not done yet. {found}", markup=False, soft_wrap=True)
        stderr.print(f"Hint: {hint}", markup=False, soft_wrap=True)
        return
    print(f"Exercise {number} is done. {exercise.teaches}")
    show_next(progress)


def show_next(progress: Progress) -> None:
    """Print the next task, and how many on earlier pages it leaves open."""
    if not (left := progress.left()):
        return
    following = left[0]
    print(f"Next, exercise {number_of(following)} of page {following.page}: {following.task}")
    if earlier := sum(one.page < following.page for one in left):
        print(
            f"(You last completed one on page {progress.page()}; on the pages before it, {earlier} "
            "are still open.)"
        )


@app.command(help=__doc__)
def main(
    number: Annotated[int | None, typer.Argument(help="The exercise's number.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")] = False,
) -> None:
    """Show the overview, or check one exercise; 1 if that is not done."""
    progress = Progress(PROGRESS)
    if number is None:
        if as_json:
            print(json.dumps(overview(progress)))
        else:
            show_overview(progress)
        return
    if not 1 <= number <= len(EXERCISES):
        raise typer.BadParameter(f"{number} is not between 1 and {len(EXERCISES)}")
    exercise = EXERCISES[number - 1]
    found, hint = check(exercise, Lab(Settings()), progress)
    if as_json:
        print(json.dumps({"number": number, "done": not found, "found": found, "hint": hint}))
    else:
        show_result(exercise, found, hint, progress)
    if found:
        sys.exit(1)


if __name__ == "__main__":
    run(app)
