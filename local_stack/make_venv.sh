#!/bin/sh
# Create .venv from requirements.lock: with uv (seconds), else with pip (a minute or two).
set -eu
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    echo "Python 3.10 or newer is needed: install python3, or name one with PYTHON=python3.11 make …" >&2
    exit 1
fi
echo "Installing the project's Python packages (Airflow, the Kafka and PostgreSQL clients) into .venv ..." >&2
if command -v uv >/dev/null; then
    uv venv --quiet --allow-existing --python "$python" .venv
    uv=uv
else
    if ! "$python" -m venv --clear .venv 2>/dev/null; then
        echo "This Python cannot make a virtual environment. First: sudo apt-get install -y python3-venv" >&2
        exit 1
    fi
    # uv installs the 200 packages ten times as fast as pip, which is the fallback.
    uv=.venv/bin/uv
    .venv/bin/pip install --quiet --require-hashes --requirement requirements-uv.txt 2>/dev/null || uv=
fi
if [ -n "$uv" ]; then
    # Compile to bytecode now, as pip does, rather than at the first import.
    install="$uv pip install --quiet --compile-bytecode --python .venv"
else
    install=".venv/bin/pip install --quiet"
fi
$install --require-hashes --requirement requirements.lock
# The project itself, so that `python streaming_pipeline/stream_validator.py` finds its neighbours;
# built with the setuptools of requirements.lock, so that nothing is downloaded for it.
$install --no-deps --no-build-isolation --editable .
touch .venv/installed
