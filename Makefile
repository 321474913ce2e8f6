# make run    set everything up and open the client
# make test   set everything up and run the tests (minutes)
# make check  format, lint, strict types, tests: what a change must pass
# make slow   kill, soak and load tests, and properties with many more examples (longer)
# make soak   a feed and histories over a bad network for SECONDS=60, an hour by the client's clock; SEED=11
# make fuzz   random questions, live events, damaged frames and payloads, a minute of each, or as long as you
#             like: SECONDS=3600 SEED=7 KIND=queries (or live, frames, decrypt)
# make browser  a real browser looks at the relay's pages, where a chromium is installed
# make bench  this library beside nostr-sdk, pynostr and monstr, in environments that it makes in build/: a
#             quarter of an hour, and benchmarks/RESULTS.md; BENCH='--quick', or --help
# make bench-relay  our relay under load, alone, or in turns with strfry where STRFRY names the binary, or
#             with another that PEER starts on an empty database (it prints: PID URL [FOLDER]), beside the
#             goals: STRFRY=/path/to/strfry BENCH='--runs 1 --events 20000', or --quick, or --help
# make bench-large  a relay with ten million events beside itself when it had one million (hours, and 20 GB;
#             a run with --keep that is broken off goes on): BENCH='--events 300000 --base 100000'
# make bench-pairs  the relay of this tree beside that of another revision, in nine interleaved pairs:
#             OLD=main BENCH='--pairs 3', or --help
# make bench-nodes  several nodes on one PostgreSQL beside our relay on SQLite, with goals (an hour);
#             BENCH='--quick', or --help
# make nodes-million  a million events over three nodes, of which one is killed every ten seconds, and
#             what was lost, missed or doubled (half an hour); BENCH='--quick', or --help
# make bench-store  the store alone
# make bench-private  private messages: an inbox opened by a key and by a bunker, read again, and one
#             message, beside their goals; BENCH='--far 10000', or --help
# make bench-tui  the terminal client in a real terminal, beside a bare Textual list, with goals (a quarter
#             of an hour; the machine should have nothing else to do); BENCH='--quick --only keys', or --help
# make soak-tui  the terminal client through a day by a clock that runs 100 times as fast, with keys and
#             events that arrive: memory, and whether anything is lost (a quarter of an hour)
# make drill  relays are taken down in nine ways, with five seeds each, and what is left is measured (half an
#             hour); DRILL='--strategy random --seeds 1'
# make simulation  a takedown of 1,000 relays with a million users, simulated (two minutes);
#             SIMULATION='--users 100000'
# make simulation-check  the simulation held against 100 real relays and 290,000 events (a quarter of an hour)
# make bench-selection  which relays are worth asking, on a network on paper: what is read of 400
#             authors beside the plain greedy cover; BENCH='--networks 5 --zipf 1.0', or --help
# make bench-duplicates  how much comes twice from two relays that hold the same, what a relay that drops
#             some costs, and one that dies; BENCH='--seeds 1', or --help
# make bench-pull  a million events taken from another relay, beside `strfry sync` where STRFRY names
#             the binary: STRFRY=/path/to/strfry BENCH='--events 100000 --rounds 3'
# make interop  our client on other people's relays and theirs on ours, written into docs/interop.md: pass,
#             fail, not offered (minutes; the first time it builds them, one relay for an hour);
#             PEERS='khatru nostr-tools' meets some
# make screenshots  the pictures of the terminal client in README.md and docs/, made anew
# make snapshots  what tests/tui/snapshots/ keeps of every screen, written anew (look at the diff)
# make story  records how five of seven relays are killed: docs/story.cast, and pictures for docs/story.md
# make docs  the site: README.md, docs/ and a reference from docstrings, as pages in build/site; nothing of
#             it is fetched from elsewhere, so it may be opened from there or put on any server
# make dist   the wheel and the sdist of a release, the same bytes wherever they are built
# make dist-check  both, installed where there is no source tree: a large part of the tests with the
#             wheel, a round through all faces with the sdist, and with the wheel on every other Python
#             that is here (minutes); DIST='--rooms protocol nips'
# make bundle  one file in dist/ that installs the client on this platform without any network; for each
#             Python that is here, or PYTHONS='python3.12 ...', with these EXTRAS=web,images or none
# make stubs  what type checkers know of nostr_client.blocking, written anew from the classes
# make architecture  the picture and the tables of docs/architecture.md, made anew from the imports

VENV ?= .venv
BIN := $(VENV)/bin

# The newest Python in range that runs and can make a virtual environment.
PYTHON ?= $(shell sh .ci/pythons | head -n 1)

# Programs that tests start again and again are compiled once, and so are the tests themselves.
unexport PYTHONDONTWRITEBYTECODE

PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run test check format lint types slow soak fuzz browser bench bench-relay bench-store bench-private bench-tui bench-selection bench-duplicates drill simulation simulation-check screenshots story architecture lock clean

run: $(VENV)/ready
	@$(BIN)/nostr-client

# One more than the cores that there are at the least: tests wait for processes that they start.
test: WORKERS ?= 3
test: $(VENV)/ready-dev
	$(if $(TESTS),,@$(BIN)/python -m tests.compiled)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(TESTS)

check: lint types test

format: $(VENV)/ready-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/ready-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/ready-dev
	$(BIN)/mypy

# On the disk, and not in memory as `make test`.
slow: WORKERS ?= 2
slow: $(VENV)/ready-dev
	PYTEST_DEBUG_TEMPROOT=$${TMPDIR:-/tmp} \
		$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --timeout 1800 \
		-m 'slow or hypothesis' --hypothesis-profile thorough $(TESTS)

SECONDS ?= 60
soak: $(VENV)/ready-dev
	SOAK_SECONDS=$(SECONDS) $(if $(SEED),SOAK_SEED=$(SEED)) $(BIN)/python -m pytest -s -m slow \
		--timeout 90000 tests/client/test_soak.py

fuzz: $(VENV)/ready-dev
	$(BIN)/python -m tests.fuzz $(KIND) --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) \
		$(if $(ROUND),--round $(ROUND))

browser: $(VENV)/ready-dev
	$(BIN)/python -m pytest -rs -m browser tests/browser

bench: $(VENV)/ready-dev
	$(BIN)/python -m benchmarks $(BENCH)

bench-relay: $(VENV)/ready-dev
	$(BIN)/python -m benchmarks.relay $(if $(PEER),--peer-command '$(PEER)') $(BENCH)

.PHONY: bench-nodes nodes-million
bench-nodes: $(VENV)/ready-dev
	$(BIN)/python -m benchmarks.nodes $(BENCH)

nodes-million: $(VENV)/ready-dev
	$(BIN)/python -m benchmarks.nodes_million $(BENCH)

.PHONY: bench-large bench-pairs
bench-large: $(VENV)/ready-dev
	$(BIN)/python -m benchmarks.large $(BENCH)

OLD ?= main
bench-pairs: $(VENV)/ready-dev
	$(BIN)/python -m benchmarks.pairs $(OLD) $(BENCH)

bench-store: $(VENV)/ready-dev
	$(BIN)/python -m benchmarks.store $(BENCH)

bench-private: $(VENV)/ready-dev
	$(BIN)/python -m benchmarks.private_messages $(BENCH)

bench-tui: $(VENV)/ready-dev
	$(BIN)/python -m benchmarks.terminal $(BENCH)

.PHONY: soak-tui
soak-tui: $(VENV)/ready-dev
	$(BIN)/python -m benchmarks.terminal --only hour --hours 24 $(BENCH)

drill: $(VENV)/ready-dev
	$(BIN)/nostr-client drill $(DRILL)

simulation: $(VENV)/ready-dev
	$(BIN)/nostr-client drill --simulate $(SIMULATION)

simulation-check: $(VENV)/ready-dev
	$(BIN)/python -m benchmarks.simulation_check $(SIMULATION)

bench-selection: $(VENV)/ready-dev
	$(BIN)/python -m benchmarks.relay_selection $(BENCH)

bench-duplicates: $(VENV)/ready-dev
	$(BIN)/python -m benchmarks.duplicate_frames $(BENCH)

.PHONY: bench-pull
bench-pull: $(VENV)/ready-dev
	$(BIN)/python -m benchmarks.pull_million $(BENCH)

.PHONY: interop
interop: $(VENV)/ready-dev
	$(BIN)/python -m tests.interop $(PEERS)

screenshots: $(VENV)/ready-dev
	$(BIN)/python -m docs.screenshots

.PHONY: snapshots
snapshots: $(VENV)/ready-dev
	$(BIN)/python -m tests.tui.shots --update

story: $(VENV)/ready-dev
	$(BIN)/python docs/record_story.py

.PHONY: docs
docs: $(VENV)/ready-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "build/site/index.html"

architecture: $(VENV)/ready-dev
	$(BIN)/python -m tests.architecture_picture

# The same bytes, whoever builds, when and where: files are dated by the last commit, and what builds
# them is of one version.
.PHONY: dist bundle
dist: $(VENV)/ready-dev
	rm -rf dist
	umask 022 && SOURCE_DATE_EPOCH=$(EPOCH) PIP_CONSTRAINT=packaging/build-requirements.txt \
		$(BIN)/python -m build --outdir dist .

.PHONY: dist-check
dist-check: $(VENV)/ready-dev
	$(BIN)/python -m tests.releases.installed --python $(PYTHONS) $(DIST)

EPOCH ?= $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null),1580601600)
EXTRAS ?= fast,shares,local-network,images,pictures,desktop,web
PYTHONS ?= $(shell sh .ci/pythons)

bundle: dist
	SOURCE_DATE_EPOCH=$(EPOCH) $(BIN)/python -m nostr_client.releases.bundle_maker dist/*.whl \
		--constraints constraints.txt packaging/build-requirements.txt --extras '$(EXTRAS)' $(foreach each,$(PYTHONS),--python $(each))
.PHONY: stubs
stubs: $(VENV)/ready-dev
	$(BIN)/python -m nostr_client.blocking.stubs

# Versions that are known to work together; names and versions only.
lock: $(VENV)/ready-dev
	$(BIN)/python -m pip freeze --exclude-editable | grep -v ' @ ' > constraints.txt

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/python-found:
	$(if $(PYTHON),,$(error nostr-client needs Python 3.11, 3.12 or 3.13 with venv: install python3 and python3-venv (Debian, Ubuntu) or python@3.13 (Homebrew), then run make again))
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/ready: pyproject.toml constraints.txt | $(VENV)/python-found
	@echo "setting up $(VENV) (once; a minute or two) ..."
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/ready-dev: pyproject.toml constraints.txt | $(VENV)/python-found
	@echo "setting up $(VENV) with the developers' tools (once; a minute or two) ..."
	@$(PIP) install --constraint constraints.txt --editable '.[dev,fast]'
	@touch $@ $(VENV)/ready
