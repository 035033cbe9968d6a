# make demo    see it work: a reference guest, live, hung and dead
# make test    everything but the tests that take minutes each
# make help    the other targets
#
# Each target first makes ready what it needs (.ci/setup), once.

SHELL := /bin/bash
PYTHON ?= python3
export PYTHON
PY := .venv/bin/python
DEMO := guest-stubs/demo

.PHONY: help demo guest hosted native test test-slow bench lint docs pictures lock dist setup clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo       boot a guest, break it, and explain it (two minutes)'
	@echo 'make test       unit, golden, guest (C), fuzz, live (QEMU)'
	@echo 'make test-slow  the long ones: 100,000 mutations, minutes of racing writers'
	@echo 'make bench      what it costs, beside its peers'
	@echo 'make lint       ruff, mypy, import directions'
	@echo 'make docs       the pages, manual pages and completion, of the commands'\'' definitions'
	@echo 'make pictures   their examples and pictures, from a real session; then make docs'
	@echo 'make lock       requirements.lock: all dependencies, pinned by hash'
	@echo 'make dist       dist/: a wheel and a source distribution'
	@echo 'make setup      only make ready what the tests need'
	@echo 'make clean      remove what was built'

.venv/ready-%: requirements.lock pyproject.toml .ci/setup
	@.ci/setup $*
	@touch $@

guest: hosted
	@$(MAKE) --no-print-directory -s -C $(DEMO)

hosted:
	@$(MAKE) --no-print-directory -s -C guest-stubs build/demo-hosted

native: .venv/ready-test
	@$(PY) hatch_build.py

demo: .venv/ready-demo
	@$(MAKE) --no-print-directory $$(command -v qemu-system-x86_64 >/dev/null && echo guest || echo hosted)
	@$(PY) $(DEMO)/scenes.py

test: .venv/ready-test native guest
	$(PY) -m pytest -m 'not slow' tests

test-slow: .venv/ready-test native guest
	$(PY) -m pytest -m slow tests
	UNIOBS_FUZZ_COUNT=100000 UNIOBS_FUZZ_COMMANDS=1000 $(PY) -m pytest tests/fuzz

bench: .venv/ready-bench guest
	@$(PY) hatch_build.py
	@$(PY) -m tests.bench

lint: .venv/ready-lint
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

docs: .venv/ready-test
	@$(PY) -m docs.tools.generate

pictures: .venv/ready-test guest
	@$(PY) docs/tools/session.py
	@$(PY) -m docs.tools.generate

lock: .venv/ready-test
	@$(PY) -m uv pip compile -q --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --group dev -o requirements.lock pyproject.toml

dist: .venv/ready-test
	@rm -rf dist
	@$(PY) -m hatchling build -t sdist -t wheel -d dist

setup: .venv/ready-test

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@$(MAKE) -s -C guest-stubs clean
	@$(MAKE) -s -C $(DEMO) clean
