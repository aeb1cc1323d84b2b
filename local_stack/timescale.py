"""PostgreSQL 15 with TimescaleDB: the system's own, or one built from Debian 13's sources."""

import os
import shutil
from pathlib import Path

from local_stack.checksums import differences
from local_stack.debian import fetch_from_debian_13, run, say
from local_stack.folders import cache_folder
from pipeline_common.errors import StackError

DEBIAN_POSTGRES = Path("/usr/lib/postgresql/15/bin")
OF_THE_SYSTEM = Path("/usr/share/postgresql/15/extension/timescaledb.control")
SOURCES = "2.19.3+dfsg-1+deb13u1"
CHECKSUMS = Path(__file__).with_name("timescaledb.sha256")

# What must be there -> the Debian packages that bring it, and why it is needed.
BUILD_PACKAGES = {
    Path("/usr/include/postgresql/15/server/postgres.h"): (
        # Together, so that the server and the headers have the same minor version.
        ["postgresql-15", "postgresql-server-dev-15"],
        "to build the TimescaleDB extension",
    ),
    Path("/usr/bin/cmake"): (["cmake"], "to build TimescaleDB"),
    Path("/usr/bin/gcc"): (["gcc", "libc6-dev"], "to build TimescaleDB"),
    Path("/usr/bin/dpkg-source"): (["dpkg-dev"], "to unpack TimescaleDB's sources"),
    Path("/usr/include/openssl/ssl.h"): (["libssl-dev"], "to build TimescaleDB"),
    Path("/usr/include/krb5.h"): (["libkrb5-dev"], "to build TimescaleDB"),
}


def is_there() -> bool:
    """Whether nothing has to be built."""
    return OF_THE_SYSTEM.exists() or _built_version() == SOURCES


def timescale_bin() -> Path:
    """The bin folder of the PostgreSQL 15 with TimescaleDB.

    The build is installed in a private copy of PostgreSQL: PostgreSQL locates its libraries and
    extensions relative to its programs, so nothing has to be written to /usr.
    """
    if OF_THE_SYSTEM.exists():
        return DEBIAN_POSTGRES
    return _home() / "usr" / DEBIAN_POSTGRES.relative_to("/usr")


def build_timescale() -> None:
    """Build it (a minute) unless it is there; raises StackError."""
    if is_there():
        return
    home = _home()
    shutil.rmtree(home, ignore_errors=True)
    say(f"Building TimescaleDB {SOURCES} from Debian's sources (a minute) ...")
    _copy_postgres(home / "usr")
    _build(home)
    (home / "done").write_text(SOURCES)


def _home() -> Path:
    return cache_folder() / "timescaledb"


def _built_version() -> str:
    done = _home() / "done"
    return done.read_text().strip() if done.exists() else ""


def _copy_postgres(usr: Path) -> None:
    # bitcode/ is used only by JIT compilation, and is most of the size.
    for part in ("lib/postgresql/15", "share/postgresql/15"):
        ignore = shutil.ignore_patterns("bitcode", "pgxs")
        shutil.copytree(Path("/usr") / part, usr / part, symlinks=True, ignore=ignore)


def _build(home: Path) -> None:
    sources = home / "sources"
    package = ["source", "--download-only", f"timescaledb={SOURCES}"]
    fetch_from_debian_13(sources, "deb-src", package)
    if wrong := differences(sources, CHECKSUMS):
        raise StackError(f"In {sources}, {', '.join(wrong)} is not what {CHECKSUMS.name} lists.")
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
        run(command, failed.format(log=log), cwd=folder, log=log)
    shutil.rmtree(sources)
