"""Get what the local stack runs on: system packages, TimescaleDB, Kafka with ZooKeeper, secrets.

Everything but the system packages lands in `.local/`, so that `make clean` takes it away again.
Each step looks first and does nothing where its result is there already.
"""

import base64
import hashlib
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from pipeline_console import StackError, stderr
from pipeline_settings import PROJECT_FOLDER

DEBIAN_POSTGRES = Path("/usr/lib/postgresql/15/bin")
HERE = Path(__file__).parent

# What must be there -> the Debian packages that bring it, and why it is needed.
PACKAGES = {
    DEBIAN_POSTGRES / "initdb": (["postgresql-15"], "PostgreSQL 15, the two databases"),
    Path("/usr/bin/psql"): (["postgresql-client"], "psql, to look at the results"),
    Path("/usr/bin/java"): (["openjdk-17-jre-headless"], "Java, which runs Kafka and ZooKeeper"),
    Path("/usr/bin/mvn"): (["maven"], "Maven, which downloads Kafka and ZooKeeper"),
}
BUILD_PACKAGES = {
    Path("/usr/include/postgresql/15/server/postgres.h"): (
        # Together, so that the server and the headers are of one minor version.
        ["postgresql-15", "postgresql-server-dev-15"],
        "to build the TimescaleDB extension",
    ),
    Path("/usr/bin/cmake"): (["cmake"], "to build TimescaleDB"),
    Path("/usr/bin/gcc"): (["gcc", "libc6-dev"], "to build TimescaleDB"),
    Path("/usr/bin/dpkg-source"): (["dpkg-dev"], "to unpack TimescaleDB's sources"),
    Path("/usr/include/openssl/ssl.h"): (["libssl-dev"], "to build TimescaleDB"),
    Path("/usr/include/krb5.h"): (["libkrb5-dev"], "to build TimescaleDB"),
}
BROWSER_PACKAGES = {
    Path("/usr/bin/chromium"): (["chromium"], "a browser, to test the web pages"),
}


def local_folder() -> Path:
    """The folder that holds all of the local stack: `.local/` in the clone.

    PostgreSQL refuses to run as root, so root runs it as the user postgres; where that user may not
    enter the clone (/root, a private temporary folder), `.local` is a link to a folder in /var/tmp.
    """
    local = PROJECT_FOLDER / ".local"
    if local.exists():
        return local.resolve()
    local.unlink(missing_ok=True)  # a link whose folder is gone
    if os.geteuid() == 0 and any(not p.stat().st_mode & 0o001 for p in PROJECT_FOLDER.parents):
        name = hashlib.sha256(str(PROJECT_FOLDER).encode()).hexdigest()[:12]
        elsewhere = Path("/var/tmp") / f"data-pipeline-{name}"  # noqa: S108 - named after the clone
        elsewhere.mkdir(mode=0o755, exist_ok=True)
        local.symlink_to(elsewhere)
    else:
        local.mkdir(mode=0o755)
    return local.resolve()


def cache_folder() -> Path:
    """Where downloads and builds are kept between runs, for the user's stack and the tests."""
    folder = local_folder() / "cache"
    folder.mkdir(exist_ok=True)
    return folder


def install_all(*, for_tests: bool = False) -> None:
    """Bring everything that the local stack needs, saying what and why; raises StackError."""
    wanted = dict(PACKAGES)
    if not _timescale_is_there():
        wanted |= BUILD_PACKAGES
    if for_tests:
        wanted |= BROWSER_PACKAGES
    install_packages(wanted)
    timescale_bin()
    kafka_jars()


def say(what: str) -> None:
    """Tell, in one line, what is being installed and why."""
    stderr.print(what, soft_wrap=True)


def install_packages(wanted: dict[Path, tuple[list[str], str]]) -> None:
    """Install the Debian packages whose files are missing; without root, say which they are."""
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
        raise StackError(f"Packages are missing. Install them once: sudo {' '.join(command)}")
    for packages, reason in missing.values():
        say(f"Installing {' '.join(packages)}: {reason}")
    _keep_debian_from_starting_a_cluster()
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "update"], "apt-get update failed", env=quiet)
    _run(command, "apt-get install failed", env=quiet)


def _keep_debian_from_starting_a_cluster() -> None:
    # The package would start a cluster of its own on port 5432, which my_postgres needs.
    config = Path("/etc/postgresql-common/createcluster.conf")
    if not config.exists():
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text("create_main_cluster = false\n")


def _timescale_is_there() -> bool:
    return (
        Path("/usr/share/postgresql/15/extension/timescaledb.control").exists()
        or (cache_folder() / "timescaledb" / "done").exists()
    )


def timescale_bin() -> Path:
    """The bin folder of a PostgreSQL 15 that has TimescaleDB, built on first use (a minute).

    The build goes to a private copy of PostgreSQL: a PostgreSQL program finds its libraries and
    extensions beside itself, so nothing has to be written to /usr.
    """
    if Path("/usr/share/postgresql/15/extension/timescaledb.control").exists():
        return DEBIAN_POSTGRES
    home = cache_folder() / "timescaledb"
    if not (home / "done").exists():
        shutil.rmtree(home, ignore_errors=True)
        say("Building the TimescaleDB extension from Debian's sources (a minute) ...")
        _copy_postgres(home / "usr")
        _build_timescale(home)
        (home / "done").touch()
    return home / "usr" / DEBIAN_POSTGRES.relative_to("/usr")


def _copy_postgres(usr: Path) -> None:
    # bitcode/ serves only the JIT compiler and is most of the size.
    for part in ("lib/postgresql/15", "share/postgresql/15"):
        ignore = shutil.ignore_patterns("bitcode", "pgxs")
        shutil.copytree(Path("/usr") / part, usr / part, symlinks=True, ignore=ignore)


def _build_timescale(home: Path) -> None:
    sources = home / "sources"
    fetch_from_debian_13(sources, "deb-src", ["source", "--download-only", "timescaledb"])
    failed = "TimescaleDB could not be built; the log is {log}"
    log = cache_folder() / "timescaledb-build.log"
    config = f"-DPG_CONFIG={DEBIAN_POSTGRES}/pg_config"
    flags = ["-DREGRESS_CHECKS=OFF", "-DTAP_CHECKS=OFF", "-DAPACHE_ONLY=1"]
    build = sources / "timescaledb" / "build"
    log.unlink(missing_ok=True)
    for command, folder in [
        (["sh", "-c", "dpkg-source --no-check -x timescaledb_*.dsc timescaledb"], sources),
        (["./bootstrap", *flags, "-DCMAKE_BUILD_TYPE=Release", config], build.parent),
        (["make", f"-j{os.cpu_count()}"], build),
        (["make", "install", f"DESTDIR={home}"], build),
    ]:
        _run(command, failed.format(log=log), cwd=folder, log=log)
    shutil.rmtree(sources)


def fetch_from_debian_13(folder: Path, kind: str, apt_command: list[str]) -> None:
    """Run apt-get in `folder` with Debian 13's packages (kind: deb, or deb-src for sources).

    Debian 12 lacks what is fetched here. A package list of its own, kept in the folder, leaves the
    machine's as it is; apt checks the signatures.
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
        _run([*apt_get, *command], f"apt-get {command[0]} failed", cwd=folder)


def debian_mirror() -> str:
    """The mirror that this machine's own package lists name."""
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


def kafka_jars() -> Path:
    """The folder with the jars of Kafka and ZooKeeper, checked against kafka-jars.sha256."""
    folder = cache_folder() / "kafka"
    if (folder / "done").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    say("Downloading Kafka and ZooKeeper from Maven Central ...")
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    log = cache_folder() / "kafka-download.log"
    log.unlink(missing_ok=True)
    _run(
        ["mvn", "-B", "-f", str(HERE / "pom.xml"), *goal],
        f"Kafka could not be downloaded; the log is {log}",
        log=log,
    )
    for line in (HERE / "kafka-jars.sha256").read_text().splitlines():
        expected, name = line.split()
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected:
            raise StackError(f"{folder / name} is not the file that kafka-jars.sha256 expects.")
    (folder / "done").touch()
    return folder


def write_env(project: Path = PROJECT_FOLDER) -> None:
    """Write `.env` from .env.example with secrets of this clone's own; leave an existing one."""
    env = project / ".env"
    if env.exists():
        return
    made = {
        "AIRFLOW_JWT_SECRET": secrets.token_urlsafe(32),
        "AIRFLOW_FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AIRFLOW_UID": str(os.getuid()),
    }
    lines = (project / ".env.example").read_text().splitlines()
    names = (line.partition("=")[0] for line in lines)
    filled = [f"{n}={made[n]}" if n in made else line for n, line in zip(names, lines, strict=True)]
    with tempfile.NamedTemporaryFile("w", dir=project, delete=False) as file:
        file.write("\n".join(filled) + "\n")
    Path(file.name).replace(env)  # at once: an interrupted run leaves no half a file


def _run(
    command: list[str],
    failed: str,
    *,
    cwd: Path | None = None,
    log: Path | None = None,
    env: dict[str, str] | None = None,
) -> None:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if log:
        with log.open("a") as file:
            file.write(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}\n")
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise StackError(f"{failed}: {last}")
