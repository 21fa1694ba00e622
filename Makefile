# Needs Python 3.11 or newer (3.11 for the tests) and make; everything else is installed into .venv, by the lock.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
PIP := -m pip --disable-pip-version-check install --quiet
LOCKED := $(PIP) --require-hashes --only-binary :all: --requirement
THIS := $(PIP) --no-deps --no-build-isolation --editable .
# One thread per test worker: the linear algebra here is small and two workers share two cores.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test slow faults mutants reports hooks lint types docs docs-links dist lock test-lowest test-newest test-extras clean

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is %s: make PYTHON=python3.11" % sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml requirements/base.txt | $(BIN)/python
	$(BIN)/python $(LOCKED) requirements/base.txt
	$(BIN)/python $(THIS)
	touch $@

$(VENV)/.installed-test: pyproject.toml requirements/test.txt | $(BIN)/python
	@$(BIN)/python -c 'import sys; sys.platform != "linux" or sys.version_info[:2] == (3, 11) or sys.exit("On Linux the tests are locked for Python 3.11, this is %s: make clean, then make test PYTHON=python3.11; without the lock: make test-newest" % sys.version.split()[0])'
	$(BIN)/python $(LOCKED) requirements/test.txt
	$(BIN)/python $(THIS)
	touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	$(BIN)/crowdllm-stats demo

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n $(WORKERS) -m "not slow and not faults"

slow: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n $(WORKERS) -m "slow and not faults"

# Every attack on the package, under 40 minutes on two cores (PART=0.1 makes a tenth of the tries); fails if anything was silent or lost.
REPORT ?= out/faults.md
PART ?= 1
faults: $(VENV)/.installed-test
	$(BIN)/python -m pytest tests/faults -n $(WORKERS) --faults-part $(PART) --faults-report "$(REPORT)" \
		--faults-command "make faults PART=$(PART) REPORT=$(REPORT)"

# Does a test notice? COUNT errors, drawn with SEED from all that can be made by one change, are planted one at a time (about a minute each).
COUNT ?= 60
SEED ?= 1
mutants: $(VENV)/.installed-test
	$(BIN)/python benchmarks/mutants.py --count $(COUNT) --seed $(SEED)

# Which reports there are and how long each takes; NAME=inference/kappa makes one again, from a clean commit.
reports: $(VENV)/.installed-test
	$(BIN)/python benchmarks/reports.py $(NAME)

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(VENV)/.installed-test
	$(BIN)/mypy

# The documentation site in out/docs: every example is run, every warning is an error, internal links are checked.
SPHINX := -m sphinx --quiet --fail-on-warning --keep-going --fresh-env --conf-dir docs
docs: $(VENV)/.installed-test
	$(BIN)/python $(SPHINX) . out/docs

# Where there is a network: do the external addresses answer?
docs-links: $(VENV)/.installed-test
	$(BIN)/python $(SPHINX) --builder linkcheck . out/docs-links

# The wheel and the source archive, in dist/.
dist: $(VENV)/.installed-test
	rm -rf dist
	$(BIN)/python -m hatchling build

# Lint, format and import contracts before every commit.
hooks: $(VENV)/.installed-test
	$(BIN)/pre-commit install

# Every extra alone in an environment of its own: minutes, so not among the default tests.
test-extras: $(VENV)/.installed-test
	$(BIN)/python -m pytest tests/_base/test_extras.py -m "slow or not slow"

UV := .venv-lock/bin/uv
$(UV):
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python $(PIP) 'uv>=0.13,<0.14'

# The newest of everything within the bounds of pyproject.toml, with hashes.
lock: $(UV)
	PATH="$(CURDIR)/.venv-lock/bin:$$PATH" .venv-lock/bin/python requirements/lock.py

# The suite at the lower bounds, without the lock: all extras together, then the light installation (where another
# package's own bounds push a lower bound up in the first, it is held by the second).
LOWEST := pip compile --quiet pyproject.toml --group build --resolution lowest-direct --python-version 3.11 --only-binary :all: --excludes requirements/cuda.txt
LIGHT := tests/survey tests/data tests/inference/intervals --ignore=tests/inference/intervals/test_peer.py --ignore=tests/data/test_told_rows.py \
	--deselect=tests/cli/test_cli.py::test_ids_with_markup_and_long_ids_leave_numbers_whole tests/cli/test_cli.py $(patsubst %,tests/cli/test_cli_%.py,distribution input interval json planner risk safe)

test-lowest: $(UV)
	mkdir -p out
	$(UV) $(LOWEST) --extra test --output-file out/lowest.txt
	$(UV) $(LOWEST) --output-file out/lowest-light.txt
	$(PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/python $(PIP) --only-binary :all: --requirement out/lowest.txt
	.venv-lowest/bin/python $(THIS)
	.venv-lowest/bin/python -m pytest -n $(WORKERS) -m "not slow and not faults"
	$(PYTHON) -m venv --clear .venv-lowest-light
	.venv-lowest-light/bin/python $(PIP) --only-binary :all: --requirement out/lowest-light.txt pytest pytest-xdist hypothesis
	.venv-lowest-light/bin/python $(THIS)
	.venv-lowest-light/bin/python -m pytest -n $(WORKERS) -m "not slow and not faults" $(LIGHT)

# The suite with the newest of everything within the bounds, without the lock.
test-newest:
	$(PYTHON) -m venv --clear .venv-newest
	.venv-newest/bin/python $(PIP) --only-binary :all: --upgrade --editable '.[test]'
	.venv-newest/bin/python -m pytest -n $(WORKERS) -m "not slow and not faults"

clean:
	rm -rf $(VENV) .venv-* dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
