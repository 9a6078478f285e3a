# Everything a developer needs: make demo, make test, make check. See `make help`.

PYTHON ?= python3
DATA_DIR ?= .shardhouse
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
CONSTRAINTS := $(wildcard constraints.txt)
PINNED := $(if $(CONSTRAINTS),-c $(CONSTRAINTS))
RUNTIME := $(VENV)/.runtime
DEVELOPMENT := $(VENV)/.development

.PHONY: help demo test check down clean libraries

help:
	@echo "make demo   start the service and create a sharded cluster through its API"
	@echo "make down   stop everything, and prove that no process is left"
	@echo "make clean  the same, and remove all data of the demo"
	@echo "make test   run all tests"
	@echo "make check  check format, lint, types and import rules"

demo: $(RUNTIME) libraries
	@$(BIN)/shardhouse demo --data-dir $(DATA_DIR) $(DEMO_OPTIONS)

test: $(DEVELOPMENT) libraries
	$(BIN)/pytest $(PYTEST_OPTIONS)

check: $(DEVELOPMENT)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

down:
	@if [ -x $(BIN)/shardhouse ]; then $(BIN)/shardhouse down --data-dir $(DATA_DIR); \
	else echo "Nothing is installed here, so nothing runs."; fi

clean: down
	rm -rf $(DATA_DIR)

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
