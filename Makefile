# Every target that runs something first brings .venv up to date with the lock; nothing is installed outside of it.

PYTHON ?= python3
EVENTS ?= fixtures/demo.mmj
REPORT ?= out/demo
JOBS ?= 2
# These tests run twice: interpreted with every warning an error, then compiled with all the others.
CORE_TESTS := tests/engine tests/property/test_book.py tests/property/test_orders.py tests/property/test_position.py \
	tests/adapters/venues/bybit/test_requests.py

PACKAGES := adapters config engine journal replay reports
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv run test lint format types contracts bench bench-against wheel lock clean

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' Makefile

venv: $(STAMP)  ## create .venv from requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: mm needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@mkdir -p $(VENV)/types/mmfold
	@for name in __init__.py $(PACKAGES); do ln -sfn ../../../$$name $(VENV)/types/mmfold/$$name; done
	@touch $@

run: $(STAMP)  ## replay the bundled journal, print the summary, write the report
	$(BIN)/mm replay --events $(EVENTS) --report $(REPORT) --force

test: $(STAMP)  ## run every test; those on recorded feeds skip where there are none
	$(if $(ARGS),,$(BIN)/python -m tests.compile_first $(JOBS))
	$(if $(ARGS),,NUMBA_DISABLE_JIT=1 $(BIN)/python -W error -m pytest -n $(JOBS) $(CORE_TESTS))
	$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),-n $(JOBS) --dist loadfile)

lint: $(STAMP)  ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)  ## mend style and formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP)  ## check types
	$(BIN)/mypy

contracts: $(STAMP)  ## check that imports point inward
	$(BIN)/lint-imports --no-logo

bench: $(STAMP)  ## measure this machine: make bench EVENTS=out/n
	$(BIN)/mm bench --events $(EVENTS)

bench-against: $(STAMP)  ## measure this build beside the one of .ci/baseline; fails beyond 10 %, the tick beyond 100 %
	.ci/against $(BIN)/mm

wheel: $(STAMP)  ## build dist/mmfold-*.whl, to be installed elsewhere
	rm -rf build dist/mmfold-*.whl
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .

lock: $(STAMP)  ## renew requirements.lock from pyproject.toml; keeps the pins that still fit
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --all-extras --strip-extras \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml

clean:  ## remove what was made, except .venv
	rm -rf out build dist __pycache__ .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find $(PACKAGES) tests fixtures -name __pycache__ -type d -prune -exec rm -rf {} +
