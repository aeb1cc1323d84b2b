"""Solutions of the exercises of course page 0."""

from pipeline_common.settings import Settings
from tests.integration.lab.solutions.learner import Learner, Solution, Solutions, sql
from tests.own_stack import free_ports

COUNTS = """SELECT (SELECT count(*) FROM raw_products) AS raw,
                   (SELECT count(*) FROM clean_products) AS clean,
                   (SELECT count(*) FROM quarantine_products) AS quarantined"""
NOTES = "CREATE TABLE lab.notes (written timestamptz DEFAULT now())"
A_NOTE = "INSERT INTO lab.notes DEFAULT VALUES"
SIZES = """SELECT relname AS table_name, {}(oid) AS bytes FROM pg_class
           WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"""


USUAL_PORT = Settings.model_fields["timescale_port"].default


def not_moved(learner: Learner) -> None:
    """The setting is that of a fresh clone."""
    learner.change_settings(timescale_port=USUAL_PORT)


def moved(learner: Learner) -> None:
    """The setting is the port where the tests' server listens."""
    learner.change_settings(timescale_port=learner.stack.settings.timescale_port)


def moved_but_not_restarted(learner: Learner) -> None:
    """Nothing listens where the setting says."""
    learner.change_settings(timescale_port=free_ports(1)[0])


def moved_without_data(learner: Learner) -> None:
    """A new server, not the old one at another port."""
    moved(learner)
    learner.sql("timeseries_db", "DELETE FROM sensor_readings")


def write_notes(learner: Learner) -> None:
    """A row in each database."""
    for database in ("pipeline_db", "timeseries_db"):
        learner.sql(database, NOTES, A_NOTE)


def write_then_restart(*services: str) -> Solution:
    """Write a row in each database, then restart services."""

    def act(learner: Learner) -> None:
        write_notes(learner)
        for service in services:
            learner.stack.restart(service)

    return act


SOLUTIONS = {
    "counts": Solutions(
        sql("pipeline_db", f"CREATE VIEW lab.counts AS {COUNTS}"),
        {
            "numbers typed in": (
                sql(
                    "pipeline_db",
                    "CREATE VIEW lab.counts AS SELECT 4 AS raw, 3 AS clean, 0 AS quarantined",
                ),
                "does not follow",
            ),
            "a copy": (
                sql("pipeline_db", f"CREATE TABLE lab.counts AS {COUNTS}"),
                "does not follow",
            ),
            "other names": (
                sql("pipeline_db", "CREATE VIEW lab.counts AS SELECT count(*) FROM raw_products"),
                "has not the columns",
            ),
        },
    ),
    "port": Solutions(
        moved,
        {
            "not moved": (not_moved, "is still 5433"),
            "not restarted": (moved_but_not_restarted, "Nothing answers at port"),
            "an empty server": (moved_without_data, "has none of the sample readings"),
        },
        start=not_moved,
    ),
    "survives": Solutions(
        write_then_restart("my_postgres", "my_timescaledb"),
        {
            "nothing restarted": (write_then_restart(), "none older than"),
            "one server only": (write_then_restart("my_timescaledb"), "none older than"),
        },
    ),
    "sizes": Solutions(
        sql("pipeline_db", f"CREATE VIEW lab.sizes AS {SIZES.format('pg_total_relation_size')}"),
        {
            "without indexes": (
                sql("pipeline_db", f"CREATE VIEW lab.sizes AS {SIZES.format('pg_relation_size')}"),
                "are not what the database holds",
            ),
            "a copy": (
                sql(
                    "pipeline_db",
                    f"CREATE TABLE lab.sizes AS {SIZES.format('pg_total_relation_size')}",
                ),
                "does not follow",
            ),
        },
    ),
}
