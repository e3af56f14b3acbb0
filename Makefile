# Everything a newcomer needs; `make help` lists it. All of it runs in ./.venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export QUESTION
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo serve test check bench doctor clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## Ask an agent a question: make demo QUESTION="What is 12 * 34?"
	@if [ -n "$$QUESTION" ]; then $(BIN)/pie-server demo "$$QUESTION"; else $(BIN)/pie-server demo; fi

serve: $(VENV)/.demo ## Serve on http://127.0.0.1:8080 until Ctrl-C.
	@$(BIN)/pie-server serve

test: $(VENV)/.test ## Install what the tests need (as root Docker Engine and rustc too) and run them all.
	@scripts/docker-engine
	@scripts/rust-compiler
	$(BIN)/python -m pytest

check: $(VENV)/.test ## Linter, formatter and type checker.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(VENV)/.demo ## Measure: make bench NAME=agents (overhead, batching, calls, fragmentation, throughput).
	$(BIN)/pie-server bench $(or $(NAME),agents)

doctor: $(VENV)/.demo ## Say what is missing here and how to mend it.
	@$(BIN)/pie-server doctor

clean: ## Remove the virtual environment.
	rm -rf $(VENV)

$(VENV)/bin/python:
	@scripts/make-venv $(PYTHON) $(VENV)

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (a few minutes the first time)"
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[build]"
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	@echo "Installing what the tests need"
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[build,languages,test]"
	@touch $@
