"""Open the live page: python python_scripts/dashboard.py, then http://localhost:8501.

What the page shows is in dashboard_page.py; this script only starts Streamlit with it.
"""

import socket
from pathlib import Path
from typing import Annotated

import typer
from streamlit.web import cli

from pipeline_console import StackError, run

PAGE = Path(__file__).with_name("dashboard_page.py")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    port: Annotated[int, typer.Option(help="Port of the page.")] = 8501,
    browser: Annotated[bool, typer.Option(help="Open a browser by itself.")] = True,
) -> None:
    """Serve the live page on this machine until Ctrl-C."""
    with socket.socket() as probe:
        if probe.connect_ex(("localhost", port)) == 0:
            raise StackError(f"Port {port} is taken. Take another one: --port {port + 1}")
    options = {
        "server.address": "localhost",
        "server.port": port,
        "server.headless": str(not browser).lower(),
        "server.showEmailPrompt": "false",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "theme.base": "light",
        "theme.primaryColor": "#3567b5",
    }
    cli.main(["run", str(PAGE), *(f"--{name}={value}" for name, value in options.items())])


if __name__ == "__main__":
    run(app)
