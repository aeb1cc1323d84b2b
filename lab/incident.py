"""A hidden fault in the running stack, for you to find and repair: `make incident`.

\b
python -m lab.incident start             # or --seed 7: the same one again
python -m lab.incident causes            # what it may be, and what the evidence is
python -m lab.incident hint              # three of them
python -m lab.incident answer lock-held --evidence 4711   # if it is that, by its pid
python -m lab.incident check             # is it repaired, and do the ledgers balance?
python -m lab.incident give-up           # puts back all that was changed

docs/incidents.md solves one. What you had in the stack stays as it is.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import base64
import json
import random
import sys
import textwrap
import time
from contextlib import closing
from typing import Annotated, Any

import typer

from lab.incidents.catalog import CAUSES, INCIDENTS, cause_of
from lab.incidents.incident import Incident, Memory
from pipeline_common.console import run
from pipeline_common.database import connect
from pipeline_common.errors import StackError
from pipeline_common.settings import PROJECT_FOLDER, Settings
from pipeline_common.tables import screen_width, table
from python_scripts.queries import run_query

SEEDS = 1000
#: What is noted about the open incident; in base64, so that a glance does not give it away.
STATE = PROJECT_FOLDER / "lab/incident.state"

app = typer.Typer(
    help=__doc__, add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True
)


def save(state: dict[str, Any]) -> None:
    """Save the notes about the open incident."""
    STATE.write_bytes(base64.encodebytes(json.dumps(state).encode()))


def under_way(*, half_way: bool = False) -> tuple[dict[str, Any], Incident]:
    """The notes about the open incident, and the incident; raises StackError if none is open.

    Also raises for one that was interrupted and could not be undone, unless `half_way`.
    """
    try:
        state: dict[str, Any] = json.loads(base64.decodebytes(STATE.read_bytes()))
    except FileNotFoundError:
        raise StackError("No incident is open. Start one: make incident") from None
    if "begun" not in state and not half_way:
        raise StackError(
            "It was interrupted while it started. Undo it: python -m lab.incident give-up"
        )
    return state, INCIDENTS[cause_of(state["seed"])]


def say(text: str) -> None:
    """Print it, wrapped to the width of the screen."""
    for line in text.split("\n"):
        print("\n".join(textwrap.wrap(line, screen_width(), break_on_hyphens=False)))


@app.command(epilog="Example: python -m lab.incident start --seed 7")
def start(
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="The same seed starts the same fault; without it, any."),
    ] = None,
) -> None:
    """Break something in the running stack, and print what a colleague reports."""
    if STATE.exists():
        raise StackError(
            "An incident is already open: answer it, or python -m lab.incident give-up"
        )
    seed = random.SystemRandom().randrange(SEEDS) if seed is None else seed
    incident = INCIDENTS[cause_of(seed)]
    memory: Memory = {}
    state = {"seed": seed, "memory": memory, "hints": 0, "wrong": 0}

    def note(**what: Any) -> None:
        memory.update(what)
        save(state)

    try:
        incident.inject(Settings(), random.Random(seed), note)
        save(state | {"begun": time.time()})
    except BaseException:  # Ctrl-C as well
        if memory:
            print("Interrupted: undoing what has been changed ...", file=sys.stderr)
            incident.put_back(Settings(), memory)
            STATE.unlink()
            print("All changes are undone.", file=sys.stderr)
        raise
    say(f"Incident {seed}. A colleague reports:\n\n{incident.symptom.format(**memory)}\n")
    say("What is the cause, and what is your evidence? python -m lab.incident causes lists both.")


@app.command()
def causes() -> None:
    """List the possible causes, and what counts as evidence for each."""
    rows = [(cause, *words) for cause, words in CAUSES.items()]
    print(table(rows, ["cause", "in words", "evidence"], screen_width()))


@app.command()
def hint() -> None:
    """Print the next hint; each says more than the one before."""
    state, incident = under_way()
    number = min(state["hints"] + 1, len(incident.hints))
    save(state | {"hints": number})
    say(f"Hint {number} of {len(incident.hints)}: {incident.hints[number - 1]}")


@app.command(epilog="Example: python -m lab.incident answer lock-held --evidence 4711")
def answer(
    cause: Annotated[str, typer.Argument(help="One of the causes that the command causes lists.")],
    evidence: Annotated[
        str,
        typer.Option(help="What proves it, such as a pid or a name; the command causes says what."),
    ],
) -> None:
    """Say what it is; 1 if the cause or the evidence is wrong."""
    if cause not in CAUSES:
        raise typer.BadParameter(
            f"{cause} is not one of the causes: see python -m lab.incident causes"
        )
    state, incident = under_way()
    if INCIDENTS.get(cause) is not incident:
        save(state | {"wrong": state["wrong"] + 1})
        raise StackError(f"It is not {cause}. Look again, or: python -m lab.incident hint")
    if evidence not in incident.answers(Settings(), state["memory"]):
        save(state | {"wrong": state["wrong"] + 1})
        wanted = CAUSES[cause][1]
        raise StackError(f"The cause is right, the evidence is not. The evidence is {wanted}.")
    save(state | {"answered": True})
    print("Cause and evidence are right. Repair it, then: python -m lab.incident check")


@app.command()
def check() -> None:
    """Close the incident if it is answered and repaired and the ledgers balance; 1 if not."""
    state, incident = under_way()
    if "answered" not in state:
        raise StackError("First say what it is: python -m lab.incident answer CAUSE --evidence …")
    if said := incident.still_wrong(Settings(), state["memory"]) or unbalanced(Settings()):
        raise StackError(f"Not yet. {said}")
    STATE.unlink()
    minutes = (time.time() - state["begun"]) / 60
    say(
        f"Repaired, and the ledgers balance. Incident {state['seed']}: minutes {minutes:.0f}, "
        f"hints {state['hints']}, wrong answers {state['wrong']}."
    )


@app.command()
def give_up() -> None:
    """Undo all that the incident has changed, and say what it was."""
    state, incident = under_way(half_way=True)
    incident.put_back(Settings(), state["memory"])
    STATE.unlink()
    cause = cause_of(state["seed"])
    say(f"It was {cause}: {CAUSES[cause][0]}. All changes are undone.")
    say(f"The last hint: {incident.hints[-1]}")


def unbalanced(settings: Settings) -> str | None:
    """Which ledger does not balance, or None."""
    ledgers = {"stream_ledger": settings.timescale, "batch_ledger": settings.postgres}
    for name, login in ledgers.items():
        with closing(connect(settings.reader(login), "incident")) as connection:
            result = run_query(connection, name)
        missing = list(result.headers).index("missing")
        if wrong := [row for row in result.rows if row[missing]]:
            return f"The ledger of {wrong[0][0]} does not balance: {wrong[0][missing]} missing."
    return None


if __name__ == "__main__":
    run(app)
