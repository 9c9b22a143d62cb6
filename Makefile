# Every target makes the virtual environment it needs (.venv, from requirements-dev.lock, every file checked by hash)
# and runs from a clean checkout. Choose another interpreter with: make PYTHON=/path/to/python3.13 quickstart

SUITABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3.14 python3; do \
	"$$python" -c '$(SUITABLE)' 2>/dev/null && echo "$$python" && break; done)

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
PYTEST := $(BIN)/python -m pytest
PACKAGES := agent apiserver ca certs cli kube serving store
PROCESSES := -n 4 --dist loadgroup --no-loadscope-reorder # tests wait more than they compute; tests/distribution.py
TESTS :=

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help quickstart test check lint bench coverage lock protos docs picture format clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

quickstart: $(INSTALLED) ## start a CA in .quickstart/, sign and fetch a certificate over mTLS, prove it with OpenSSL
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/quickstart.sh

test: $(INSTALLED) ## run the tests (a part of them: make test TESTS=tests/certs)
	$(PYTEST) $(PROCESSES) $(TESTS)

check: lint test ## what CI runs: format, lint, types, import contracts, then the tests (which compare generated code and docs)

lint: $(INSTALLED) ## format, lint, types, import contracts, Dockerfile, shell scripts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/shellcheck scripts/*.sh .ci/run

bench: $(INSTALLED) ## measure against the budgets, as ratios to raw cryptography in the same run
	$(BIN)/python -m bench $(BENCH)

coverage: $(INSTALLED) ## run the tests and report the branches they miss
	$(BIN)/coverage run -m pytest $(TESTS)
	$(BIN)/coverage report

format: $(INSTALLED) ## write the format that check asks for
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

protos: $(INSTALLED) ## generate the Python code of protos/
	$(BIN)/python -m protos.generate

docs: $(INSTALLED) ## generate docs/cli.md, docs/configuration.md, docs/metrics.md, docs/examples/chancery.yaml, and the chart's schema and README
	$(BIN)/python -m cli.reference > docs/cli.md
	$(BIN)/python scripts/document_settings.py
	$(BIN)/python scripts/document_chart.py
	$(BIN)/python scripts/document_metrics.py
	$(BIN)/python scripts/render_examples.py

picture: $(INSTALLED) ## draw the dashboard in docs/images/ anew, in a quarter of an hour; needs the tests' control plane, npm and Chromium
	$(BIN)/python -m tests.observability.picture

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" $(UPGRADE)
lock: $(INSTALLED) ## lock the dependencies of pyproject.toml (newest versions: make lock UPGRADE=--upgrade)
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) --group build -o requirements-build.lock
	$(COMPILE) pyproject.toml --group dev --constraint requirements.lock -o requirements-dev.lock

clean: ## remove the environment, caches and .quickstart/
	rm -rf $(VENV) .quickstart build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache bench/results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements-dev.lock
	@test -n "$(PYTHON)" && "$(PYTHON)" -c '$(SUITABLE)' || { echo "chancery needs Python 3.11 or newer with venv and pip (Debian: apt install python3-venv); name one with make PYTHON=…" >&2; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version) from requirements-dev.lock"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --no-deps --only-binary :all: --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index --editable .
	@touch $@
