# make train: set up and train on the bundled sample.   make test: set up and test.
# make test-oldest, make test-newest: with the oldest and the newest libraries that pyproject.toml allows.
# make coverage, make mutation: how much the tests see; docs/testing.md has the results.
# make docs: the site of docs/, into build/site.
# make bench: measure this machine; also against other libraries where those are installed.
# make bench-check: has anything become slower since the last release?
PYTHON ?= python3
BIN := .venv/bin
# Only for `make train`: words for the command line, as in make train ARGS="--epochs 3".
# Without any, the epochs that fit into ten minutes after the set-up: all of them on most machines.
ARGS ?= --minutes 10
# uv installs in a fifth of pip's processor time.
UV := $(shell command -v uv)
INSTALL := $(if $(UV),$(UV) pip install --quiet --python $(BIN)/python,\
    $(BIN)/python -m pip install --quiet --disable-pip-version-check)

.PHONY: train test lint bench bench-check test-oldest test-newest coverage mutation docs clean

train: .venv/installed
	$(BIN)/python -m tf_muscle.train $(ARGS)

# Two processes, a file of tests to each in turn: TensorFlow takes gigabytes in either. The end of what
# it prints has why tests were skipped, and the slowest 20.
test: .venv/installed-test
	$(BIN)/python -m pytest -n 2 --dist loadfile -rs --durations=20

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed
	$(BIN)/python -m benchmarks

# Against segmentation_models.pytorch and the last release: what fell by more than 10 percent.
bench-check: .venv/installed
	$(INSTALL) -c constraints.txt -e ".[bench]"
	$(BIN)/python -m benchmarks.check

# Every extra that a test asks for. The bounds are those of Python 3.11, the oldest.
EVERYTHING := .[test,tfds,litert,onnx]

test-oldest: .venv-oldest/installed
	.venv-oldest/bin/python -m pytest

test-newest: .venv-newest/installed
	.venv-newest/bin/python -m pytest

coverage: .venv/installed-quality
	$(BIN)/python -m pytest --cov -m ""

mutation: .venv/installed-quality
	$(BIN)/mutmut run
	$(BIN)/mutmut results

# Strictly: a broken link fails. Nothing is taken from the cache, which knows no changed docstring.
docs: .venv/installed-docs
	$(BIN)/python tools/command_reference.py docs/reference/commands.md
	$(BIN)/zensical build --clean --strict
	@echo "open build/site/index.html"

# A marker file per set-up, so that it is installed again only when what to install has changed.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and \
	    f"error: Python 3.11 to 3.13 is needed, this is {sys.version.split()[0]}: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) -c constraints.txt -e .
	touch $@

.venv/installed-test: .venv/installed
	$(INSTALL) -c constraints.txt -e ".[test]"
	touch $@

.venv/installed-docs: .venv/installed
	$(INSTALL) -c constraints.txt -e ".[docs]"
	touch $@

.venv/installed-quality: .venv/installed-test
	$(INSTALL) -c constraints.txt -e ".[quality]"
	touch $@

.venv-oldest/installed: pyproject.toml tests/oldest_versions.py
	$(PYTHON) -m venv --clear .venv-oldest
	$(PYTHON) tests/oldest_versions.py > .venv-oldest/oldest.txt
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check \
	    -c .venv-oldest/oldest.txt -e "$(EVERYTHING)"
	touch $@

.venv-newest/installed: pyproject.toml
	$(PYTHON) -m venv --clear .venv-newest
	.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check -e "$(EVERYTHING)"
	touch $@

clean:
	rm -rf .venv .venv-oldest .venv-newest mutants build *.egg-info .mypy_cache .ruff_cache .pytest_cache .cache
