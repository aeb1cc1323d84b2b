"""What must be known about a service to start, watch and stop it."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Service:
    """One line of the table in services.py."""

    name: str
    command: list[str]
    #: called until true; changes nothing; may raise what a service that is still starting causes
    healthy: Callable[[], bool]
    #: done by `up` as soon as it is healthy, before what depends on it starts; repeatable
    set_up: Callable[[], None] = lambda: None
    #: published on 127.0.0.1; `port_variable` is the setting that moves it
    port: int | None = None
    port_variable: str = ""
    depends_on: tuple[str, ...] = ()
    #: run before every start: writes configuration, makes the data folder on first use
    prepare: Callable[[], None] = lambda: None
    environment: dict[str, str] = field(default_factory=dict)
    #: what a database's init SQL and upgrades are given
    sql_variables: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 30
    #: runs to completion and must exit with 0, like airflow_init
    one_shot: bool = False
    #: started only when it is named, as Prometheus is by MONITORING=1
    optional: bool = False
