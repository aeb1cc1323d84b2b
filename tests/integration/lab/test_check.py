"""`make check` as a learner runs it: hints, progress, the overview, JSON."""

import json
import os
import re
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import psycopg2
import pytest
from typer.testing import CliRunner

from lab import check
from lab.course_pages import MARK, pages, with_section
from lab.exercises import EXERCISES
from lab.exercises.exercise import Exercise, Lab
from pipeline_common.settings import PROJECT_FOLDER
from tests.integration.lab.solutions import SOLUTIONS, WRONG_SOLUTIONS
from tests.integration.lab.solutions.learner import Learner, changed

COUNTS = EXERCISES[0]


def test_a_learner_gets_hints_then_the_next_task(learner: Learner, tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    hints = [check.check(COUNTS, learner.lab, check.Progress(path))[1] for _ in range(4)]
    assert hints == [*COUNTS.hints, COUNTS.hints[2]]
    SOLUTIONS["counts"].right(learner)
    assert check.check(COUNTS, learner.lab, check.Progress(path)) == ("", "")
    kept = check.overview(check.Progress(path))
    assert (kept[0]["state"], kept[0]["failures"]) == ("done", 4)
    assert [entry["state"] for entry in kept[1:]] == ["next"] + ["open"] * (len(EXERCISES) - 2)


def test_what_was_done_stays_done(learner: Learner, tmp_path: Path) -> None:
    progress = check.Progress(tmp_path / "progress.json")
    SOLUTIONS["counts"].right(learner)
    check.check(COUNTS, learner.lab, progress)
    done_at = progress.of(COUNTS).done_at
    learner.sql("pipeline_db", "DROP VIEW lab.counts")
    found, _ = check.check(COUNTS, learner.lab, progress)
    assert found == "pipeline_db has no table or view lab.counts."
    assert check.Progress(progress.path).of(COUNTS).done_at == done_at


def test_two_checks_at_a_time_keep_what_each_found(tmp_path: Path) -> None:
    one, other = (check.Progress(tmp_path / "progress.json") for _ in range(2))
    one.passed(EXERCISES[0])
    other.failed(EXERCISES[1])
    kept = check.overview(check.Progress(one.path))
    assert (kept[0]["state"], kept[1]["failures"]) == ("done", 1)


@pytest.fixture
def progress(tmp_path: Path) -> check.Progress:
    return check.Progress(tmp_path / "progress.json")


def of_page(page: int) -> list[Exercise]:
    return [one for one in EXERCISES if one.page.startswith(str(page))]


def done(progress: check.Progress, exercises: list[Exercise], day: int) -> None:
    for exercise in exercises:
        progress.of(exercise).done_at = datetime(2026, 11, day, tzinfo=timezone.utc)


def test_next_is_on_the_page_where_one_was_completed_last(
    progress: check.Progress, capsys: pytest.CaptureFixture[str]
) -> None:
    done(progress, of_page(4)[:1], day=1)
    assert progress.left()[0] is of_page(4)[1]
    check.show_next(progress)
    before = sum(len(of_page(page)) for page in range(4))
    said = capsys.readouterr().out
    assert f"You last completed one on page 4-batch; on the pages before it, {before} are" in said
    done(progress, of_page(1)[1:2], day=2)
    assert progress.left()[0] is of_page(1)[0]


def test_next_is_on_a_later_page_then_on_an_earlier_one(
    progress: check.Progress, capsys: pytest.CaptureFixture[str]
) -> None:
    done(progress, of_page(5), day=1)
    assert progress.left()[0] is of_page(6)[0]
    done(progress, of_page(6), day=2)
    assert progress.left()[0] is EXERCISES[0]
    check.show_next(progress)
    assert "(" not in capsys.readouterr().out.removeprefix("Next").split(EXERCISES[0].task)[1]
    done(progress, EXERCISES, day=3)
    check.show_next(progress)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("status", "of_make"), [(0, 0), (1, 0), (2, 2)])
def test_an_open_exercise_is_no_error_of_make(tmp_path: Path, status: int, of_make: int) -> None:
    """A program that ends as lab.check does stands in for Python, and leaves the progress alone."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nexit {status}\n")
    program.chmod(0o755)
    ended = subprocess.run(
        ["make", "-o", ".venv/installed", f"PYTHON={program}", "check", "EXERCISE=1"],
        cwd=PROJECT_FOLDER,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == of_make, ended.stderr
    assert ("Error" in ended.stderr) == bool(of_make)


def run(learner: Learner, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command, in a pipe, on the learner's stack."""
    settings = learner.lab.settings.model_dump()
    environment = {name.upper(): str(value) for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "lab.check", *arguments],
        cwd=PROJECT_FOLDER,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture
def runner(learner: Learner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """The command in this process, with a progress file of its own."""
    monkeypatch.setattr(check, "PROGRESS", tmp_path / "progress.json")
    monkeypatch.setattr(check, "Lab", lambda _settings: learner.lab)
    return CliRunner()


def test_the_command_says_what_is_wrong_and_what_was_learned(
    runner: CliRunner, learner: Learner
) -> None:
    wrong = runner.invoke(check.app, ["1"])
    assert wrong.exit_code == 1
    SOLUTIONS["counts"].right(learner)
    right = runner.invoke(check.app, ["1"])
    assert right.exit_code == 0
    assert COUNTS.teaches in right.output
    assert f"Next, exercise 2 of page {EXERCISES[1].page}" in right.output
    shown = runner.invoke(check.app, []).output
    assert re.search(r"\| +1 \| 0-set-up +\| see +\| counts +\| done +\|", shown)
    assert f"1 of {len(EXERCISES)} exercises are done." in shown


def test_json_is_for_teachers(runner: CliRunner) -> None:
    checked = json.loads(runner.invoke(check.app, ["1", "--json"]).output)
    assert checked == {
        "number": 1,
        "done": False,
        "found": "pipeline_db has no table or view lab.counts.",
        "hint": COUNTS.hints[0],
    }
    entries = json.loads(runner.invoke(check.app, ["--json"]).output)
    assert [entry["number"] for entry in entries] == list(range(1, len(EXERCISES) + 1))
    assert (entries[0]["failures"], entries[0]["done_at"]) == (1, None)


def test_a_number_that_there_is_not_is_wrong_usage(learner: Learner) -> None:
    done = run(learner, "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"0 is not between 1 and {len(EXERCISES)}" in done.stderr


def test_a_stack_that_is_down_is_no_failed_check(tmp_path: Path, learner: Learner) -> None:
    away = changed(learner.lab.settings, pgport=1)
    progress = check.Progress(tmp_path / "progress.json")
    with pytest.raises(psycopg2.OperationalError):
        check.check(COUNTS, Lab(away), progress)
    assert progress.of(COUNTS).failures == 0


def test_every_exercise_has_hints_and_solutions() -> None:
    assert {exercise.name for exercise in EXERCISES} == WRONG_SOLUTIONS.keys()
    assert len({exercise.name for exercise in EXERCISES}) == len(EXERCISES)
    for exercise in EXERCISES:
        assert len(set(exercise.hints)) == 3
        assert WRONG_SOLUTIONS[exercise.name] >= 2, exercise.name
    assert [one.page for one in EXERCISES] == sorted(one.page for one in EXERCISES)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_pages_list_the_exercises(page: Path) -> None:
    text = page.read_text()
    assert text.count(MARK) == 2
    assert with_section(text, page.stem) == text
