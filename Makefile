# The referee for Parameter Golf. `make help` lists the targets.
SUBMISSION ?= submissions/naive_baseline
TRACK ?= auto
SANDBOX ?= auto
RUNS ?= runs
# Tests wait for deadlines much of their time, so three at once keep two cores busy; containers do not wait.
JOBS ?= $(if $(filter 1,$(HARNESS_DOCKER_TESTS)),2,3)
# The first Python of at least 3.11; name another with PYTHON=...
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
HARNESS := $(BIN)/harness

# Installs with pip, which is silent for minutes: whoever waits is told that it goes on.
INSTALL = ( seconds=0; while sleep 20 >/dev/null 2>&1 && kill -0 $$$$; do seconds=$$((seconds + 20)); \
	echo "  installing Python packages: $$seconds s so far; usually one to five minutes"; done ) & \
	telling=$$!; trap 'kill $$telling' EXIT; trap 'exit 130' HUP INT TERM; \
	$(BIN)/python -m pip install -qq --disable-pip-version-check -e

.DEFAULT_GOAL := help
.PHONY: help verify check data doctor image upstream-image test coverage test-docker cheaters lint format dist bench accelerator fuzz soak docs operating-characteristics contest screenshots occupancy clean test-cluster cluster-simulation

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed 's/:.*## /\t/' | expand -t 14
	@echo
	@echo 'make verify SUBMISSION=submissions/NAME TRACK=10min_16mb SANDBOX=docker RUNS=DIR'

verify: $(VENV)/.installed ## train, seal, re-score and judge SUBMISSION on TRACK
	@$(HARNESS) data demo --quiet
	@$(HARNESS) verify $(SUBMISSION) --track $(TRACK) --sandbox $(SANDBOX) --runs $(RUNS) $(ARGS)

check: $(VENV)/.installed ## judge what can be judged of SUBMISSION without running it
	@$(HARNESS) check $(SUBMISSION)

data: $(VENV)/.installed ## build the demo dataset
	@$(HARNESS) data demo

doctor: $(VENV)/.installed ## what this machine has, what it lacks, how to fix it
	@$(HARNESS) doctor --track $(TRACK)

image: $(VENV)/.installed ## build the sandbox image (ARGS="--base IMAGE --kind cuda")
	@$(HARNESS) image $(ARGS)

upstream-image: $(VENV)/.installed ## build the one for entries in upstream's layout, without accelerators
	@$(HARNESS) image --kind upstream-cpu $(ARGS)

test: $(VENV)/.developer ## run the tests (HARNESS_DOCKER_TESTS=1 adds the Docker tier and what takes long, HARNESS_BROWSER_TESTS=1 Chromium)
	@$(BIN)/pytest -n $(JOBS) --dist worksteal $(ARGS)

coverage: $(VENV)/.developer ## which lines and branches the tests reach (ARGS="tests/judge"; children are not counted)
	@$(BIN)/pytest -n $(JOBS) --dist worksteal --cov --cov-report=term $(ARGS)

test-docker: $(VENV)/.developer ## run all tests, the Docker tier included
	@HARNESS_DOCKER_TESTS=1 $(MAKE) --no-print-directory test

test-cluster: $(VENV)/.ray ## runs on a Slurm and a Ray that are started here: root, and apt-get install slurm-wlm munge
	@HARNESS_CLUSTER_TESTS=1 $(BIN)/pytest -n 0 tests/cluster $(ARGS)

cheaters: $(VENV)/.developer ## verify every cheater of tests/adversarial, in Docker when an engine answers
	@$(BIN)/python -m tests.adversarial --jobs 2 $(ARGS)

lint: $(VENV)/.developer ## style, types, and imports that run downwards
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

format: $(VENV)/.developer ## format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

dist: $(VENV)/.developer ## build the wheel and the source distribution into dist/
	@$(BIN)/python -m tests.packaging dist

bench: $(VENV)/.developer ## our arithmetic against a read and a copy; scoring through the harness against a bare loop
	@$(BIN)/python -m tests.bench.arithmetic
	@$(BIN)/python -m tests.bench.scoring $(ARGS)

accelerator: $(VENV)/.developer ## what a laptop cannot prove, on the GPUs that are here: 9 minutes (docs/accelerator.md)
	@$(BIN)/python -m tests.accelerator $(ARGS)

fuzz: $(VENV)/.developer ## hostile bytes for every parser (ARGS="--seconds 60")
	@$(BIN)/python -m tests.fuzz $(ARGS)

soak: $(VENV)/.developer ## many short runs and random kills (ARGS="--seed-runs 100 --kills 20")
	@$(HARNESS) data demo --quiet
	@$(BIN)/python -m tests.endurance $(ARGS)

docs: $(VENV)/.installed ## write again what is generated: schemas, pages of commands, rules and evidence, tables in others
	@$(BIN)/python -m harness.report.reference
	@$(BIN)/python -m harness.cli.reference

operating-characteristics: $(VENV)/.installed ## measure what the official rules accept, for docs/statistics.md: minutes
	@$(BIN)/python -m harness.report.operating_characteristics $(ARGS)

contest: $(VENV)/.developer ## a simulated contest of 2,000 entries through the judging code: minutes
	@$(BIN)/python -m tests.bench.contest $(ARGS)

screenshots: $(VENV)/.developer ## the pictures of pages in docs/, of real runs in Chromium: minutes
	@$(HARNESS) data demo --quiet
	@$(BIN)/python -m tests.screenshots $(ARGS)

cluster-simulation: $(VENV)/.developer ## 2,000 entries on 64 nodes that fail, in virtual time: minutes
	@$(BIN)/python -m tests.bench.cluster $(ARGS)

occupancy: $(VENV)/.developer ## how busy devices are kept where documents are streams, and what probes cost: minutes
	@$(BIN)/python -m tests.bench.occupancy $(ARGS)

clean: ## remove the environment and everything cached (not runs/ and data/)
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.python:
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer is needed: install it, or name it with PYTHON=...'; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo 'python -m venv failed: on Debian, apt-get install python3-venv'; exit 2; }
	@touch $@

$(VENV)/.installed: $(VENV)/.python pyproject.toml
	@echo 'the first run makes three things, each once:'
	@echo '  1. Python packages in $(VENV), now: 2 GB, mostly torch; one to five minutes, as the network is'
	@echo '  2. the demo dataset: less than a minute'
	@echo '  3. where a Docker engine answers, the sandbox image: two to five minutes; SANDBOX=process does without'
	@$(INSTALL) '.[verify,report]'
	@touch $@

$(VENV)/.ray: $(VENV)/.developer
	@$(INSTALL) '.[ray]'
	@touch $@

$(VENV)/.developer: $(VENV)/.installed
	@$(INSTALL) '.[verify,report,dev,upstream]'
	@touch $@
