"""The project's docker-compose.yml, unedited, on a Docker engine of the tests' own.

This does not test quirks of the real images: CI cannot reach a registry, so the images are
stand-ins (stand_ins.py) that follow the documented contract of the real ones. If the user's own
Docker has the real images, those are used instead.

The fixtures have package scope, so that the engine is stopped after these tests.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from pipeline_common.settings import PROJECT_FOLDER
from tests.acceptance.compose import stand_ins
from tests.acceptance.compose.engine import docker_engine, why_not
from tests.acceptance.compose.project import Compose, project


@pytest.fixture(scope="package")
def real_images() -> bool:
    """Whether the user's own Docker has all the real images, or must have them: REAL_IMAGES=1."""
    if os.environ.get("REAL_IMAGES"):
        return True
    if shutil.which("docker") is None:
        return False
    names = {
        service["image"]
        for file in PROJECT_FOLDER.glob("docker-compose*.yml")
        for service in stand_ins.services(file.name).values()
        if "image" in service
    }
    inspect = ["docker", "image", "inspect", *names]
    return subprocess.run(inspect, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="package")
def docker(real_images: bool) -> Iterator[dict[str, str]]:
    """The environment of an engine that has every image that docker-compose.yml names."""
    if real_images:
        yield dict(os.environ)
        return
    if reason := why_not():
        pytest.skip(f"docker-compose.yml is not tested here: {reason}")
    with docker_engine() as environment:
        stand_ins.build_all(environment)
        yield environment


@pytest.fixture(scope="package")
def figures() -> Iterator[dict[str, str]]:
    """What the tests measure; WRITE_FIGURES=1 puts it into docs/containers.md."""
    measured: dict[str, str] = {}
    yield measured
    if measured and os.environ.get("WRITE_FIGURES"):
        page = PROJECT_FOLDER / "docs/containers.md"
        rows = "".join(f"| {what} | {value} |\n" for what, value in measured.items())
        table = f"| | |\n|---|---|\n{rows}"
        page.write_text(re.sub(r"(?<=-->\n\n)\| \| \|\n(\|.*\n)+", table, page.read_text()))


@pytest.fixture(scope="package")
def up(docker: dict[str, str], figures: dict[str, str]) -> Iterator[Compose]:
    """All seven, started in a fresh clone as the README says, without any configuration."""
    with project(docker) as compose:
        figures["first start, images there: healthy after"] = f"{compose.up():.0f} s"
        yield compose
