"""The definition of a service: how to start, check and stop it."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Service:
    """One line of the table in services.py."""

    name: str
    command: list[str]
    #: called until it returns true; read-only; may raise the errors of a service that is starting
    healthy: Callable[[], bool]
    #: run by `up` once the service is healthy, before its dependents start; idempotent
    set_up: Callable[[], None] = lambda: None
    #: published on 127.0.0.1; `port_variable` is the setting that moves it
    port: int | None = None
    port_variable: str = ""
    depends_on: tuple[str, ...] = ()
    #: run before every start: writes the configuration, creates the data folder on first use
    prepare: Callable[[], None] = lambda: None
    environment: dict[str, str] = field(default_factory=dict)
    #: environment variables of a database's init SQL and upgrades
    sql_variables: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 30
    #: runs to completion and must exit with 0, as airflow_init does
    one_shot: bool = False
    #: started only when it is named, as MONITORING=1 does with Prometheus
    optional: bool = False
