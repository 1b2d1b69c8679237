# Each target does its own set-up: a virtual environment in .venv with the package and its tools.
#   make train                     the demonstration; then look at runs/*/samples
#   make train DATA=my_images      your own folder or zip; ARGS="--kimg 200" for more flags
#   make test                      all tests that need neither a GPU nor the internet
#   make lowest                    the same against the lowest versions that pyproject.toml allows, in .lowest
#   make gpu                       measures a GPU in MINUTES=8, and leaves gpu_report/report.md
#   make lint                      style, types and spelling
#   make docs                      the documentation as a site; open site/index.html

PYTHON ?= python3
DATA ?= small_set
ARGS ?=
MINUTES ?= 8
BIN := .venv/bin
READY := .venv/.ready

.PHONY: train test lowest gpu lint docs

train: $(READY)
	$(BIN)/adavit train --data "$(DATA)" $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest -m "not gpu and not network" $(ARGS)

# To be run where a lower bound is changed, or what it bounds is used in a new way.
lowest:
	$(PYTHON) -m venv .lowest
	$(PYTHON) -c 'import re, tomllib; print(*(re.sub(">=([^,]+).*", r"==\1", line) for line in tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]), sep="\n")' > .lowest/constraints.txt
	.lowest/bin/python -m pip install --quiet --constraint .lowest/constraints.txt --editable '.[dev]'
	.lowest/bin/python -m pytest $(ARGS)

gpu: $(READY)
	$(BIN)/python benchmarks/gpu_suite.py --minutes "$(MINUTES)" $(ARGS)

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell
	$(BIN)/mypy

# The theme's advertisement of another program is no warning of the build.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

# Made anew when the dependencies change; an installation that failed leaves no mark behind.
$(READY): pyproject.toml setup.py
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2], "Python %d.%d is too old, adavit needs 3.11 or later. Use make PYTHON=python3.12" % sys.version_info[:2]'
	@echo "Setting up .venv: 6 GB, most of it torch, in one to ten minutes"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
