# Every target builds .venv on demand. `make help` lists them.
#   PYTHON=...       the interpreter (3.11 or newer); found by itself otherwise
#   TORCH_INDEX=URL  the package index that torch is taken from (CPU-only wheels, or a CUDA build)
#   ARGS=...         further arguments: of pytest (make test), of the command line (make demo)
#   JOBS=2           processes that the tests are spread over
#   NAME=...         the one benchmark to run (make bench)

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS := constraints/cpu.txt
TORCH_INDEX ?=
JOBS ?= 2
NAME ?= adbench higgsml_detectors thesis_tables speed_detectors ope_tables ope_images \
	ope_stability adversarial_margin speed_ope showers_quality speed_showers stream_showers \
	validate_simulators

# The first interpreter that really is 3.11 or newer.
PYTHON ?= $(shell for p in python3 python python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo "$$p"; break; }; done)

# uv does not read pip's settings: hand it the folders of local wheels that pip knows.
UV := $(shell command -v uv 2>/dev/null)
ifneq ($(UV),)
WHEELS := $(strip $(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null \
	|| echo "$${PIP_FIND_LINKS:-}"))
space := $(subst ,, )
INSTALL = $(if $(WHEELS),UV_FIND_LINKS="$(subst $(space),$(,),$(WHEELS))") \
	"$(UV)" pip install --quiet --python $(BIN)/python -c $(CONSTRAINTS)
else
INSTALL = $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c $(CONSTRAINTS)
endif
, := ,

.PHONY: help setup demo test lint format bench docs check-cpu clean distclean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(VENV)/.dev  ## build .venv with everything that development needs

demo: $(VENV)/.core  ## compare the detectors on the embedded events, write report.html
	$(BIN)/skhep-anomaly compare --out report.html $(ARGS)

test: $(VENV)/.dev  ## the fast tests and the docstring examples
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

lint: $(VENV)/.dev  ## style, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev  ## let ruff put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev  ## all benchmarks, or the one called NAME, one after the other
	for name in $(NAME); do OMP_NUM_THREADS=1 $(BIN)/python "benchmarks/$$name.py" $(ARGS); done

docs: $(VENV)/.dev  ## the site, in docs/_build/html; a warning is an error
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

check-cpu: $(VENV)/.core  ## fail when a CUDA package came along
	$(BIN)/python .ci/check_cpu.py

clean:  ## remove what builds and runs leave, but not .venv
	rm -rf docs/_build docs/api docs/auto_gallery build dist report.html
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .nox
	find skhep_anomaly tests docs -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## remove .venv too
	rm -rf $(VENV)

# Two steps, so that the demo does not wait for tools that only development needs.
$(VENV)/.core: pyproject.toml $(CONSTRAINTS)
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3"; \
		exit 1; }
ifneq ($(UV),)
	test -x $(BIN)/python || "$(UV)" venv --quiet --python "$(PYTHON)" $(VENV)
else
	test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
endif
	$(INSTALL) torch $(if $(TORCH_INDEX),--index-url "$(TORCH_INDEX)")
	$(INSTALL) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
ifeq ($(UV),)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --upgrade "pip>=25.1"
endif
	$(INSTALL) -e . --group dev
	@touch $@
