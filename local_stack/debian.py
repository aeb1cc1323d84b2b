"""Installs missing Debian packages, and downloads newer ones without installing them."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pipeline_common.console import stderr
from pipeline_common.errors import StackError


def say(what: str) -> None:
    """Print, in one line, what is being installed and why."""
    stderr.print(what, soft_wrap=True)


def install_packages(
    wanted: dict[Path, tuple[list[str], str]], servers: Sequence[str] = ()
) -> None:
    """Install the packages whose files are missing; without root, say which ones to install.

    `wanted`: a file that must be there -> the packages that bring it, and why it is needed.
    `servers`: the services that these packages would start; the stack starts its own.
    """
    missing = {path: entry for path, entry in wanted.items() if not path.exists()}
    if not missing:
        return
    names = [name for packages, _ in missing.values() for name in packages]
    command = ["apt-get", "install", "-y", "--no-install-recommends", *names]
    if shutil.which("apt-get") is None:
        raise StackError(
            "The local stack needs Debian 12 or a relative of it; elsewhere use Docker: "
            "make demo STACK=docker"
        )
    if os.geteuid() != 0:
        mask = f"sudo systemctl mask {' '.join(servers)}; " if servers else ""
        raise StackError(f"Packages are missing. Install them once: {mask}sudo {' '.join(command)}")
    for packages, reason in missing.values():
        say(f"Installing {' '.join(packages)}: {reason}")
    _keep_debian_from_starting_a_cluster()
    _keep_debian_from_starting(servers)
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update"], "apt-get update failed", env=quiet)
    run(command, "apt-get install failed", env=quiet)


def _keep_debian_from_starting_a_cluster() -> None:
    # The package would start a cluster of its own on port 5432, which my_postgres needs.
    config = Path("/etc/postgresql-common/createcluster.conf")
    if not config.exists():
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text("create_main_cluster = false\n")


def _keep_debian_from_starting(servers: Sequence[str]) -> None:
    # What `systemctl mask` does; works without systemd, too.
    for server in servers:
        unit = Path(f"/etc/systemd/system/{server}.service")
        if not unit.is_symlink() and not unit.exists():
            unit.parent.mkdir(parents=True, exist_ok=True)
            unit.symlink_to("/dev/null")


def fetch_from_debian_13(folder: Path, kind: str, apt_command: list[str]) -> None:
    """Run apt-get in `folder` with Debian 13's packages (kind: deb, or deb-src for sources).

    Debian 12 does not have these packages. A separate package list, kept in the folder, leaves the
    machine's own unchanged; apt checks the signatures.
    """
    apt = folder / "apt"
    (apt / "lists/partial").mkdir(parents=True)
    (apt / "cache/archives/partial").mkdir(parents=True)
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    line = f"{kind} [signed-by={keyring}] {debian_mirror()} trixie main\n"
    (apt / "sources.list").write_text(line)
    options = {
        "Dir::Etc::SourceList": apt / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": apt / "lists",
        "Dir::Cache": apt / "cache",
        "APT::Sandbox::User": "root",
    }
    apt_get = ["apt-get", *(f"-o{key}={value}" for key, value in options.items())]
    for command in (["update"], apt_command):
        run([*apt_get, *command], f"apt-get {command[0]} failed", cwd=folder)


def debian_mirror() -> str:
    """The mirror in this machine's apt sources."""
    for path in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
        for line in path.read_text().splitlines():
            if line.startswith("URIs:"):
                return line.split()[1]
    lists = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*.list"))]
    for path in filter(Path.exists, lists):
        for line in path.read_text().splitlines():
            if line.startswith("deb "):
                return next(word for word in line.split() if "://" in word)
    raise StackError("No Debian mirror is set on this machine; use Docker: make demo STACK=docker")


def run(
    command: list[str],
    failed: str,
    *,
    cwd: Path | None = None,
    log: Path | None = None,
    env: dict[str, str] | None = None,
) -> None:
    """Run a command, its output to `log`; raises StackError: `failed` and its last line."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if log:
        with log.open("a") as file:
            file.write(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}\n")
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise StackError(f"{failed}: {last}")
