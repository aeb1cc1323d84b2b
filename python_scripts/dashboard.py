"""Open the dashboard: python python_scripts/dashboard.py, then http://localhost:8501.

What its pages show is in dashboard_page.py; this script only starts Streamlit with it.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import socket
from pathlib import Path
from typing import Annotated

import typer
from streamlit.web import cli

from pipeline_common.console import run, stderr
from pipeline_common.errors import StackError

PAGE = Path(__file__).with_name("dashboard_page.py")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    port: Annotated[int, typer.Option(help="Port of the dashboard.")] = 8501,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Serve the dashboard on this machine until Ctrl-C."""
    with socket.socket() as probe:
        if probe.connect_ex(("localhost", port)) == 0:
            raise StackError(f"Port {port} is in use. Choose another one: --port {port + 1}")
    options = {
        "server.address": "localhost",
        "server.port": port,
        "server.headless": str(not browser).lower(),
        "server.showEmailPrompt": "false",
        "logger.hideWelcomeMessage": "true",  # and with it an advertisement on the page
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "theme.light.primaryColor": "#3567b5",
        "theme.dark.primaryColor": "#7da2dd",
    }
    stderr.print(f"The dashboard is at http://localhost:{port} until Ctrl-C")
    cli.main(["run", str(PAGE), *(f"--{name}={value}" for name, value in options.items())])


if __name__ == "__main__":
    run(app)
