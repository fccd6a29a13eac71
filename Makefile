# `make compare` and `make test` do everything on a fresh machine with Python 3.11 or newer and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= runs/first
# Tests start commands as processes: what each would compile again is kept, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=

NATIVE := cmake/CMakeLists.txt $(wildcard src/seatrial/kernels/cpu/native/*)

.PHONY: compare install model test test-slow test-browser reader check format clean help

compare: model  ## measure the embedded model and two baselines on the three workloads; write runs/first/report.html
	$(BIN)/seatrial compare smollm2-135m baseline:nearest baseline:majority smollm3-3b gpt-5-mini \
	  --on triage --on extract --on arithmetic --out $(OUT)

install: $(VENV)/.runtime  ## build the environment alone

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Seatrial needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "$(PYTHON) cannot make an environment. On Debian and Ubuntu: apt install python3-venv"; rm -rf $(VENV); exit 2; }
	$(BIN)/python -m pip install --quiet --upgrade pip

# torch comes first and in this exact spelling, so that machines without a GPU get the small CPU build.
# The native kernels are built in place; without build isolation a later install compiles only what has changed.
$(VENV)/.runtime: pyproject.toml $(NATIVE) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet 'scikit-build-core>=0.11' 'nanobind>=2.4' cmake ninja
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pip install --quiet --no-build-isolation --editable .
	@$(BIN)/python -c 'from seatrial.kernels import cpu; \
	  print(cpu.why_absent() or "Native kernels: " + ", ".join(cpu.levels()))'
	@touch $@

$(VENV)/.development: $(VENV)/.runtime
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pip install --quiet --no-build-isolation --editable '.[dev]'
	@touch $@

model: $(VENV)/.runtime  ## bring the embedded model, SmolLM2-135M
	$(BIN)/seatrial pull smollm2-135m

test: $(VENV)/.development model  ## the default tests: no network, no GPU, under five minutes on two cores
	$(BIN)/python -m pytest -n 2

test-slow: $(VENV)/.development model  ## the tests that take longer
	$(BIN)/python -m pytest -m slow --timeout 900

test-browser: $(VENV)/.development model  ## the report in Chromium (Debian: apt install chromium)
	$(BIN)/python -m pytest -m browser

reader: $(VENV)/.development  ## train a tiny SmolVLM that reads totals on drawn receipts into runs/reader: docs/vision.md
	cd tests/tiny && OMP_WAIT_POLICY=PASSIVE ../../$(BIN)/python -m reader --out ../../runs/reader

check: $(VENV)/.development  ## ruff, mypy --strict, the ladder, and proof that the ladder's lint catches a violation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/test_ladder.py

format: $(VENV)/.development
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the environment and caches; runs and pulled models stay
	find cmake -mindepth 1 ! -name CMakeLists.txt -delete
	rm -rf build src/seatrial/kernels/cpu/_native*.so
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

help:
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | column -t -s '	'
