# make app          start the app (makes .venv and installs what is missing)
# make app HOST=0.0.0.0 PORT=8600   ... for a class: prints the address to type and to scan
# make test         everything but the slow tests        make test-slow   the slow ones
# make check        lint and types only                  make bench       speed, measured side by side
# make measure      speed of the pages in a browser, and of a crowd of visitors; says figures, judges none

PYTHON ?= python3
HOST = localhost
PORT = 8501
SIDE_BY_SIDE = -n 2 --dist worksteal
# many runs trained long: the shapes of their tensors, which the other tests check, are not checked at every call
UNCHECKED = -o addopts="--strict-markers --strict-config -ra"
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check
NODE = .venv/bin/node

# what was compiled is kept: each process of the tests would compile every file again
export PYTHONDONTWRITEBYTECODE =

.PHONY: app test test-slow check bench measure

# Streamlit's welcome is hidden, since ours is better; all that makes a start safe stands in .streamlit/config.toml.
app: .venv/installed-app
	@.venv/bin/python -m moeviz address --host "$(HOST)" --port "$(PORT)"
	@exec .venv/bin/python -m streamlit run app.py --server.address "$(HOST)" --server.port "$(PORT)" \
		--logger.hideWelcomeMessage true

test: check
	.venv/bin/python -m pytest -m "not slow and not measured" $(SIDE_BY_SIDE)

# the crowd has the computer to itself, after all else
test-slow: .venv/installed-dev
	.venv/bin/python -m pytest -m slow $(UNCHECKED) $(SIDE_BY_SIDE) --ignore=tests/load
	.venv/bin/python -m pytest -m slow $(UNCHECKED) tests/load

measure: .venv/installed-dev
	.venv/bin/python -m pytest -m measured $(UNCHECKED) -s

check: .venv/installed-dev node_modules/installed
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m mypy moeviz tests $(wildcard app.py pages)
	$(NODE) node_modules/@biomejs/biome/bin/biome ci --error-on-warnings
	$(NODE) node_modules/typescript/bin/tsc

bench: .venv/installed-app
	.venv/bin/python -m moeviz bench

# A stamp newer than its requirements file means: nothing to install.
.venv/installed-app: requirements.txt .venv/bin/python
	@echo "Installing requirements.txt into .venv (about a minute the first time) ..."
	@$(PIP) -r requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed-app
	@echo "Installing requirements-dev.txt into .venv ..."
	@$(PIP) -r requirements-dev.txt
	@touch $@

# What checks the stage's scripts; node itself comes with requirements-dev.txt.
node_modules/installed: package.json package-lock.json .venv/installed-dev
	@echo "Installing package-lock.json into node_modules ..."
	@.venv/bin/npm ci --silent --ignore-scripts
	@touch $@

# Also made anew when the interpreter behind it has gone; --clear then removes the stamps with it.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python must be at least 3.11: got %d.%d; try make PYTHON=python3.11" % sys.version_info[:2])'
	@$(PYTHON) -m venv --clear .venv
