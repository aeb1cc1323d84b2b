"""The validator as it would be with another rule for temperature, and a higher RULE_VERSION.

LOWEST=0 HIGHEST=100 python tests/integration/streaming/other_rules.py [options]
"""

import os
from typing import Annotated

import msgspec

from pipeline_common.console import run
from streaming_pipeline import quick_path, relocation, rows, rules, stream_validator

lowest, highest = float(os.environ["LOWEST"]), float(os.environ["HIGHEST"])
rules.RANGES["temperature"] = (lowest, highest)
rows.RULE_VERSION = relocation.RULE_VERSION = rules.RULE_VERSION + 1  # type: ignore[attr-defined]


class Reading(rules.Reading):
    """As the rules have it, but for the range."""

    temperature: Annotated[float, msgspec.Meta(ge=lowest, le=highest)]


rules.Reading = Reading  # type: ignore[misc]
quick_path.DECODER = msgspec.json.Decoder(Reading)
if __name__ == "__main__":
    run(stream_validator.app)
