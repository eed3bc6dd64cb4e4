# make demo   runs real Airflow tasks, each in a pod of its own, on this machine
# make test   checks everything
# Both set up by themselves: .venv gets the exact versions of requirements.lock.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
UV     := uv==0.13.8
TESTS  ?= tests
# At a time. Many tests wait for processes of their own; those with a real Airflow keep a core busy.
JOBS   ?= 2

# Only what stands on make's command line counts: an exported KUBECONFIG must not send the demo to somebody's cluster.
given = $(if $(filter command,$(origin $(1))),$($(1)))

.DEFAULT_GOAL := help
.PHONY: help setup demo test soak bench image kind-demo lint lock clean

help:
	@echo "make demo                            run example DAGs in pods on this machine (KEEP=1 leaves it running)"
	@echo "make demo KUBECONFIG=FILE IMAGE=NAME the same on a cluster of yours (NAMESPACE=, HOST=)"
	@echo "make test                            lint and all tests (TESTS=tests/unit for some of them)"
	@echo "make soak                            the long tests: 10,000 launches through faults, 20 seeds of kill -9, ..."
	@echo "make bench                           how fast it is, beside a bare client and upstream (15 minutes)"
	@echo "make image                           build the image $(IMAGE_TAG) from the official Airflow one"
	@echo "make kind-demo                       chart and demo DAGs on a kind cluster (Docker, kind, kubectl, helm; KEEP=1)"
	@echo "make lint                            ruff, mypy, import-linter"
	@echo "make lock                            resolve requirements.lock anew from pyproject.toml"
	@echo "make clean                           remove .venv, caches and the demo's files"

setup: $(STAMP)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed (make PYTHON=python3.12 ... chooses one)." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "Python's venv module is missing. On Debian: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# uv installs in seconds, trusting the certificates the system trusts. Where it finds no package index (only pip is told
# of one), pip does the same, slowly.
UV_INSTALL  = $(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python
PIP_INSTALL = $(BIN)/python -m pip install -qq --disable-pip-version-check

$(STAMP): requirements.lock pyproject.toml | $(BIN)/python
	@echo "installing the packages of requirements.lock into $(VENV)"
	@$(PIP_INSTALL) "$(UV)"
	@$(UV_INSTALL) --require-hashes -r requirements.lock || $(PIP_INSTALL) --require-hashes -r requirements.lock
	@$(UV_INSTALL) --no-deps -e . || $(PIP_INSTALL) --no-deps -e .
	@touch $@

demo: $(STAMP)
	@exec env KEEP="$(KEEP)" DEMO_KUBECONFIG="$(call given,KUBECONFIG)" DEMO_IMAGE="$(call given,IMAGE)" \
	  DEMO_NAMESPACE="$(call given,NAMESPACE)" DEMO_HOST="$(call given,HOST)" $(BIN)/python -m executor.demo

test: lint
	$(BIN)/python -m pytest $(TESTS) -m "not alone" -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations=10 $(PYTEST_ARGS) $(some)
	$(BIN)/python -m pytest $(TESTS) -m alone $(PYTEST_ARGS) $(some)

# 5 is pytest's word for "none of that kind": no failure where only some of the tests were asked for.
some = $(if $(filter-out tests,$(TESTS)),|| [ $$? -eq 5 ])

LONG_TESTS = tests/soak tests/promises tests/property tests/airflow/test_chaos.py tests/airflow/test_frozen_launch.py \
  tests/chart/test_runs_demo.py tests/operators
soak: $(STAMP)
	SOAK=1 $(BIN)/python -m pytest $(LONG_TESTS) -s --durations=20 $(PYTEST_ARGS)

bench: $(STAMP)
	@mkdir -p .benchmarks
	$(BIN)/python -m pytest -q tests/benchmarks/test_micro.py --benchmark-only --benchmark-columns=median,min,max \
	  --benchmark-json=.benchmarks/micro.json
	$(BIN)/python -m tests.benchmarks $(BENCH_ARGS)

IMAGE_TAG := airflow-pod-executor:3.3.2
image:
	docker build --tag $(IMAGE_TAG) .

# Ends with 69 where there is no Docker engine, kind, kubectl or helm.
kind-demo:
	@exec env KEEP="$(KEEP)" tests/kind/demo.sh

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

lock: $(STAMP)
	$(BIN)/uv pip compile pyproject.toml --system-certs --extra provider --group test --group lint --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header --upgrade --quiet --output-file requirements.lock

clean:
	rm -rf $(VENV) .state build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks .import_linter_cache
