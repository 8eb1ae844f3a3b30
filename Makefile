# What people type: make demo, make test. Each sets up everything it needs in .venv by itself.
# Needs make and Python 3.11, 3.12 or 3.13; uv is taken from PATH or installed into .uv.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo $$p; break; }; done)
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help install demo test lint format web plugins ray site bench audit sbom packages clean

help:  ## show this
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

install: .venv/.installed  ## set up .venv

demo: .venv/.installed  ## a call becomes emotion events, in about a minute
	@$(RUN)/streamer demo $(ARGS)

test: .venv/.installed  ## run every test
	$(RUN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: .venv/.installed  ## ruff and mypy, strict
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

format: .venv/.installed  ## format the code
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

web:  ## check and build the pages and the JavaScript modules; needs Node.js 20 or newer and npm
	cd clients/web && npm ci --no-audit --no-fund && npm run --silent check && npm run --silent build

plugins: .venv/.installed  ## test the plugins for pipecat and LiveKit Agents, in an environment of their own
	UV_PROJECT_ENVIRONMENT=$(CURDIR)/.plugins $(UV) sync --locked --quiet --no-dev --package emotion-streamer-client \
		--extra livekit --extra pipecat --group plugins --python "$$(.venv/bin/python -c 'import sys; print(sys.executable)')"
	.plugins/bin/python -m pytest tests/client/plugins

ray: .venv/.installed  ## test archives on Ray and as Parquet, in an environment of their own
	UV_PROJECT_ENVIRONMENT=$(CURDIR)/.ray $(UV) sync --locked --quiet --extra ray --python "$$(.venv/bin/python -c 'import sys; print(sys.executable)')"
	.ray/bin/python -m pytest tests/archive/test_cluster.py tests/archive/test_parquet.py

site: | $(filter .uv/bin/uv,$(UV))  ## build the manual as a site into build/site; any broken link is an error
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.docs $(UV) sync --locked --quiet --only-group docs --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')"
	@.docs/bin/python -m tools.manual $(ARGS)

bench: .venv/.installed  ## measure calls per core, peers and feature code: long; ARGS=--quick is a taste of it
	UV_PROJECT_ENVIRONMENT=$(CURDIR)/.bench $(UV) sync --locked --quiet --no-dev --group bench \
		--python "$$(.venv/bin/python -c 'import sys; print(sys.executable)')"
	.bench/bin/python -m benchmarks.calls_per_core $(ARGS)
	.bench/bin/python -m benchmarks.features

audit: .venv/.installed  ## ask whether a locked dependency has a known vulnerability; needs the network
	@$(RUN)/python tools/audit.py --uv $(UV)

sbom: .venv/.installed  ## write the bill of materials of a release into dist/
	@$(RUN)/python tools/sbom.py --uv $(UV) dist/emotion-streamer.cdx.json

packages: .venv/.installed  ## build wheels and sdists of a release into dist/, the same bytes each time, with checksums
	@$(RUN)/python tools/packages.py dist

clean:  ## remove what make set up
	rm -rf .venv .plugins .bench .ray .docs .uv clients/web/node_modules clients/web/dist .mypy_cache .pytest_cache .ruff_cache .hypothesis dist

.venv/.installed: pyproject.toml clients/python/pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	@test -n "$(PYTHON)" || { echo "make: needs Python 3.11, 3.12 or 3.13 on PATH; found none" >&2; exit 1; }
	$(UV) sync --locked --quiet --compile-bytecode --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')"
	@touch $@

.uv/bin/uv:
	@test -n "$(PYTHON)" || { echo "make: needs Python 3.11, 3.12 or 3.13 on PATH; found none" >&2; exit 1; }
	@$(PYTHON) -m venv .uv || { echo "make: $(PYTHON) cannot make environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	.uv/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
