# Every command of the project; `make` alone lists them. The recipes are short on purpose: each calls
# a script that can be run on its own.
.DEFAULT_GOAL := help
.PHONY: help demo up down status logs restart airflow reset clean setup env test test-fast test-slow coverage lint lock \
        backup restore check arena incident drill drill-all soak bench-stream bench-batch docs

PYTHON := .venv/bin/python
# The system's uv, else the one in requirements-uv.txt.
UV = $(or $(shell command -v uv),.venv/bin/uv)
COMPILE = $(UV) pip compile --quiet $(UPGRADE) --generate-hashes
# Includes the volume of MONITORING=1, whether it was used or not.
MONITORED := --file docker-compose.yml --file docker-compose.monitoring.yml
export STACK

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: up ## set up, start everything, run both pipelines, show the results
	@$(PYTHON) python_scripts/demo.py

up: env ## start the seven services and wait until they are healthy; MONITORING=1: with Prometheus
	@case $$(local_stack/choose.sh up) in \
	  docker) docker compose $(if $(MONITORING),$(MONITORED)) up -d --wait ;; \
	  local) $(PYTHON) -m local_stack up $(if $(MONITORING),--monitoring) ;; \
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

backup: .venv/installed ## back up both databases, and archive their WAL from then on
	@$(PYTHON) -m backup take

restore: .venv/installed ## restore both to a moment: make restore TIME=2026-11-24T08:00:00Z SERVICE=my_postgres YES=1
	@$(PYTHON) -m backup restore $(SERVICE) $(if $(TIME),--time "$(TIME)") $(if $(YES),--yes)

reset: .venv/installed ## stop the services, delete their data and backups: the next start is a first one
	@case $$(local_stack/choose.sh) in \
	  docker) docker compose $(MONITORED) down --volumes --remove-orphans ;; \
	  local) $(PYTHON) -m local_stack reset ;; \
	  *) exit 2 ;; \
	esac

clean: ## stop everything and delete all that make has created, including the data
	@if docker info >/dev/null 2>&1; then docker compose $(MONITORED) down --volumes --remove-orphans 2>/dev/null; fi; true
	@local_stack/clean.sh
	@echo "Clean. System packages that setup installed stay; to remove them: apt-get remove."

env: .venv/installed ## write .env with secrets of this clone's own
	@$(PYTHON) -m local_stack env

setup: .venv/installed ## install what is missing, without starting anything
	@$(PYTHON) -m local_stack setup

.venv/installed: requirements.lock pyproject.toml
	@local_stack/make_venv.sh

test: .venv/installed lint ## run the tests, two files at a time, on stacks of their own
	@$(PYTHON) -m local_stack setup --tests
	@$(PYTHON) -m pytest -p tests.parallel --numprocesses 2 -m "not slow" || \
	  { test $$? = 1 && $(PYTHON) -m tests.again; }

test-slow: .venv/installed ## run the nightly tests: a fresh clone, Airflow 2.8, Celery, the arena
	@$(PYTHON) -m local_stack setup --tests
	@$(PYTHON) -m pytest -p tests.parallel --numprocesses 2 -m slow

test-fast: .venv/installed lint ## run the tests that need no server, in less than a minute
	@$(PYTHON) -m pytest tests/unit --quiet

coverage: .venv/installed ## print the branches that no unit or integration test takes
	@$(PYTHON) -m local_stack setup --tests
	@.venv/bin/coverage erase
	@.venv/bin/coverage run -m pytest -p tests.parallel --numprocesses 2 tests/unit tests/integration
	@.venv/bin/coverage combine --quiet
	@.venv/bin/coverage report

lint: .venv/installed ## check style, types, and which part imports which
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy .
	@.venv/bin/lint-imports --no-cache --no-logo

drill: .venv/installed ## inject faults into the stream and count every record: make drill FAULT=fuzz RUNS=20 SEED=1
	@$(PYTHON) -m local_stack setup
	@$(PYTHON) -m tests.faults.drill $(FAULT) $(if $(RUNS),--runs $(RUNS)) $(if $(SEED),--seed $(SEED))

drill-all: .venv/installed ## run every drill of the stream 20 times; writes docs/streaming-drills.md
	@$(PYTHON) -m local_stack setup
	@$(PYTHON) -m tests.faults.drill --all --runs 20

arena: .venv/installed ## run the consumers of lab/ladder, or CONSUMER=my_file.py, or BATCH=1, under fault drills
	@$(PYTHON) -m local_stack setup
	@$(PYTHON) -m $(if $(BATCH),lab.batch_arena,lab.arena $(if $(CONSUMER),--consumer "$(CONSUMER)"))

check: .venv/installed ## show which exercises you have done, or check one: make check EXERCISE=3
	@$(PYTHON) -m lab.check $(if $(EXERCISE),"$(EXERCISE)") || [ $$? -eq 1 ]

incident: .venv/installed ## break something in the running stack, for you to find: make incident SEED=3
	@$(PYTHON) -m lab.incident start $(if $(SEED),--seed "$(SEED)")

soak: .venv/installed ## 2,000 records/s with faults for MINUTES=20: memory and connections stay flat
	@$(PYTHON) -m local_stack setup
	@$(PYTHON) -m tests.faults.soak $(if $(MINUTES),--minutes $(MINUTES))

bench-stream: .venv/installed ## compare the stream's speed with COPY and other consumers (half an hour)
	@$(PYTHON) -m local_stack setup
	@$(PYTHON) -m tests.benchmarks.stream.bench --report

bench-batch: .venv/installed ## compare the batch's speed with COPY and other tools
	@$(PYTHON) -m local_stack setup
	@$(PYTHON) -m tests.benchmarks.batch.bench --write

docs: .venv/installed ## build the site of the pages in .local/site; fails if a link is broken
	@rm -rf .local/pages .local/site
	@mkdir -p .local/pages
	@git ls-files -z --cached --others --exclude-standard | tar -c --null -T - | tar -x -C .local/pages
	@.venv/bin/zensical build --clean --strict

lock: ## compile requirements.lock from the requirements files; UPGRADE=--upgrade upgrades every version
	@$(COMPILE) requirements-uv.in -o requirements-uv.txt
	@$(COMPILE) --python-version 3.10 --universal requirements-dev.txt -o requirements.lock
	@$(COMPILE) --python-version 3.10 --universal --constraint requirements.lock requirements-validator.in -o requirements-validator.txt
