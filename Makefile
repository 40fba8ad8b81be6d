# The verbs of this project. They need Python 3.11 to 3.13 and make; everything else is installed into .venv and .run.
# `make` alone installs and shows the verbs.
.DEFAULT_GOAL := help
SHELL := /bin/sh

# uv from the PATH where there is one, else from a private environment.
UV ?= $(shell uv --version >/dev/null 2>&1 && command -v uv || echo .run/uv/bin/uv)
BASE_PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && command -v "$$p" && break; done)
PYTHON := .venv/bin/python
INSTALLED := .venv/.installed

# Without byte-code every process compiles its imports anew, which costs seconds each.
export UV_COMPILE_BYTECODE := 1
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo up down test check bench conformance clean

help: $(INSTALLED) ## Show the verbs
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

install: $(INSTALLED)  ## Install into .venv what uv.lock says

.run/uv/bin/uv:
	@test -n "$(BASE_PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; none is on the PATH." >&2; exit 1; }
	"$(BASE_PYTHON)" -m venv .run/uv
	.run/uv/bin/pip install --quiet --disable-pip-version-check uv

$(INSTALLED): pyproject.toml uv.lock $(filter .run/%,$(UV))
	@test -n "$(BASE_PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; none is on the PATH." >&2; exit 1; }
	"$(UV)" sync --quiet --all-extras --frozen --python "$(BASE_PYTHON)"
	@touch $@

demo: $(INSTALLED) ## From nothing to a finished sync on a real Airflow, checked; exits 0 if all promises were kept
	@$(PYTHON) -m leadsync_stack demo

up: $(INSTALLED) ## Start the same stack and keep it running; prints addresses and logins
	@$(PYTHON) -m leadsync_stack up

down: ## Stop what `make up` started
	@test ! -x $(PYTHON) || $(PYTHON) -m leadsync_stack down

test: $(INSTALLED) ## Run the tests
	@$(PYTHON) -m pytest

check: $(INSTALLED) ## Check formatting, lint, types, import contracts and the lock file
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/lint-imports
	"$(UV)" lock --check

bench: $(INSTALLED) ## Run the benchmarks
	@$(PYTHON) -m benchmarks

conformance: $(INSTALLED) ## Check the emulator: SOQL against two outside parsers (needs npm), recorded exchanges, 100,000 fuzzed requests
	@$(PYTHON) -m tests.conformance.soql.judge
	@$(PYTHON) -m tests.conformance.replay.replay
	@mkdir -p .run
	@$(PYTHON) -m tests.conformance.fuzz --requests 100000 2>.run/fuzz.log

clean: down ## Remove what the verbs have made, except .venv
	rm -rf .run .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
