# make run [DIR=~/Pictures]   serve the deck, and describe that folder
# make test                   everything that is tested
# make check                  ruff and mypy
# make bench                  the README's figures

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Three processes for two cores, for tests wait for other processes much; one that has nothing left takes from another.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) \* 3 / 2)
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
# `value`: a dollar sign in a folder's name is not a make variable.
export DESCRIBED := $(value DIR)

.PHONY: install run test check bench clean
.DEFAULT_GOAL := install

install: .venv/installed

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Daemondeck needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml hatch_build.py package.json package-lock.json | .venv/bin/python
	$(PIP) install --editable .
	@touch $@

.venv/installed-for-tests: pyproject.toml .venv/installed
	$(PIP) install --editable '.[test]'
	@touch $@

.venv/installed-for-benchmarks: pyproject.toml .venv/installed
	$(PIP) install --editable '.[bench]'
	@touch $@

run: install
	@case "$$DESCRIBED" in '~'|'~/'*) DESCRIBED="$$HOME$${DESCRIBED#\~}";; esac; \
		exec $(BIN)/daemondeck serve $${DESCRIBED:+--describe "$$DESCRIBED"}

# Two calls: Playwright's synchronous pages and pytest-asyncio do not share a process.
test: .venv/installed-for-tests
	$(PYTEST)
	@.ci/programs
	$(PYTEST) tests/browser -rs

check: .venv/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed-for-benchmarks
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv build dist node_modules web/static/vendor .mypy_cache .pytest_cache .ruff_cache .hypothesis
