"""Images with exactly the names that docker-compose.yml uses, built without a registry.

A small Debian (mmdebstrap) with what the local stack already has: PostgreSQL 15,
TimescaleDB, the jars of Kafka and ZooKeeper, Airflow's Python environment. Each follows the
documented contract of the image that it stands in for, by the scripts in stand_ins/.
"""

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import yaml

from local_stack import monitoring
from local_stack.debian import debian_mirror
from local_stack.folders import cache_folder, local_folder
from local_stack.kafka_jars import MAVEN, kafka_jars
from local_stack.timescale import timescale_bin
from pipeline_common.settings import PROJECT_FOLDER

HERE = Path(__file__).parent / "stand_ins"
BASE = "stand-in-base"
Environment = dict[str, str]
PACKAGES = (
    "bash,ca-certificates,curl,dumb-init,libbz2-1.0,libexpat1,libffi8,liblzma5,libreadline8,libsqlite3-0,"
    "libssl3,locales,openjdk-17-jre-headless,postgresql-15,python3,redis-server,uuid-runtime,zlib1g"
)
PYTHON = Path(sys.base_prefix)
#: In the project's environment, but not in the image of Airflow: the DAG must do without.
NOT_IN_THE_IMAGE = {"hypothesis", "kafka", "mypy", "mypyc", "playwright", "pyarrow"}
NOT_IN_THE_IMAGE |= {"pydantic_settings", "pydeck", "pytest", "_pytest", "ruff", "streamlit"}
NOT_IN_THE_IMAGE |= {"check_jsonschema", "pgcli", "pglast", "pip", "pre_commit", "psycopg"}
NOT_IN_THE_IMAGE |= {"setuptools", "supervisor", "virtualenv", "zensical"}
#: In the image, but the DAG does without these too: leaving them out saves time.
NOT_IN_THE_IMAGE |= {"altair", "numpy", "numpy.libs", "pandas", "PIL", "pillow.libs"}
#: Files and folders of the environment and its interpreter that are left out for the same reason.
UNUSED = {"ensurepip", "idlelib", "lib2to3", "ruff", "share", "test", "uv"}

POSTGRES = """
FROM stand-in-base
RUN localedef -i en_US -c -f UTF-8 -A /usr/share/locale/locale.alias en_US.UTF-8
ENV LANG=en_US.utf8
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
COPY . /
ENTRYPOINT ["/usr/local/bin/postgres-entrypoint.sh"]
CMD ["postgres"]
"""
JAVA = """
FROM stand-in-base
COPY . /
RUN useradd --uid 1000 appuser && mkdir -p {volumes} && chown appuser {volumes}
USER appuser
VOLUME {volumes}
ENV JDK_JAVA_OPTIONS="{options}"
CMD ["/etc/confluent/docker/run"]
"""
#: What the images declare as volumes, by kind.
VOLUMES = {
    "kafka": "/var/lib/kafka/data /etc/kafka/secrets",
    "zookeeper": "/var/lib/zookeeper/data /var/lib/zookeeper/log /etc/zookeeper/secrets",
}
AIRFLOW = """
FROM stand-in-base
ENV AIRFLOW_HOME=/opt/airflow PATH={venv}/bin:/usr/local/bin:/usr/bin:/bin HOME=/home/airflow
COPY . /
RUN mkdir -p /opt/airflow /home/airflow && chmod 775 /opt/airflow /home/airflow \\
 && chmod g=u /etc/passwd \\
 && for folder in {parents}; do chmod a+rx $folder; done
WORKDIR /opt/airflow
ENTRYPOINT ["/usr/bin/dumb-init", "--", "/entrypoint"]
"""
VALIDATOR = """
FROM stand-in-base
COPY . /
RUN ln -s /usr/bin/python3 /usr/local/bin/python
"""
PROMETHEUS = """
FROM stand-in-base
COPY . /
RUN mkdir /{name} && chown nobody:nogroup /{name}
USER nobody
VOLUME /{name}
ENTRYPOINT ["/usr/bin/{name}"]
"""


def base(docker: Environment) -> None:
    """Import the small Debian that is the base of all others; kept in the cache between runs."""
    digest = hashlib.sha256(PACKAGES.encode()).hexdigest()[:8]
    root = cache_folder() / f"debian-{digest}.tar"
    if not root.exists():
        partial = root.with_suffix(".part.tar")
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}"]
        command += ["--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/doc/*"]
        subprocess.run([*command, "bookworm", partial, debian_mirror()], check=True)
        partial.rename(root)
    subprocess.run(
        ["docker", "import", root, BASE], env=docker, check=True, stdout=subprocess.DEVNULL
    )


def build(docker: Environment, name: str, dockerfile: str, files: dict[str, Path]) -> None:
    """Build an image from `files` (path in the image -> file or folder here)."""
    command = ["docker", "build", "--quiet", "--tag", name, "-"]
    # What it says to stderr is that its builder is an old one.
    log = local_folder() / "docker/build.log"
    with (
        log.open("ab") as file,
        subprocess.Popen(
            command, env=docker, stdin=subprocess.PIPE, stdout=file, stderr=file
        ) as build,
    ):
        assert build.stdin
        with tarfile.open(fileobj=build.stdin, mode="w|") as context:
            entry = tarfile.TarInfo("Dockerfile")
            entry.size = len(dockerfile.encode())
            context.addfile(entry, io.BytesIO(dockerfile.encode()))
            for path, source in files.items():
                context.add(source, arcname=path.lstrip("/"), filter=as_in_the_image)
    if build.returncode:
        raise RuntimeError(f"the stand-in for {name} could not be built: {log.read_text()[-2000:]}")


def postgres(docker: Environment, name: str) -> None:
    """postgres:15"""
    script = HERE / "postgres-entrypoint.sh"
    build(docker, name, POSTGRES, {"/usr/local/bin/postgres-entrypoint.sh": script})


def timescaledb(docker: Environment, name: str) -> None:
    """timescale/timescaledb: the same, with the PostgreSQL that has the extension."""
    files = {"/usr/local/bin/postgres-entrypoint.sh": HERE / "postgres-entrypoint.sh"}
    for part in ("lib", "share"):
        files[f"/usr/{part}/postgresql/15"] = timescale_bin().parents[3] / part / "postgresql/15"
    build(docker, name, POSTGRES, files)


def java(docker: Environment, name: str, kind: str) -> None:
    """cp-kafka or cp-zookeeper, by `kind`: the jars and the script that reads the variables."""
    files = {
        "/usr/share/kafka": kafka_jars(),
        "/usr/share/kafka-tools": kafka_tools(),
        "/usr/share/kafka/log4j.properties": PROJECT_FOLDER / "local_stack/log4j.properties",
        "/usr/local/bin/kafka-topics": HERE / "kafka-topics",
        "/etc/confluent/docker/run": HERE / f"{kind}-run.sh",
    }
    options = os.environ["JDK_JAVA_OPTIONS"]
    build(docker, name, JAVA.format(volumes=VOLUMES[kind], options=options), files)


def kafka_tools() -> Path:
    """The jar with the command-line tools, which the local stack does without."""
    folder = cache_folder() / "kafka-tools"
    server = next(kafka_jars().glob("kafka-server-[0-9]*.jar"))
    version = server.stem.removeprefix("kafka-server-")
    if not (folder / f"kafka-tools-{version}.jar").exists():
        goal = ["dependency:copy", f"-Dartifact=org.apache.kafka:kafka-tools:{version}"]
        command = [*MAVEN, "--quiet", *goal, f"-DoutputDirectory={folder}"]
        subprocess.run(command, check=True)
    return folder


def airflow(docker: Environment, name: str, venv: Path, more: Path | None = None) -> None:
    """apache/airflow: a Python environment, with its interpreter, at the paths it has here.

    `more` is a folder of packages that are not in the environment.
    """
    files = {"/entrypoint": HERE / "airflow-entrypoint.sh"} | python(venv, more)
    parents = {str(p) for path in files for p in Path(path).parents if str(p) != "/"}
    dockerfile = AIRFLOW.format(venv=venv, parents=" ".join(sorted(parents)))
    build(docker, name, dockerfile, files)


def python(venv: Path, more: Path | None = None) -> dict[str, Path]:
    """The files of a virtual environment and of its interpreter."""
    files = {str(venv): venv}
    if more:
        files[str(next(venv.glob("lib/python3*/site-packages")))] = more
    if str(PYTHON) != "/usr":
        files[str(PYTHON)] = PYTHON
    return files


def celery() -> Path:
    """What the stock image of Airflow has besides this project's lock, in a folder."""
    return python_packages("celery", ["--no-deps", "--requirement", str(HERE / "celery.txt")])


def python_packages(name: str, what: list[str], version: str = "") -> Path:
    """A folder of the cache with Python packages, installed by uv once for each `version`."""
    folder = cache_folder() / name
    done = folder / "done"
    if not done.exists() or done.read_text() != version:
        shutil.rmtree(folder, ignore_errors=True)
        command = [uv(), "pip", "install", "--quiet", "--python", sys.executable]
        subprocess.run([*command, "--target", folder, *what], check=True)
        done.write_text(version)
    return folder


def uv() -> str:
    return shutil.which("uv") or str(Path(sys.executable).with_name("uv"))


def validator(docker: Environment, name: str, dockerfile: str) -> None:
    """The image that docker-compose.scale.yml builds: the packages of its own `pip install`."""
    file = re.search(r"--require-hashes --requirement /tmp/(\S+)", dockerfile)
    assert file, dockerfile
    lock = PROJECT_FOLDER / file[1]
    # 3.11 is the Python of the base image.
    what = ["--python-version=3.11", "--require-hashes", "--requirement", str(lock)]
    packages = python_packages("validator", what, version=lock.read_text())
    files = {"/usr/lib/python3/dist-packages": packages}
    build(docker, name, VALIDATOR, files)


def redis(docker: Environment, name: str) -> None:
    """redis: the server of the base image, open to the other containers as the real one is."""
    dockerfile = 'FROM stand-in-base\nENTRYPOINT ["redis-server", "--protected-mode", "no"]\n'
    build(docker, name, dockerfile, {})


def as_in_the_image(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what the image does not have or need; make the rest readable for every user."""
    parts = Path(entry.name).parts
    packages = parts[parts.index("site-packages") + 1 :] if "site-packages" in parts else ()
    of_the_interpreter = entry.name.startswith(str(PYTHON).lstrip("/"))
    if (
        entry.name.endswith(".a")
        or (packages and packages[0] in NOT_IN_THE_IMAGE)
        or (packages and of_the_interpreter)
        or (not packages and parts[-1] in UNUSED)
    ):
        return None
    entry.mode |= 0o555 if entry.isdir() or entry.mode & 0o100 else 0o444
    entry.uid = entry.gid = 0
    return entry


def build_all(docker: Environment) -> None:
    """Every image that docker-compose.yml names."""
    base(docker)
    image = {name: service["image"] for name, service in services("docker-compose.yml").items()}
    postgres(docker, image["my_postgres"])
    timescaledb(docker, image["my_timescaledb"])
    java(docker, image["my_zookeeper"], "zookeeper")
    java(docker, image["my_kafka"], "kafka")
    airflow(docker, image["airflow_webserver"], Path(sys.prefix), more=celery())


def build_for_scale(docker: Environment) -> None:
    """What docker-compose.scale.yml adds."""
    added = services("docker-compose.scale.yml")
    redis(docker, added["my_redis"]["image"])
    of_validator = added["stream_validator"]
    validator(docker, of_validator["image"], of_validator["build"]["dockerfile_inline"])


def build_for_monitoring(docker: Environment) -> None:
    """What docker-compose.monitoring.yml adds."""
    monitoring.install()
    added = services("docker-compose.monitoring.yml")
    of_exporter = added["my_exporter"]
    validator(docker, of_exporter["image"], of_exporter["build"]["dockerfile_inline"])
    for name, program in [
        ("prometheus", monitoring.PROMETHEUS),
        ("alertmanager", monitoring.ALERTMANAGER),
    ]:
        files = {
            f"/usr/bin/{name}": program,
            # Where Debian's programs look for what the real ones have in themselves.
            "/usr/share/prometheus": Path("/usr/share/prometheus"),
            "/usr/bin/wget": HERE / "wget",
        }
        build(docker, added[f"my_{name}"]["image"], PROMETHEUS.format(name=name), files)


def services(file: str) -> dict[str, Any]:
    """The services of a Compose file, with nothing filled in."""

    class Loader(yaml.SafeLoader):
        """Knows Compose's own tag."""

    Loader.add_constructor("!reset", lambda _loader, _node: None)
    parsed = yaml.load((PROJECT_FOLDER / file).read_text(), Loader)
    found: dict[str, Any] = parsed["services"]
    return found
