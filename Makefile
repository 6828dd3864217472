# Every target sets up what it needs. The locks say what is installed; a stamp says that it was.

# The first interpreter here that is new enough; PYTHON=/path/to/python overrides it.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
IMAGE ?= slotgrid
# A file's tests stay on one process, so that its servers and browsers are started once. When one of
# the processes ends, the run does, too: xdist would wait for its tests for ever.
# Tests wait more than they compute, so there is one process more than CI has cores; files go in
# order of their names, since the slow ones are in the first folders and would end last otherwise.
PYTEST_FLAGS ?= -n 3 --dist loadfile --no-loadscope-reorder --max-worker-restart 0
# `make check` measures the coverage of a whole run: a subset of the tests (PYTEST_FLAGS) has none.
GATE ?=

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

.DEFAULT_GOAL := help
.PHONY: help run test test-long check lint format docs lock bench docker clean python runtime dev tools

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1|/p' Makefile | awk -F '|' '{ printf "  make %-9s %s\n", $$1, $$2 }'

run: runtime ## Set up what is missing; start a balancer on port 4000 (PORT=4001 make run) and two workers
	@SLOTGRID_OWNER=$$PPID exec $(BIN)/python -m scripts.run

test: tools ## Set up what is missing and run the tests but for the long ones (PYTEST_FLAGS="-x tests/slotgrid/core" for some)
	@$(BIN)/python -m scripts.tests $(if $(filter file,$(origin PYTEST_FLAGS)),$(GATE)) $(PYTEST_FLAGS)

test-long: tools ## Run the long forms of tests: storms, floods, 100,000 tasks, every pair of faults
	@$(BIN)/python -m scripts.tests $(PYTEST_FLAGS) -m long

check: GATE = --gate
check: lint test test-long ## What CI runs, in its order: linters, tests with their coverage, long tests

lint: dev ## Format, lint, types, import contracts, spelling, shell, Dockerfile: the list in .pre-commit-config.yaml
	@$(BIN)/pre-commit run --all-files --show-diff-on-failure

format: dev ## Format the code and fix what ruff can fix
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

docs: dev ## Run the examples of the shipped functions and write docs/functions/*.md, docs/actions.md and the README's list anew
	@$(BIN)/python -m tests.docs.function_pages
	@$(BIN)/python -m tests.docs.action_page

lock: dev ## Write the lock files anew from pyproject.toml (UPGRADE=--upgrade for the newest versions)
	$(COMPILE) $(UPGRADE) pyproject.toml --extra dev --group build -o requirements-dev.lock
	$(COMPILE) pyproject.toml -c requirements-dev.lock -o requirements.lock
	$(COMPILE) --group build -c requirements-dev.lock -o requirements-build.lock

bench: dev ## Measure worker and balancer beside what they are built on (twenty-four minutes)
	@$(BIN)/python -m scripts.browser
	@$(BIN)/python -m bench.worker
	@$(BIN)/python -m bench.balancer

docker: ## Build the image of worker and balancer (IMAGE=name)
	docker build --tag $(IMAGE) .

clean: ## Remove the environment and every cache; .env and .data stay
	rm -rf .venv build dist *.egg-info .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

runtime: python
	@$(PYTHON) -m scripts.setup --for runtime

dev: python
	@$(PYTHON) -m scripts.setup --for dev

tools: dev
	@$(BIN)/python -m scripts.browser
	@BROWSER=chromium $(BIN)/python -m scripts.browser
	@$(BIN)/python -m scripts.proxies
	@$(BIN)/python -m scripts.node_packages

python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or name one: make run PYTHON=/path/to/python" >&2; exit 1; }
