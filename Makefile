# Everything runs from the checkout's root, in .venv (and, against other libraries, .venv-peers).
#   make demo      train on handwritten digits         make lint    style, types, import direction
#   make test      the test suite                      make peers   compare with torch, JAX, optax, ...
#   make bench     speed beside other libraries        make clean   remove what make made
#   make pages     docs/questions from the code in them
#   make accuracy  the defaults on held-out rows, beside scikit-learn
#   make exhaustive  every float32 through every compiled elementary function, every mutant of the
#                  equations of tests/ through the checker (an hour)
# A file .venv/.installed-NAME says that requirements/NAME.txt is in there; it is older than that
# file only when the pins have changed, so a second run installs nothing.

PYTHON ?= python3
py := .venv/bin/python
peers-py := .venv-peers/bin/python
# Paths here are relative, so that a checkout may live in a folder with spaces in its name.
# Wheels only: nothing here may need a compiler.
hashed := -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all:
itself := -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index
# One BLAS thread, for runs that are timed or already spread over the cores.
one-thread := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 VECLIB_MAXIMUM_THREADS=1

.PHONY: help demo test lint pages peers bench accuracy exhaustive lock clean
.DELETE_ON_ERROR:
.NOTPARALLEL:

help:
	@sed -n 's/^#   //p' Makefile

demo: .venv/.installed-package
	.venv/bin/backlit demo

test: .venv/.installed-test
	$(one-thread) $(py) -m pytest --numprocesses 2 --hypothesis-profile ci \
	    --cov --cov-report term-missing:skip-covered

lint: .venv/.installed-lint
	$(py) -m ruff check .
	$(py) -m ruff format --check .
	$(py) -m mypy
	.venv/bin/lint-imports

pages: .venv/.installed-test
	$(one-thread) $(py) docs/build_questions.py

peers: .venv-peers/.installed-package
	$(one-thread) $(peers-py) -m pytest tests/peers

bench: .venv-peers/.installed-package
	$(one-thread) $(peers-py) -m bench.imports
	$(one-thread) $(peers-py) -m bench.eager
	$(one-thread) $(peers-py) -m bench.training
	$(one-thread) $(peers-py) -m bench.compiled
	$(one-thread) $(peers-py) -m bench.work
	$(one-thread) $(peers-py) -m bench.fit
	$(one-thread) $(peers-py) -m bench.memory
	$(one-thread) $(peers-py) -m bench.threads
	$(one-thread) $(peers-py) -m bench.grid
	$(one-thread) $(peers-py) -m bench.first_call

accuracy: .venv-peers/.installed-package
	$(one-thread) $(peers-py) -m bench.demo_accuracy
	$(one-thread) $(peers-py) -m bench.tables

exhaustive: .venv/.installed-test
	$(py) -m tests.exhaustive.float32
	$(py) -m tests.exhaustive.float64
	$(py) -m tests.exhaustive.mutants

lock:
	requirements/lock.sh

clean:
	rm -rf .venv .venv-peers build dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache \
	    .import_linter_cache
	find backlit bench examples tests -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# An environment that works is kept, so that one made by hand is completed and not thrown away.
.venv/.installed-build .venv-peers/.installed-build: requirements/build.txt
	@$(PYTHON) -c '' 2>/dev/null || { \
	    echo "Backlit needs Python 3.11 or newer, and '$(PYTHON)' does not run: install Python," \
	        "or name one with make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Backlit needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) -V 2>&1):" \
	        "name a newer one with make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "Python's venv module is missing: install it (on Debian and Ubuntu:" \
	        "apt install python3-venv) and run make again." >&2; exit 1; }
	@$(@D)/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "making $(@D)" && $(PYTHON) -m venv --clear $(@D); }
	$(@D)/bin/python $(hashed) -r requirements/build.txt
	@touch $@

.venv/.installed-run .venv-peers/.installed-run: requirements/run.txt
.venv/.installed-run: .venv/.installed-build
.venv-peers/.installed-run: .venv-peers/.installed-build
.venv/.installed-run .venv-peers/.installed-run:
	$(@D)/bin/python $(hashed) -r requirements/run.txt
	@touch $@

# Editable: a change to the code needs no new install, only a change to what pyproject.toml says.
.venv/.installed-package: .venv/.installed-run
.venv-peers/.installed-package: .venv-peers/.installed-run .venv-peers/.installed-peers
.venv/.installed-package .venv-peers/.installed-package: pyproject.toml
	$(@D)/bin/python $(itself) --editable .
	@touch $@

.venv/.installed-test: requirements/test.txt .venv/.installed-package
	$(py) $(hashed) -r requirements/test.txt
	@touch $@

.venv/.installed-lint: requirements/lint.txt .venv/.installed-package
	$(py) $(hashed) -r requirements/lint.txt
	@touch $@

.venv-peers/.installed-peers: requirements/peers.txt .venv-peers/.installed-build
	$(peers-py) -m pip install --quiet --disable-pip-version-check -r requirements/peers.txt
	@touch $@
