"""Back up both databases, and restore them to any moment since: `make backup`, `make restore`."""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Annotated

import typer

from backup.places import DATABASES, Containers, Place, Processes
from local_stack.__main__ import user_stack
from pipeline_common.console import run, stderr, zoned
from pipeline_common.errors import StackError
from pipeline_common.settings import PROJECT_FOLDER
from pipeline_common.tables import screen_width, table

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)


def utc_time(text: str) -> datetime:
    """A time in the past with its zone, such as 2026-11-24T08:00:00Z."""
    moment = zoned(text)
    if moment > datetime.now(timezone.utc):
        raise typer.BadParameter(f"{text!r} is in the future")
    return moment.astimezone(timezone.utc)


def place_of_the_stack() -> Place:
    """Where `make` would run the databases: in containers, or as processes."""
    choice = subprocess.run(
        [PROJECT_FOLDER / "local_stack/choose.sh"], stdout=subprocess.PIPE, text=True, check=False
    )
    if choice.returncode:
        sys.exit(choice.returncode)
    return Containers() if choice.stdout.strip() == "docker" else Processes(user_stack())


def back_up(
    place: Place, databases: Sequence[str], *, after_restore: bool = False
) -> list[list[str]]:
    """Take a base backup of each database; returns the kept ones: database, time, size.

    After a restore, no older backup is deleted.
    """
    rows = []
    for name in databases:
        if not place.is_up(name):
            raise StackError(
                f"{name} is not running, and only a running database can be backed up: make up"
            )
        with stderr.status(f"backing up {name}"):
            kept = place.run(name, "base_backup.sh", *(["after-restore"] if after_restore else []))
        for line in kept.splitlines():
            end, kilobytes = line.split()
            rows.append([name, str(time_of(end)), f"{int(kilobytes) / 1024:.1f} MB"])
    return rows


def restore(place: Place, databases: Sequence[str], moment: datetime | None) -> None:
    """Restore the databases to a time (None: to the end of the archived WAL), and start them.

    Raises StackError if that fails; the database then keeps its old data.
    """
    target = [str(moment)] if moment else []
    stopped = place.stop([name for database in databases for name in DATABASES[database]])
    for name in databases:
        try:
            with stderr.status(f"restoring {name}"):
                said = place.run(name, "restore.sh", "restore", *target)
        except StackError as error:
            raise StackError(
                f"{error}\nThe data of {name} is as it was; to start what is stopped: make up"
            ) from error
        stderr.print(f"  {name} is restored. {' '.join(said.split())}", soft_wrap=True)
        place.start([name])
        back_up(place, [name], after_restore=True)  # of the new timeline, before more is stored
    if others := [name for name in reversed(stopped) if name not in databases]:
        place.start(others)


def time_of(backup: str) -> datetime:
    """When a backup ended, from its name."""
    return datetime.strptime(backup, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)


@app.command()
def take() -> None:
    """Take a base backup of both databases; from the first one on, they archive their WAL."""
    rows = back_up(place_of_the_stack(), list(DATABASES))
    print(table(rows, ["database", "backup of", "size"], screen_width()))
    stderr.print("Any moment after the first of them can be restored: make restore TIME=...")


@app.command("restore")
def restore_command(
    database: Annotated[
        str, typer.Argument(help=f"{' or '.join(DATABASES)}; both if not given.")
    ] = "",
    time: Annotated[
        datetime | None,
        typer.Option(
            parser=utc_time, metavar="TIME", help="Restore to this moment: 2026-11-24T08:00:00Z."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Put the databases back to a moment, else to the end of what is archived."""
    if database and database not in DATABASES:
        raise typer.BadParameter(f"{database} is none of: {', '.join(DATABASES)}")
    databases = [database] if database else list(DATABASES)
    place = place_of_the_stack()
    for name in databases:
        base = place.run(name, "restore.sh", "find", *([str(time)] if time else []))
        to = f"to {time}" if time else "to the end of what is archived"
        print(f"{name} goes back {to}, from the backup of {time_of(base.strip())}.")
    print("What they have stored since is replaced.")
    if not yes and not (sys.stdin.isatty() and typer.confirm("Go on?")):
        raise StackError("Nothing was changed. Without asking: make restore YES=1")
    restore(place, databases, time)
    print("Restored and started. The validator reads on from there: Kafka has the rest.")


if __name__ == "__main__":
    run(app)
