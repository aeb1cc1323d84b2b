"""The parameters of a run, defined once for Airflow's form, run_dag.py and the tasks."""

import reprlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator

from batch_pipeline.scraper import PRODUCTS_PER_VENDOR, VENDORS
from pipeline_common.errors import StackError

MOST_PRODUCTS = 10_000_000  # per vendor; the largest batch measured so far
HIGHEST_SEED = 2**53 - 1  # the largest whole number that every JSON reader keeps exact
LONGEST_BATCH_ID = 250  # characters, as for Airflow's run id

#: JSON Schema. No control characters: they are invisible in a report, and PostgreSQL refuses NUL.
BATCH_ID: dict[str, Any] = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_BATCH_ID,
    "pattern": r"^[^\u0000-\u001f\u007f\ud800-\udfff]*$",
}
#: Each parameter as JSON Schema, from which Airflow also builds its form.
FORM: dict[str, dict[str, Any]] = {
    "vendors": {
        "default": list(VENDORS),
        "type": "array",
        "items": {"type": "string", "enum": list(VENDORS)},
        "examples": list(VENDORS),
        "minItems": 1,
        "uniqueItems": True,
        "description": "Vendors to scrape.",
    },
    "products_per_vendor": {
        "default": PRODUCTS_PER_VENDOR,
        "type": "integer",
        "minimum": 1,
        "maximum": MOST_PRODUCTS,
    },
    "seed": {
        "default": None,
        "type": ["null", "integer"],
        "minimum": 0,
        "maximum": HIGHEST_SEED,
        "description": "The same seed gives the same products; empty: each run has its own.",
    },
    "broken_vendor": {
        "default": None,
        "type": ["null", "string"],
        "enum": [None, *VENDORS],
        "description": "Simulates a vendor whose site does not answer.",
    },
    "reprocess_batch": {
        "default": None,
        **BATCH_ID,
        "type": ["null", "string"],
        "description": "A batch id to re-validate by today's rules; nothing is scraped.",
    },
    "reprocess_all": {
        "default": False,
        "type": "boolean",
        "description": "Re-validates every batch by today's rules; nothing is scraped.",
    },
}
CONF = Draft202012Validator(
    {"type": "object", "properties": FORM, "additionalProperties": False},
)


class ParameterError(StackError):
    """A parameter has a value that is not allowed; one sentence that names it."""


class Parameters(NamedTuple):
    """The parameters of one run."""

    vendors: tuple[str, ...]
    products_per_vendor: int
    seed: int | None
    broken_vendor: str | None
    reprocess_batch: str | None
    reprocess_all: bool

    @property
    def scrapes(self) -> bool:
        """Whether the run scrapes; if not, it re-validates what was scraped before."""
        return self.reprocess_batch is None and not self.reprocess_all


def read_parameters(conf: Mapping[str, Any]) -> Parameters:
    """The parameters in a DAG run's `conf`, with defaults for the others; raises ParameterError."""
    for name in conf:
        if name not in FORM:
            raise ParameterError(
                f"There is no parameter {reprlib.repr(name)}: it is one of {', '.join(FORM)}."
            )
    _check(CONF, dict(conf), "")
    values = {name: field["default"] for name, field in FORM.items()} | dict(conf)
    if values["reprocess_all"] and values["reprocess_batch"] is not None:
        raise ParameterError("Give reprocess_batch or reprocess_all, not both.")
    for name in ("products_per_vendor", "seed"):  # 7.0 is a whole number in JSON Schema
        values[name] = None if values[name] is None else int(values[name])
    return Parameters(**values | {"vendors": tuple(values["vendors"])})


def check_batch_id(text: str) -> None:
    """Raise ParameterError if the text cannot be a batch id."""
    _check(Draft202012Validator(BATCH_ID), text, "batch id")


def _check(schema: Draft202012Validator, value: object, name: str) -> None:
    for error in schema.iter_errors(value):
        where = name or ".".join(map(str, error.absolute_path))
        # The message quotes the value, which may be as long as the sender liked.
        message = error.message.replace(repr(error.instance), reprlib.repr(error.instance))
        if error.validator == "pattern":
            message = f"{reprlib.repr(error.instance)} holds a control character"
        raise ParameterError(f"{where}: {message}.")
