# Every target sets up what it needs and can be repeated. `make` alone prints what there is.
PYTHON_IN := .venv/bin/python
MODELS    := $(wildcard model_repository/*/1/model*.py)
# Folders that hold Python files; each is type-checked as strictly as the library.
TYPED     := $(foreach room,src/mercato client/src/mercato_client export/src/mercato_export training/src/mercato_training demo benchmarks tools,\
               $(if $(shell find $(room) -name '*.py' 2>/dev/null),$(room)))

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-pythons check bench clean

help: ## Print this list
	@echo "Mercato: search and recommendation on Triton. Targets:"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 21

setup: ## Make .venv with everything for development (PYTHON=python3.12 picks another Python); nothing to do when up to date
	@command -v python3 >/dev/null || { echo "setup: error: no python3 on PATH; on Debian or Ubuntu: apt-get install python3 python3-venv" >&2; exit 1; }
	@PYTHON="$(PYTHON)" python3 tools/environment.py

demo: setup ## Build a store of 92,331 real products, serve it, search it, recommend from it (KEEP=1 leaves the server running)
	@$(PYTHON_IN) -m demo $(if $(KEEP),--keep)

test: setup ## Run the tests, those with a live Triton server included (ARGS="-k filter" passes options to pytest)
	$(PYTHON_IN) -m pytest -m "not slow" $(ARGS)

test-slow: setup ## Run what `make test` leaves out: tests of a minute or more (a real Milvus, whole wheels, icecat in shards)
	$(PYTHON_IN) -m pytest -m slow $(ARGS)

test-pythons: ## Run demo and tests with each supported Python of this machine, each in a checkout of its own in var/pythons
	@python3 -m tools.try_pythons --pythons "$(PYTHONS)" --steps "$(STEPS)" --arguments="$(ARGS)"

check: setup ## Lint, formatting and strict types: what has to be clean before a commit
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy $(TYPED)
	@set -e; for model in $(MODELS); do echo ".venv/bin/mypy $$model"; .venv/bin/mypy "$$model"; done

bench: setup ## Serve the demo store and load it: throughput, latency, CPU, plots (ARGS="NAME" runs another benchmark)
	@$(PYTHON_IN) -m benchmarks $(or $(ARGS),bench)

clean: ## Remove all that the other targets made: .venv, var (models, demo store, state) and caches
	rm -rf .venv var build dist .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
