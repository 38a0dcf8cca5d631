# Two commands do everything: make demo, make test. Needs Python 3.11+, git and make.

PYTHON  ?= python3
BIN     := .venv/bin
MEMBERS := $(patsubst %/pyproject.toml,%,$(wildcard core/pyproject.toml plugins/*/pyproject.toml contrib/*/pyproject.toml))
TESTS   := $(wildcard conftest.py tests $(addsuffix /tests,$(MEMBERS)))
OWN     := channelmix $(addprefix channelmix-,$(notdir $(filter-out core,$(MEMBERS))))
READY   := .venv/ready
# The examples of one page share their names, so a file stays with one worker.
# Three at a time, also on two processors: many wait. They start hundreds of other processes, which
# must not compile everything anew, as some environments would have it.
PYTEST  := env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: help setup demo test check bench docs api lint format lock clean
.DELETE_ON_ERROR:

help: ## This list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: $(READY) ## Create .venv with everything in it (done again only when a list changed)

demo: setup ## Play a day of customers on simulated networks
	$(BIN)/channelmix demo

test: setup ## Every test
	$(PYTEST)

check: lint ## Quick: style, types and the fast tests
	$(PYTEST) -m "not slow" -q

bench: setup ## Measure beside what is written by hand, into build/bench.json (BENCH="--only intake")
	$(BIN)/python -m tests.benchmarks $(BENCH)

docs: setup ## Build the documentation site strictly, into build/docs
	$(BIN)/sphinx-build -E -W --keep-going -q -b html docs build/docs

api: setup ## Record the public interface anew, into core/api.txt
	$(BIN)/python -m tests.public_api

lint: setup ## Style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy $(addsuffix /src,$(MEMBERS))
	MYPYPATH=docs/_ext $(BIN)/mypy docs/conf.py docs/_ext
	$(BIN)/mypy --explicit-package-bases --allow-untyped-defs --allow-incomplete-defs --allow-untyped-calls $(TESTS)

format: setup ## Let ruff mend what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: setup ## Resolve every third-party package anew into requirements.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-annotate --all-extras --group dev \
		--custom-compile-command "make lock" $(addprefix --no-emit-package ,$(OWN)) \
		--output-file requirements.txt $(addsuffix /pyproject.toml,$(MEMBERS))

clean: ## Remove .venv and every cache
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Our own packages come without their dependencies, because the lock has them, hashed.
$(READY): requirements.txt $(addsuffix /pyproject.toml,$(MEMBERS))
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "channelmix needs Python 3.11 or newer; try: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-build-isolation --no-deps $(addprefix --editable ,$(MEMBERS))
	touch $@
