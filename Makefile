# make train: set up and train on the bundled sample.   make test: set up and test.
PYTHON ?= python3
BIN := .venv/bin
# Only for `make train`: words for the command line, as in make train ARGS="--epochs 3".
ARGS ?=

.PHONY: train test lint clean

train: .venv/installed
	$(BIN)/python -m tf_muscle.train $(ARGS)

test: .venv/installed-test
	$(BIN)/python -m pytest

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A marker file per set-up, so that pip runs again only when what to install has changed.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and \
	    f"error: Python 3.11 to 3.13 is needed, this is {sys.version.split()[0]}: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/installed-test: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	touch $@

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache
