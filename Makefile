# Bootstraps .venv with nothing but python3 (3.11 or later) and pip present.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PACKAGES := transforms stores models training serving cli
ARGS ?=
COMPILE := uv pip compile --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test check format spark prove bench lock clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(READY) ## Make .venv from the lock (other targets do so by themselves)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Likewise needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Name another with: make PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked packages into $(VENV) (about 2.7 GB; one to three minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

demo: $(READY) ## The main job end to end on real flights, then a report
	@$(BIN)/likewise demo $(ARGS)

# The example's data is of 2013, so the server plays the demo's instant; LIKEWISE_CLOCK=wall serves the present.
serve: export LIKEWISE_CLOCK ?= 2013-12-16T17:00:00+00:00
serve: $(READY) ## Serve the promoted release on http://127.0.0.1:8000
	@$(BIN)/likewise serve $(ARGS)

test: $(READY) ## Every test, with real Redis, end to end and parity
	@$(BIN)/python -m pytest -q -m "not prove" $(ARGS)

check: $(READY) ## What a commit must pass: format, lint, layers, types, fast tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-cache --no-logo >$(VENV)/lint-imports.log || { cat $(VENV)/lint-imports.log; exit 1; }
	@$(BIN)/mypy --no-error-summary $(PACKAGES:%=-p likewise.%)
	@$(BIN)/python -m pytest -q -m "not slow and not prove"

format: $(READY) ## Format and mend what the linter can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

spark: $(READY) ## Feast's Spark store and engine under test (installs pyspark; needs a Java)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-spark.lock
	@$(BIN)/python -m pytest -q tests/feature_repo/test_spark_profile.py tests/stores/test_spark_files.py tests/training/test_spark_fit.py $(ARGS)

prove: $(READY) ## The heavy evidence: soak, fuzz, kill tests, large data (up to an hour)
	@$(BIN)/python -m pytest -q -m prove $(ARGS)

# All of it takes about an hour on a quiet machine of 2 cores; no script more than half an hour, after which it is ended.
# Some of it: make bench ARGS="serving transforms".
bench: $(READY) ## Ratios against peers, side by side in one run; bars met and missed at the end
	@$(BIN)/python benchmarks/_every.py $(ARGS)

lock: ## Resolve the dependencies anew (needs uv)
	$(COMPILE) --extra dev pyproject.toml -o requirements.lock
	echo "pyspark>=4.0,<5" | $(COMPILE) --constraint requirements.lock - -o requirements-spark.lock

clean: ## Stop what runs and remove what the demo made
	@if test -x $(BIN)/likewise; then $(BIN)/likewise down; fi
	rm -rf .likewise feature_repo/data
