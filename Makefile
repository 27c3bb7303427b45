# Every habit of this project: `make help`.

PYTHON ?= python3
WORKERS ?= 1
ARGS ?=
FAULT ?=
SEED ?=
BUILD_INFO ?= bridge_app/build.json

VENV := .venv
BIN := $(VENV)/bin
STACK := $(BIN)/python -m deploy.local
CREATED := $(VENV)/created.stamp
FOR_RUN := $(VENV)/run.stamp
FOR_DEV := $(VENV)/dev.stamp
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv install install-dev run demo up down status psql test coverage lint docs chaos mutate bench clean consul build-info

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- run -------------------------------------------------------------------------------------------------------------

run: $(FOR_RUN) ## Run the bridge and what it needs, until Ctrl-C (WORKERS=2 runs two)
	@$(STACK) run --workers $(WORKERS)

demo: $(FOR_RUN) ## Let a small fleet report for half a minute, and see what is found in that
	@$(BIN)/python -m deploy.demo $(ARGS)

up: $(FOR_RUN) ## Run Kafka, PostgreSQL and Consul alone, in the background
	@$(STACK) up

down: $(CREATED) ## Stop what runs
	@$(STACK) down

status: $(CREATED) ## Say what runs, and where
	@$(STACK) status

psql: $(FOR_RUN) ## Open psql on the database of what runs
	@$(STACK) psql

consul: $(CREATED) ## Build Consul now, if that has not been done (about 3 minutes, once)
	@$(STACK) consul

# --- check -----------------------------------------------------------------------------------------------------------

test: $(FOR_DEV) ## Run the tests on a stack of their own (ARGS="-k hooks" goes to pytest)
	@$(STACK) exec --profile test --wait-for-consul -- $(BIN)/python -m pytest $(ARGS)

coverage: $(FOR_DEV) ## Run the unit tests and measure the branches they cover; too few are an error
	@$(BIN)/python -m pytest --cov --cov-report=term --hypothesis-profile=measured -o timeout=900 tests/unit

lint: $(FOR_DEV) ## Check style, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

docs: $(FOR_DEV) ## Write docs/configuration.md anew
	@$(BIN)/python -m bridge_app.settings > docs/configuration.md

chaos: $(FOR_DEV) ## Run the faults of docs/faults.md, an hour or so (FAULT=F7 runs one, SEED=1 again as then)
	@LAB_SEED="$(SEED)" $(STACK) exec --profile test --wait-for-consul -- $(BIN)/python -m pytest \
		-m "chaos_long or chaos_short" $(if $(FAULT),-k _$(shell echo $(FAULT) | tr A-Z a-z)_) tests/chaos tests/integration $(ARGS)

mutate: $(FOR_DEV) ## Break each rule of delivery on purpose, and see that its test fails (10 minutes)
	@$(STACK) exec --profile test --wait-for-consul -- $(BIN)/python -m tests.mutations $(ARGS)

# What has an address is not started: no Consul is needed.
bench: $(FOR_DEV) ## Compare the bridge with its peers (20 minutes; ARGS=hooks runs one part of step, hooks, rows, outbox, adapter)
	@CONSUL_HOST=unused $(STACK) exec --profile test -- $(BIN)/python -m tests.load $(ARGS)

# --- install ---------------------------------------------------------------------------------------------------------

venv: $(CREATED)
	@:

build-info: ## Write down which commit is built, for /admin/info: before a package or an image is made
	@printf '{"build_time": "%s", "git_commit": "%s"}\n' "$$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$$(git rev-parse HEAD)" > $(BUILD_INFO)

install: $(FOR_RUN) ## Install what `make run` needs, without running it

install-dev: $(FOR_DEV) ## Install what `make test` and `make lint` need

$(CREATED):
	@command -v $(PYTHON) > /dev/null || { \
		echo "$(PYTHON) is not on the path: install Python 3.11 or newer, or say which with make PYTHON=..."; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is $$($(PYTHON) -V 2>&1): 3.11 or newer is needed; say which with make PYTHON=..."; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2> /dev/null || { \
		echo "$(PYTHON) cannot make virtual environments: install its venv module (on Debian: python3-venv)"; exit 2; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(FOR_RUN): requirements.lock pyproject.toml | $(CREATED)
	@echo "installing what requirements.lock pins into $(VENV)"
	@$(PIP) install --quiet --no-deps --require-hashes -r requirements.lock
	@$(PIP) install --quiet --no-deps -e .
	@touch $@

$(FOR_DEV): requirements-dev.lock pyproject.toml | $(CREATED)
	@echo "installing what requirements-dev.lock pins into $(VENV)"
	@$(PIP) install --quiet --no-deps --require-hashes -r requirements-dev.lock
	@$(PIP) install --quiet --no-deps -e .
	@touch $@

# --- clean -----------------------------------------------------------------------------------------------------------

clean: $(CREATED) ## Stop everything and delete the data of the local stack (.bridge)
	@$(STACK) clean
