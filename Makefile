# `make help` lists the targets. Each sets itself up: nothing but python3 and make has to be installed.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
SYNC := $(UV) pip install --quiet --python $(PY) --compile-bytecode
COMPILE := $(UV) pip compile --quiet --python $(PY) --generate-hashes --no-emit-index-url --no-header
export ORT_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help venv dev system demo test test-quick lint format bench vectors requirements clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(VENV)/build.stamp ## virtual environment with the builder and this package

dev: $(VENV)/dev.stamp ## the same, with what tests and linters need

$(VENV)/uv.stamp: requirements/uv.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/build.stamp: $(VENV)/uv.stamp requirements/build.txt pyproject.toml
	$(SYNC) --require-hashes -r requirements/build.txt
	$(SYNC) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/build.stamp requirements/dev.txt
	$(SYNC) --require-hashes -r requirements/dev.txt
	@touch $@

system: ## what tests need of the system: strace
	@command -v strace >/dev/null || { apt-get update -qq && apt-get install -qq -y --no-install-recommends strace; }

demo: venv ## build the example model for arm64
	$(PY) -m bundle build --target arm64

test: dev system ## all tests
	$(PY) -m pytest --benchmark-disable

test-quick: dev system ## the tests that answer within a minute
	$(PY) -m pytest --benchmark-disable -m "not slow and not network" --ignore=tests/benchmarks

lint: dev ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy python/bundle

format: dev ## rewrite the sources as the linter wants them
	$(PY) -m ruff check --fix-only --quiet .
	$(PY) -m ruff format .

bench: dev ## benchmarks; figures go to .benchmarks/
	@mkdir -p .benchmarks
	$(PY) -m pytest tests/benchmarks --benchmark-only --benchmark-json=.benchmarks/latest.json

vectors: dev ## write spec/cases again from its generator
	$(PY) -m tests.vectors.generate

requirements: $(VENV)/uv.stamp ## pin again what requirements/*.in ask for
	$(COMPILE) requirements/uv.in --output-file requirements/uv.txt
	$(COMPILE) requirements/build.in --output-file requirements/build.txt
	$(COMPILE) requirements/dev.in --output-file requirements/dev.txt

clean: ## remove the environment, all caches but downloads, and built bundles
	rm -rf $(VENV) bundles build dist .benchmarks .mypy_cache .ruff_cache .pytest_cache .hypothesis
