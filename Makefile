# Two commands to know: `make run` and `make test`. Everything needs Python 3.11+, make and the package index, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Left out: rules of taste (deadlines as arguments, checkpoints on every path) that trio itself does not follow.
ASYNC_RULES := --enable=ASYNC --disable=ASYNC109,ASYNC114,ASYNC124,ASYNC127,ASYNC910,ASYNC911,ASYNC912,ASYNC913 \
	--startable-in-context-manager=run,watch_stop_signals

.PHONY: help install run test test-long nightly simulate check bench coverage format clean lock

help:
	@echo "make run        start the bot on its own simulated exchange (Ctrl+C stops it, verified flat)"
	@echo "make test       install, then every fast test       make test-long  the long loops"
	@echo "make check      ruff, format, mypy, flake8-async, import directions"
	@echo "make simulate   a thousand seeds with every fault, on a virtual clock (hours)"
	@echo "make bench      what the parts cost, as ratios      make coverage   branch coverage with its floor"

install: $(STAMP)

$(STAMP): requirements.lock
	@echo "Installing the pinned environment into $(VENV) (once) ..."
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $(STAMP)

run: install
	@exec $(BIN)/python supervisor.py

test: install
	$(BIN)/python -m pytest -n 3 --dist worksteal

test-long: install
	$(BIN)/python -m pytest -n 3 --dist worksteal -m long

# What takes longer than a change can wait for: 50 kills of each actor, 500 of real bots, a day of the simulated exchange.
nightly: test-long
	$(BIN)/python -m pytest -n 3 --dist worksteal -m nightly
	$(BIN)/python -m tests.simulation.crash_storm --kills 50
	$(BIN)/python -m tests.process.kill_campaign --kills 500
	$(BIN)/python -m ops.soak --hours 24 --markets 300
	$(BIN)/python -m tests.mutations
	$(BIN)/python -m tests.ops.backtest.whole

# A thousand seeds of ten simulated minutes with every fault; every fiftieth is run twice.
simulate: install
	$(BIN)/python supervisor.py simulate --seeds 1-950 --recheck-every 50 --full-table
	$(BIN)/python supervisor.py simulate --seeds 951-1000 --recheck-every 25 --wire full

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	git ls-files -z '*.py' | xargs -0 -n 60 -P 2 $(BIN)/flake8-async $(ASYNC_RULES)
	$(BIN)/python -m pytest -q tests/style -p no:cacheprovider

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install
	$(BIN)/python -m ops.bench

coverage: install
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -p no:xdist
	$(BIN)/coverage report --include='quant/*,kalshi/*,actors/runtime/*' --fail-under=95

# One lock for every Python from 3.11 on and every platform: markers stand where versions differ.
lock: install
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --all-extras \
		--output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
