"""A separate Docker engine and Compose for the tests, so that they never touch user's containers.

Installed from Debian's packages if missing (as root on Debian 12). The engine stores everything in
.local/ and is stopped when the tests end.
"""

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_stack.debian import fetch_from_debian_13, install_packages
from local_stack.folders import cache_folder, local_folder

PACKAGES = {
    Path("/usr/sbin/dockerd"): (["docker.io", "iptables"], "Docker, to test docker-compose.yml"),
    Path("/usr/bin/mmdebstrap"): (["mmdebstrap"], "to make images without a registry"),
}


def why_not() -> str | None:
    """Why no engine can run here, or None if it can."""
    if os.geteuid() != 0:
        return "starting a Docker engine of the tests' own needs root"
    if platform.freedesktop_os_release().get("VERSION_CODENAME") != "bookworm":
        return "engine and images are made from Debian 12's packages, and this is another system"
    if not may_make_containers():
        return "this is a container that may not start containers (it lacks CAP_SYS_ADMIN)"
    return None


def may_make_containers() -> bool:
    """Whether this process has CAP_SYS_ADMIN, the 21st of the capabilities."""
    status = Path("/proc/self/status").read_text().splitlines()
    effective = next(line.split()[1] for line in status if line.startswith("CapEff"))
    return bool(int(effective, 16) >> 21 & 1)


@contextmanager
def docker_engine() -> Iterator[dict[str, str]]:
    """Start the engine; the value is the environment in which `docker compose` speaks to it."""
    install_packages(PACKAGES)
    folder = local_folder() / "docker"
    folder.mkdir(exist_ok=True)
    environment = os.environ | {
        "DOCKER_HOST": f"unix://{folder}/docker.sock",
        "DOCKER_CONFIG": str(docker_config()),
        # BuildKit needs a plugin that Debian 12 does not have.
        "DOCKER_BUILDKIT": "0",
    }
    environment.pop("DOCKER_CONTEXT", None)
    command = ["dockerd", "--bridge=none", f"--host={environment['DOCKER_HOST']}"]
    command += [f"--data-root={folder}/data", f"--exec-root={folder}/exec"]
    command += [f"--pidfile={folder}/docker.pid"]
    with (folder / "dockerd.log").open("w") as log:
        engine = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for(engine, environment, folder / "dockerd.log")
        yield environment
    finally:
        engine.terminate()
        try:
            engine.wait(timeout=120)
        except subprocess.TimeoutExpired:
            engine.kill()
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(engine: subprocess.Popen[bytes], environment: dict[str, str], log: Path) -> None:
    """Wait until the engine answers; raises RuntimeError with the end of its log if it ends."""
    deadline = time.monotonic() + 120
    info = ["docker", "info"]
    while subprocess.run(info, env=environment, capture_output=True, check=False).returncode:
        if engine.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"dockerd did not start: {log.read_text()[-2000:]}")
        time.sleep(0.2)


def docker_config() -> Path:
    """A folder for Docker's client with Compose v2 as its plugin.

    Debian 12 has only Compose v1, long unsupported; Debian 13's v2 is one binary that runs here.
    """
    folder = cache_folder() / "docker-client"
    plugin = folder / "cli-plugins" / "docker-compose"
    if not plugin.exists():
        packages = folder / "packages"
        fetch_from_debian_13(packages, "deb", ["download", "docker-compose"])
        package = next(packages.glob("docker-compose_*.deb"))
        subprocess.run(["dpkg", "-x", package, packages / "files"], check=True)
        plugin.parent.mkdir(parents=True)
        shutil.move(next((packages / "files").rglob("cli-plugins/docker-compose")), plugin)
        shutil.rmtree(packages)
    return folder
