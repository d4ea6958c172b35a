# What a person types here. Everything lands in .venv and var/; nothing outside this folder is touched,
# but for Chromium, PostgreSQL and strace, which `make test` installs where it may.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help setup run check test bench lock development programs lint types

PYTHON ?= python3
PORT ?=
SCALE ?= 1

BIN := .venv/bin
STAMPS := .venv/stamps
# --python: with another environment activated, uv would install into that one.
INSTALL := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python
COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --no-header --no-annotate $(UPGRADE)

help: ## say what can be typed here
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 16

setup: $(STAMPS)/project ## make .venv with all that Lotproof needs to run
	@:

run: setup ## start Lotproof with its demo; Ctrl-C stops it; PORT=8080 chooses the port
	@exec $(BIN)/lotproof run $(if $(PORT),--port $(PORT))

# The inner loop writes to memory where there is some, and draws fewer examples; `make test` does neither.
QUICK := HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-quick} $(if $(wildcard /dev/shm/.),PYTEST_DEBUG_TEMPROOT=/dev/shm)

check: development lint types ## the inner loop: lint, types and the fast tests, under a minute
	@$(QUICK) $(BIN)/pytest -n 2 --dist worksteal -m "not browser and not slow"

test: development programs lint types ## everything, browser and slow tests too
	@$(BIN)/pytest -n 2 --dist loadfile -rs

bench: development ## measure; SCALE=0.1 for a quick look
	@$(BIN)/python -m tests.bench --scale $(SCALE)

lock: $(STAMPS)/uv ## write the locks again from requirements/*.in; UPGRADE=--upgrade takes newer versions
	@$(COMPILE) requirements/uv.in -o requirements/uv.txt >/dev/null
	@$(COMPILE) requirements/runtime.in -o requirements/runtime.txt >/dev/null
	@$(COMPILE) requirements/development.in -c requirements/runtime.txt -o requirements/development.txt >/dev/null

development: $(STAMPS)/development

lint:
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "Some files are not formatted; $(BIN)/ruff format . does it." >&2; exit 1; }

types:
	@$(BIN)/mypy

# What tests need besides Python: a browser, a database server (of the lock there is another), a tracer for faults.
# Debian's package postgresql would start a server of its own; this file keeps it from that.
PACKAGES = $(shell command -v chromium >/dev/null || echo chromium) \
	$(shell ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || echo postgresql) \
	$(shell command -v strace >/dev/null || echo strace)

programs:
	@if [ -z "$(strip $(PACKAGES))" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing what the tests need besides: $(strip $(PACKAGES))"; \
		export DEBIAN_FRONTEND=noninteractive; \
		if [ ! -e /etc/postgresql-common/createcluster.conf ]; then \
			mkdir -p /etc/postgresql-common; \
			echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf; \
		fi; \
		apt-get -o DPkg::Lock::Timeout=600 -qq update; \
		apt-get -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold -qq --yes \
			--no-install-recommends install $(PACKAGES) >/dev/null; \
	else \
		echo "The tests also need: $(strip $(PACKAGES)). On Debian: sudo apt-get install $(strip $(PACKAGES))"; \
	fi

# A stamp for each lock: what has not changed costs nothing, and neither lock removes what the other brought.

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null \
		|| { echo "Lotproof needs Python 3.11 or newer, and there is no $(PYTHON) here." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Lotproof needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1)." \
			"Name another: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "$(PYTHON) lacks its venv module; on Debian and Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; }
	@echo "Making .venv (once)"
	@$(PYTHON) -m venv --clear .venv

$(STAMPS)/uv: requirements/uv.txt $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/runtime: requirements/runtime.txt $(STAMPS)/uv
	@echo "Installing what Lotproof needs to run"
	@$(INSTALL) --require-hashes -r $<
	@touch $@

$(STAMPS)/project: pyproject.toml $(STAMPS)/runtime
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(STAMPS)/development: requirements/development.txt $(STAMPS)/project
	@echo "Installing the tools for tests"
	@$(INSTALL) --require-hashes -r $<
	@touch $@
