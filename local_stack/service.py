"""What is to be known of a service so that it can be started, watched and stopped."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Service:
    """One line of the table in services.py."""

    name: str
    command: list[str]
    #: asked until it says yes; only looks; may raise what a service that is still starting causes
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
    #: runs to its end and must leave 0, like airflow_init
    one_shot: bool = False
    #: started only when it is named, as Prometheus is by MONITORING=1
    optional: bool = False
