"""Images under exactly the names that docker-compose.yml uses, made without a registry.

A small Debian (debootstrap) with the parts that the local stack already has: PostgreSQL 15,
TimescaleDB, the jars of Kafka and ZooKeeper, Airflow's Python environment. Each follows the
documented contract of the image that it stands in for, by the scripts in stand_ins/.
"""

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import yaml

from local_stack import install
from pipeline_settings import PROJECT_FOLDER

HERE = Path(__file__).parent / "stand_ins"
BASE = "stand-in-base"
Environment = dict[str, str]
PACKAGES = (
    "bash,ca-certificates,curl,libbz2-1.0,libexpat1,libffi8,liblzma5,libreadline8,libsqlite3-0,"
    "libssl3,openjdk-17-jre-headless,postgresql-15,python3,redis-server,uuid-runtime,zlib1g"
)
PYTHON = Path(sys.base_prefix)
#: In the project's environment, but not in the image of Airflow: the DAG must do without.
NOT_IN_THE_IMAGE = {"kafka", "mypy", "playwright", "pyarrow", "pydantic_settings"}
NOT_IN_THE_IMAGE |= {"ruff", "streamlit", "supervisor"}

POSTGRES = """
FROM stand-in-base
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
COPY . /
ENTRYPOINT ["/usr/local/bin/postgres-entrypoint.sh"]
"""
JAVA = """
FROM stand-in-base
COPY . /
ENTRYPOINT ["/usr/local/bin/{name}-entrypoint.sh"]
"""
AIRFLOW = """
FROM stand-in-base
ENV AIRFLOW_HOME=/opt/airflow PATH={venv}/bin:/usr/local/bin:/usr/bin:/bin HOME=/home/airflow
COPY . /
RUN mkdir -p /opt/airflow /home/airflow && chmod 775 /opt/airflow /home/airflow \\
 && chmod g=u /etc/passwd \\
 && for folder in {parents}; do chmod a+rx $folder; done
WORKDIR /opt/airflow
ENTRYPOINT ["/entrypoint"]
"""


def base(docker: Environment) -> None:
    """Import the small Debian that all the others stand on; kept in the cache between runs."""
    root = install.cache_folder() / "debian.tar"
    if not root.exists():
        folder = root.with_suffix("")
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm"]
        subprocess.run([*command, folder, install.debian_mirror()], check=True)
        leave_out = ["--exclude=./var/cache/apt/archives/*.deb", "--exclude=./usr/share/doc"]
        partial = root.with_suffix(".part")
        subprocess.run(["tar", "-C", folder, *leave_out, "-cf", partial, "."], check=True)
        partial.rename(root)
        subprocess.run(["rm", "-rf", folder], check=True)
    subprocess.run(["docker", "import", root, BASE], env=docker, check=True)


def build(docker: Environment, name: str, dockerfile: str, files: dict[str, Path]) -> None:
    """Build an image from `files` (path in the image -> file or folder here)."""
    command = ["docker", "build", "--quiet", "--tag", name, "-"]
    with subprocess.Popen(command, env=docker, stdin=subprocess.PIPE) as build:
        assert build.stdin
        with tarfile.open(fileobj=build.stdin, mode="w|") as context:
            entry = tarfile.TarInfo("Dockerfile")
            entry.size = len(dockerfile.encode())
            context.addfile(entry, io.BytesIO(dockerfile.encode()))
            for path, source in files.items():
                context.add(source, arcname=path.lstrip("/"), filter=as_in_the_image)
    if build.returncode:
        raise RuntimeError(f"the stand-in for {name} could not be built")


def postgres(docker: Environment, name: str) -> None:
    """postgres:15"""
    script = HERE / "postgres-entrypoint.sh"
    build(docker, name, POSTGRES, {"/usr/local/bin/postgres-entrypoint.sh": script})


def timescaledb(docker: Environment, name: str) -> None:
    """timescale/timescaledb: the same, with the PostgreSQL that has the extension."""
    files = {"/usr/local/bin/postgres-entrypoint.sh": HERE / "postgres-entrypoint.sh"}
    for part in ("lib", "share"):
        files[f"/usr/{part}/postgresql/15"] = (
            install.timescale_bin().parents[3] / part / "postgresql/15"
        )
    build(docker, name, POSTGRES, files)


def java(docker: Environment, name: str, kind: str) -> None:
    """cp-kafka or cp-zookeeper, by `kind`: the jars and the script that reads the variables."""
    files = {
        "/usr/share/kafka": install.kafka_jars(),
        "/usr/share/kafka/log4j.properties": install.HERE / "log4j.properties",
        "/usr/local/bin/kafka-topics": HERE / "kafka-topics",
        f"/usr/local/bin/{kind}-entrypoint.sh": HERE / f"{kind}-entrypoint.sh",
    }
    build(docker, name, JAVA.format(name=kind), files)


def airflow(docker: Environment, name: str, venv: Path) -> None:
    """apache/airflow: a Python environment, with its interpreter, at the paths it has here."""
    files = {"/entrypoint": HERE / "airflow-entrypoint.sh", str(venv): venv}
    if str(PYTHON) != "/usr":
        files[str(PYTHON)] = PYTHON
    parents = {str(p) for path in files for p in Path(path).parents if str(p) != "/"}
    dockerfile = AIRFLOW.format(venv=venv, parents=" ".join(sorted(parents)))
    build(docker, name, dockerfile, files)


def redis(docker: Environment, name: str) -> None:
    """redis: the server of the base image."""
    build(docker, name, 'FROM stand-in-base\nENTRYPOINT ["redis-server"]\n', {})


def as_in_the_image(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what the image does not have or need; make the rest readable for every user."""
    parts = Path(entry.name).parts
    packages = parts[parts.index("site-packages") + 1 :] if "site-packages" in parts else ()
    of_the_interpreter = entry.name.startswith(str(PYTHON).lstrip("/"))
    if (
        "__pycache__" in parts
        or entry.name.endswith(".a")
        or (packages and packages[0] in NOT_IN_THE_IMAGE)
        or (of_the_interpreter and (packages or parts[-1] in ("test", "share", "idlelib")))
    ):
        return None
    entry.mode |= 0o555 if entry.isdir() or entry.mode & 0o100 else 0o444
    entry.uid = entry.gid = 0
    return entry


def build_all(docker: Environment) -> None:
    """Every image that docker-compose.yml names."""
    base(docker)
    compose = yaml.safe_load((PROJECT_FOLDER / "docker-compose.yml").read_text())
    image = {name: service["image"] for name, service in compose["services"].items()}
    postgres(docker, image["my_postgres"])
    timescaledb(docker, image["my_timescaledb"])
    java(docker, image["my_zookeeper"], "zookeeper")
    java(docker, image["my_kafka"], "kafka")
    airflow(docker, image["airflow_webserver"], Path(sys.prefix))
