# make gaps    how far is each solver from the optimum, on real data      (about 3 minutes after the first install)
# make test    every check: lint, format, types, docs, fast tests, slow tests with the notebooks
# make docs    the documentation site, into site/; a broken link is an error
# make notebooks   run the notebooks, and check that scripts and notebooks agree
# make help    this text
#
# Everything is installed into .venv, at the versions of constraints.txt. On a machine with an NVIDIA driver torch is
# the default build; elsewhere it is the much smaller CPU build, taken from PyTorch's own index if that is reachable.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= 2
TORCH_INDEX ?= $(if $(shell command -v nvidia-smi),,--extra-index-url https://download.pytorch.org/whl/cpu)

# Test workers share the cores: threads that wait must not spin.
QUIET_THREADS := NUMBA_NUM_THREADS=2 OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive

.PHONY: help gaps test lint types fast slow docs notebooks clean
.DEFAULT_GOAL := help

help:
	@sed -n '/^# make/s/^# //p' Makefile

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.gaps: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[experiments]"
	@touch $@

$(VENV)/.test: $(VENV)/.gaps
	$(BIN)/pip install --quiet --retries 1 --constraint constraints.txt $(TORCH_INDEX) torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[all,dev,docs,notebooks]"
	@touch $@

gaps: $(VENV)/.gaps
	$(BIN)/python -m experiments gaps

test: lint types docs fast slow

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

fast: $(VENV)/.test
	$(QUIET_THREADS) $(BIN)/python -m pytest -n $(WORKERS) -m "not slow"

slow: $(VENV)/.test
	$(QUIET_THREADS) $(BIN)/python -m pytest -n $(WORKERS) -m slow

docs: $(VENV)/.test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

notebooks: $(VENV)/.test
	$(QUIET_THREADS) $(BIN)/python -m pytest tests/test_notebooks.py

clean:
	rm -rf $(VENV) build site *.egg-info
