# Set-up needs Python >= 3.10 and make, nothing else.
PYTHON ?= $(shell command -v python3 || command -v python)
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= auto

.PHONY: demo test check quick bench bench-functions sweep docs dist format stubs lint clean

demo: $(VENV)/.examples
	$(BIN)/python examples/train_digits.py --output demo-output

# One thread each: the workers have the cores among them.
test: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) $(PYTEST_ARGS)

# All that a change must pass; `make test` is a part of it.
check: $(VENV)/.check
	$(BIN)/python tools/check.py

# For the edit loop: under a minute.
QUICK = tests/test_architecture.py tests/graph/test_clearing.py tests/graph/test_hooks.py tests/graph/test_shared_memory.py \
	tests/test_variable.py tests/test_parameter.py tests/operators/test_coverage.py tests/operators/test_elementwise.py
quick: $(VENV)/.check
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS) $(QUICK)

bench: $(VENV)/.test
	$(BIN)/python benchmarks/run.py $(BENCH_ARGS)

# Each function on its own; e.g. BENCH_ARGS="--only relu,softmax --sizes small".
bench-functions: $(VENV)/.test
	PYTHONPATH=benchmarks $(BIN)/python -m functions $(BENCH_ARGS)

# Random geometries of every layer; e.g. SWEEP_ARGS="--geometries 10000". See CONTRIBUTING.md.
sweep: $(VENV)/.test
	$(BIN)/python tools/sweep $(SWEEP_ARGS)

docs: $(VENV)/.docs
	$(BIN)/python tools/make_docs.py

# The sdist and the wheel, which is tried with every Python that is there; DIST_ARGS="--pythons 3.12" for one.
dist: $(VENV)/.dist
	$(BIN)/python tools/make_dist.py $(DIST_ARGS)

format: $(VENV)/.lint
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# What editors and type checkers read of nnabla.functions.
stubs: $(VENV)/.test
	$(BIN)/python tools/make_stubs.py

lint: $(VENV)/.lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("nnabla needs Python >= 3.10, this is " + sys.version) if sys.version_info < (3, 10) else None'
	$(PYTHON) -m venv $(VENV)

# One marker file for each set of dependencies; made again when they change.
$(VENV)/.%: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) docs/_build demo-output tutorial-output
