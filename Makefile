# One door for every command; `make` alone lists them. The recipes are short on purpose: each calls
# a script that can be run by itself.
.DEFAULT_GOAL := help
.PHONY: help demo up down status logs restart airflow reset clean setup env test lint lock \
        drill drill-all bench-stream bench-batch

PYTHON := .venv/bin/python
export STACK

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: up ## set up, start everything, run both pipelines, show the results
	@$(PYTHON) python_scripts/demo.py

up: env ## start the seven services and wait until they are healthy
	@case $$(local_stack/choose.sh up) in \
	  docker) docker compose up -d --wait ;; \
	  local) $(PYTHON) -m local_stack up ;; \
	  *) exit 2 ;; \
	esac

down: .venv/installed ## stop the services; the data stays
	@case $$(local_stack/choose.sh) in \
	  docker) docker compose down --remove-orphans ;; \
	  local) $(PYTHON) -m local_stack down ;; \
	  *) exit 2 ;; \
	esac

status: .venv/installed ## show each service's state
	@case $$(local_stack/choose.sh) in \
	  docker) docker compose ps --all ;; \
	  local) $(PYTHON) -m local_stack status ;; \
	  *) exit 2 ;; \
	esac

logs: .venv/installed ## print a service's log: make logs SERVICE=my_kafka
	@test -n "$(SERVICE)" || { echo "Which one? make logs SERVICE=my_kafka" >&2; exit 2; }
	@case $$(local_stack/choose.sh) in \
	  docker) docker logs "$(SERVICE)" ;; \
	  local) $(PYTHON) -m local_stack logs "$(SERVICE)" ;; \
	  *) exit 2 ;; \
	esac

restart: .venv/installed ## restart a service: make restart SERVICE=my_kafka
	@test -n "$(SERVICE)" || { echo "Which one? make restart SERVICE=my_kafka" >&2; exit 2; }
	@case $$(local_stack/choose.sh) in \
	  docker) docker compose restart "$(SERVICE)" ;; \
	  local) $(PYTHON) -m local_stack restart "$(SERVICE)" ;; \
	  *) exit 2 ;; \
	esac

airflow: .venv/installed ## Airflow's own command: make airflow ARGS="dags list"
	@case $$(local_stack/choose.sh) in \
	  docker) docker compose exec airflow_scheduler airflow $(ARGS) ;; \
	  local) $(PYTHON) -m local_stack airflow $(ARGS) ;; \
	  *) exit 2 ;; \
	esac

reset: .venv/installed ## stop the services and delete their data; the next start is a first one
	@case $$(local_stack/choose.sh) in \
	  docker) docker compose down --volumes --remove-orphans ;; \
	  local) $(PYTHON) -m local_stack reset ;; \
	  *) exit 2 ;; \
	esac

clean: ## stop everything and delete all that make has made, the data too
	@if docker info >/dev/null 2>&1; then docker compose down --volumes --remove-orphans 2>/dev/null; fi; true
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m local_stack clean; fi
	@rm -rf .venv *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Clean. System packages that setup installed stay; apt-get remove takes them away."

env: .venv/installed ## write .env with secrets of this clone's own
	@$(PYTHON) -m local_stack env

setup: .venv/installed ## install what is missing, without starting anything
	@$(PYTHON) -m local_stack setup

.venv/installed: requirements.lock pyproject.toml
	@local_stack/make_venv.sh

test: .venv/installed lint ## run all tests on a stack of their own
	@$(PYTHON) -m local_stack setup --tests
	@$(PYTHON) -m pytest

lint: .venv/installed ## check style and types
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy .

drill: .venv/installed ## break the stream on purpose and watch it lose nothing
	@$(PYTHON) -m local_stack setup
	@$(PYTHON) -m tests.faults.drill

drill-all: .venv/installed ## every drill of the stream, 20 runs each; writes docs/streaming-drills.md
	@$(PYTHON) -m local_stack setup
	@$(PYTHON) -m tests.faults.drill --all --runs 20

bench-stream: .venv/installed ## the stream's speed beside COPY and its peers (half an hour)
	@$(PYTHON) -m local_stack setup
	@$(PYTHON) -m tests.benchmarks.stream.bench --report

bench-batch: .venv/installed ## the batch's speed beside COPY and beside its peers
	@$(PYTHON) -m local_stack setup
	@$(PYTHON) -m tests.benchmarks.batch.bench --write

lock: ## write requirements.lock anew from the requirements files
	uv pip compile --quiet --upgrade --python-version 3.10 --universal requirements-dev.txt -o requirements.lock
