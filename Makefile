# Every target does all its own set-up: a machine with Python 3.11+ and make is enough.

# The first Python that can make virtual environments: 3.11 to 3.13, for which every package has a
# wheel, and only then a newer one, where pip must compile some.
CAN = -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, $(1)))'
FIRST = for python in python3 python3.11 python3.12 python3.13 python3.14; do \
	if $$python $(call CAN,$(1)) 2>/dev/null; then command -v $$python; break; fi; done
ifndef PYTHON
PYTHON := $(or $(shell $(call FIRST,14)),$(shell $(call FIRST,99)))
endif
BIN := .venv/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup setup-run run test check bench format clean python

help:  ## Show the commands
	@sed -n 's/^\([a-z-]*\):.*##/  make \1\t/p' Makefile | expand -t 16

setup: python  ## Prepare .venv with everything for running, tests and checks
	@"$(PYTHON)" scripts/setup.py dev

setup-run: python
	@"$(PYTHON)" scripts/setup.py run

python:
ifeq ($(PYTHON),)
	@if python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo "This Python cannot make virtual environments: apt-get install python3-venv" >&2; \
	else echo "Cairn needs Python 3.11 or newer: install it, or name it with PYTHON=..." >&2; fi; exit 1
endif

run: setup-run  ## Start Cairn with its embedded engines (ARGS="--port 9000")
	@exec $(BIN)/cairn dev $(ARGS)

# A part of the tests (ARGS="tests/core -k name") is plain pytest: not measured, no second chance.
test: setup  ## Run the tests, coverage at least 80 % (ARGS="tests/core -k name")
	@exec $(BIN)/python scripts/run_tests.py $(ARGS)

check: setup  ## Format, lint, types, layers, quality gates, API drift
	$(BIN)/black --check .
	$(BIN)/isort --check-only .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports
	$(BIN)/python scripts/quality_gates.py
	$(BIN)/python scripts/generate_openapi_schemas.py --check

bench: setup  ## Measure, with the bare bound of the same run beside each figure
	@exec $(BIN)/python -m benchmarks $(ARGS)

format: setup  ## Format the code
	$(BIN)/isort --quiet .
	$(BIN)/black --quiet .
	$(BIN)/ruff check --quiet --fix .

clean:  ## Remove .venv and caches; the data in .cairn stays
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis \
		.import_linter_cache .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
