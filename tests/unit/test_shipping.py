"""What a public repository has besides code: workflows, updates, a dev container, pre-commit."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from local_stack.folders import cache_folder
from pipeline_common.settings import PROJECT_FOLDER

WORKFLOWS = sorted((PROJECT_FOLDER / ".github/workflows").glob("*.yml"))
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command in the project folder, as if no other `make` ran it."""
    outer = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}  # at a level of 1 `make` names its folder
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.run(
        command, cwd=PROJECT_FOLDER, env=environment, capture_output=True, text=True, check=False
    )


def of_the_environment(program: str) -> Path:
    """A program that requirements.lock has installed."""
    return Path(sys.executable).with_name(program)


@pytest.fixture(scope="module")
def actionlint() -> Path:
    """actionlint, built once by Go, where Go and its modules can be had."""
    if not shutil.which("go"):
        pytest.skip("actionlint is built by Go, which is not installed")
    program = cache_folder() / "actionlint"
    if not program.exists():
        environment = os.environ | {"GOBIN": str(cache_folder())}
        command = ["go", "install", ACTIONLINT]
        built = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        if built.returncode:
            pytest.skip(f"actionlint cannot be built here: {built.stderr[-300:]}")
    return program


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actionlint_accepts_the_workflow(workflow: Path, actionlint: Path) -> None:
    done = run(actionlint, workflow)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("vendor.dependabot", [PROJECT_FOLDER / ".github/dependabot.yml"]),
    ],
)
def test_files_are_as_their_schema_says(schema: str, files: list[Path]) -> None:
    done = run(of_the_environment("check-jsonschema"), "--builtin-schema", schema, *files)
    assert done.returncode == 0, done.stdout + done.stderr


def test_pre_commit_accepts_its_configuration() -> None:
    done = run(of_the_environment("pre-commit"), "validate-config")
    assert done.returncode == 0, done.stdout + done.stderr


def steps(workflow: str) -> list[str]:
    """The shell commands of a workflow."""
    parsed = yaml.safe_load((PROJECT_FOLDER / ".github/workflows" / workflow).read_text())
    return [
        step["run"] for job in parsed["jobs"].values() for step in job["steps"] if "run" in step
    ]


def test_one_workflow_runs_what_ci_runs() -> None:
    assert ".ci/run" in steps("ci.yml")
    assert os.access(PROJECT_FOLDER / ".ci/run", os.X_OK)


def test_one_workflow_pulls_the_images_of_every_compose_file() -> None:
    pulled = next(step for step in steps("real-images.yml") if " pull " in step)
    for file in PROJECT_FOLDER.glob("docker-compose*.yml"):
        assert file.name in pulled


def test_the_dev_container_forwards_every_port() -> None:
    text = (PROJECT_FOLDER / ".devcontainer/devcontainer.json").read_text()
    container = json.loads(text)
    compose = yaml.safe_load((PROJECT_FOLDER / "docker-compose.yml").read_text())["services"]
    ports = [port for service in compose.values() for port in service.get("ports", [])]
    published = {int(port.split(":-")[1].split("}")[0]) for port in ports}
    assert set(container["forwardPorts"]) == published | {8501}
    assert set(container["portsAttributes"]) == {str(port) for port in container["forwardPorts"]}
    assert any("docker-in-docker" in feature for feature in container["features"])


@pytest.mark.parametrize("arguments", [[], ["UPGRADE=--upgrade"]])
def test_make_lock_keeps_the_versions_unless_it_is_asked_to_upgrade(arguments: list[str]) -> None:
    commands = run("make", "--dry-run", "lock", *arguments).stdout
    assert ("--upgrade" in commands) == bool(arguments)
    assert all("--generate-hashes" in line for line in commands.splitlines())


@pytest.mark.parametrize(
    "lock", ["requirements.lock", "requirements-validator.txt", "requirements-uv.txt"]
)
def test_every_locked_package_has_its_hashes(lock: str) -> None:
    text = (PROJECT_FOLDER / lock).read_text()
    lines = text.replace("\\\n", " ").splitlines()
    pinned = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert pinned
    assert [line for line in pinned if "==" not in line or "--hash=sha256:" not in line] == []
