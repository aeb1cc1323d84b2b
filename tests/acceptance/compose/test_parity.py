"""docker-compose.yml and the local stack are the same stack: services, ports, logins, versions."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_stack.service import Service
from local_stack.services import services
from pipeline_common.settings import (
    PROJECT_FOLDER,
    SENSOR_TOPIC,
    SENSOR_TOPIC_PARTITIONS,
    Settings,
)

#: Kafka's version in each line of Confluent's images.
KAFKA_OF_CONFLUENT = {"7.8": "3.8", "7.9": "3.9"}


#: The seven services, and those of MONITORING=1.
FILES = ["docker-compose.yml", "docker-compose.monitoring.yml"]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The services of the files with every variable at its default."""
    parsed: dict[str, Any] = {}
    for file in FILES:
        text = (PROJECT_FOLDER / file).read_text()
        with_defaults = re.sub(r"(?<!\$)\$\{\w+(?::-([^}]*)|:\?[^}]*)?\}", r"\1", text)
        parsed |= yaml.safe_load(with_defaults)["services"]
    return parsed


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Service]:
    """The local stack's table with the default settings."""
    folder = tmp_path_factory.mktemp("parity")
    values = {name: field.default for name, field in Settings.model_fields.items()}
    return {s.name: s for s in services(Settings(**values), folder, folder)}


def test_the_services_are_the_same_in_the_same_order(
    compose: dict[str, Any], local: dict[str, Service]
) -> None:
    assert list(compose) == list(local)
    for name, service in compose.items():
        assert service["container_name"] == name


def test_the_published_ports_and_their_variables_are_the_same(
    compose: dict[str, Any], local: dict[str, Service]
) -> None:
    text = "".join((PROJECT_FOLDER / file).read_text() for file in FILES)
    for name, service in local.items():
        published = [mapping.split(":")[1] for mapping in compose[name].get("ports", [])]
        assert published == ([str(service.port)] if service.port else [])
        if service.port:
            assert f'"127.0.0.1:${{{service.port_variable}:-{service.port}}}:' in text


def test_prometheus_and_alertmanager_get_the_same_files_and_options(
    compose: dict[str, Any], local: dict[str, Service]
) -> None:
    place = re.compile(r"--(config\.file|storage\.\w*\.?path|web\.listen-address)=")
    for name in ("my_prometheus", "my_alertmanager"):
        ours, theirs = local[name].command[1:], compose[name]["command"]
        assert [o for o in ours if not place.match(o)] == [t for t in theirs if not place.match(t)]
        [mounted] = [v for v in compose[name]["volumes"] if v.startswith("./monitoring:")]
        [file] = [t.rpartition("/")[2] for t in theirs if t.startswith("--config.file=")]
        assert mounted.endswith(":ro")
        assert (PROJECT_FOLDER / "monitoring" / file).exists()
        assert any(option.endswith(f"/{file}") for option in ours)


def test_only_monitoring_may_be_left_out(local: dict[str, Service]) -> None:
    text = (PROJECT_FOLDER / "docker-compose.monitoring.yml").read_text()
    of_monitoring = list(yaml.safe_load(text)["services"])
    assert [name for name, service in local.items() if service.optional] == of_monitoring


def test_what_waits_for_what_is_the_same(
    compose: dict[str, Any], local: dict[str, Service]
) -> None:
    def all_before(name: str, before: dict[str, set[str]]) -> set[str]:
        return before[name].union(*(all_before(other, before) for other in before[name]))

    in_compose = {name: set(s.get("depends_on", {})) for name, s in compose.items()}
    in_local = {name: set(s.depends_on) for name, s in local.items()}
    for name in local:
        assert all_before(name, in_compose) == all_before(name, in_local)


def test_logins_and_databases_are_those_of_the_settings(compose: dict[str, Any]) -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    for name, prefix in [("my_postgres", "pg"), ("my_timescaledb", "timescale_")]:
        environment = compose[name]["environment"]
        # The image makes the administrator only.
        for key, value in [
            ("POSTGRES_USER", "pipeline_admin"),
            ("POSTGRES_PASSWORD", defaults["pipeline_admin_password"]),
            ("POSTGRES_DB", defaults[prefix + "database"]),
        ]:
            assert environment[key] == value, (name, key)


def test_the_variables_of_the_init_sql_are_the_same(
    compose: dict[str, Any], local: dict[str, Service]
) -> None:
    for name in ("my_postgres", "my_timescaledb"):
        assert local[name].sql_variables.items() <= compose[name]["environment"].items()


def test_the_init_sql_is_the_same(compose: dict[str, Any]) -> None:
    source = (PROJECT_FOLDER / "local_stack/services.py").read_text()
    for name in ("my_postgres", "my_timescaledb"):
        mounted = [volume.split(":")[0] for volume in compose[name]["volumes"]]
        files = [Path(path).name for path in mounted if path.endswith(".sql")]
        listed = ", ".join(f'"{file}"' for file in files)
        assert f"init_sql=[{listed}]" in source


def test_kafka_and_airflow_have_the_same_versions(compose: dict[str, Any]) -> None:
    pom = (PROJECT_FOLDER / "local_stack/pom.xml").read_text()
    kafka = re.search(r"kafka_2\.13</artifactId>\s*<version>(\d+\.\d+)", pom)
    assert kafka
    for name in ("my_zookeeper", "my_kafka"):
        line = ".".join(compose[name]["image"].split(":")[1].split(".")[:2])
        assert KAFKA_OF_CONFLUENT[line] == kafka[1]
    lock = (PROJECT_FOLDER / "requirements.lock").read_text()
    airflow = re.search(r"^apache-airflow==(\S+)", lock, re.MULTILINE)
    assert airflow
    for name in ("airflow_init", "airflow_webserver", "airflow_scheduler"):
        assert compose[name]["image"].startswith(f"apache/airflow:{airflow[1]}-python3.")


def test_the_topic_is_the_same(compose: dict[str, Any]) -> None:
    command = " ".join(compose["my_kafka"]["command"])
    assert f"--topic {SENSOR_TOPIC} --partitions {SENSOR_TOPIC_PARTITIONS} " in command


def test_the_servers_have_the_same_options_and_locale(
    compose: dict[str, Any], local: dict[str, Service]
) -> None:
    data = local["my_postgres"].command[local["my_postgres"].command.index("-D") + 1]
    folder = Path(data).parents[1]
    for name in ("my_postgres", "my_timescaledb"):
        ours = [
            part.replace(f"{folder}/backups/{name}", "/backups") for part in local[name].command
        ]
        for option in compose[name]["command"][1:]:
            assert option.removeprefix("-c").replace("$$", "$") in ours
    source = (PROJECT_FOLDER / "local_stack/postgres.py").read_text()
    for name in ("my_postgres", "my_timescaledb"):
        assert compose[name]["environment"]["POSTGRES_INITDB_ARGS"] in source


def test_no_container_needs_a_file_of_the_local_stack() -> None:
    for file in PROJECT_FOLDER.glob("docker-compose*.yml"):
        assert "local_stack/" not in file.read_text()


def test_airflow_is_configured_alike(compose: dict[str, Any], local: dict[str, Service]) -> None:
    ours = local["airflow_scheduler"].environment
    theirs = compose["airflow_scheduler"]["environment"]
    same = [
        name
        for name in theirs
        if name.startswith("AIRFLOW__")
        # where it is, what is secret and how health is asked for differ
        and not re.search("SECRET|FERNET|_CONN$|_FILE$|API_SERVER_URL|HEALTH_CHECK", name)
    ]
    assert {name: ours[name] for name in same} == {name: theirs[name] for name in same}
    # a name in _CMD is the command that prints the value
    named = {name.removesuffix("_CMD") for name in theirs if name.startswith("AIRFLOW__")}
    assert named - {"AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK"} <= set(ours)


def test_every_setting_is_in_the_example_file_with_its_default() -> None:
    lines = (PROJECT_FOLDER / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    for name, field in Settings.model_fields.items():
        assert example[name.upper()] == str(field.default), name
    assert set(example) - {name.upper() for name in Settings.model_fields} == {"AIRFLOW_UID"}


def test_every_variable_of_the_compose_files_is_in_the_example_file() -> None:
    example = (PROJECT_FOLDER / ".env.example").read_text()
    for file in PROJECT_FOLDER.glob("docker-compose*.yml"):
        for name in set(re.findall(r"(?<!\$)\$\{(\w+)", file.read_text())) - {"NAME"}:
            assert f"\n{name}=" in example, (file.name, name)


def test_no_secret_is_the_same_in_two_clones(tmp_path: Path) -> None:
    from local_stack.env_file import write_env  # noqa: PLC0415 - beside what it tests

    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        example = (PROJECT_FOLDER / ".env.example").read_text()
        (tmp_path / name / ".env.example").write_text(example)
        write_env(tmp_path / name)
        written.append((tmp_path / name / ".env").read_text())
    for secret in ("AIRFLOW_JWT_SECRET", "AIRFLOW_FERNET_KEY"):
        values = [re.search(f"^{secret}=(.+)$", text, re.MULTILINE) for text in written]
        assert all(values)
        assert len({value[1] for value in values if value}) == 2


def test_compose_itself_accepts_each_file(docker: dict[str, str]) -> None:
    for override in ["", *(file.name for file in PROJECT_FOLDER.glob("docker-compose.*.yml"))]:
        files = ["--file", "docker-compose.yml", *(["--file", override] if override else [])]
        printed = subprocess.run(
            ["docker", "compose", *files, "config", "--format", "json"],
            cwd=PROJECT_FOLDER,
            env=docker,
            capture_output=True,
            text=True,
            check=True,
        )
        assert len(json.loads(printed.stdout)["services"]) >= 7
        assert "variable is not set" not in printed.stderr
