# Gridhouse: everything a person types. `make help` lists it.
# Needs Python 3.11 or newer, make and pip; nothing is compiled and nothing outside this folder is changed.

PYTHON  ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV    := .venv
PY      := $(VENV)/bin/python
# The floor of branch coverage over privacy/ and domains/, in per cent.
COVERAGE ?= 95
# Two cores, three test processes, for many tests wait for a deadline. Files stay whole, so that what one file sets up is set up once.
WORKERS ?= 3
PORT    ?= 8000
export PORT

# A stamp is named after the pins it stands for, so changed pins are installed and unchanged ones cost nothing.
sum      = $(shell cat $(1) 2>/dev/null | cksum | cut -d' ' -f1)
RUN_PINS := $(VENV)/.pins-run-$(call sum,requirements.txt)
DEV_PINS := $(VENV)/.pins-dev-$(call sum,requirements-dev.txt)
EXTRA_PINS := $(VENV)/.pins-extras-$(call sum,requirements-extras.txt)
# Some systems make environments without pip; then the system's own pip installs into ours.
PIP      = $$([ -x $(VENV)/bin/pip ] && echo $(PY) -m pip || echo $(PYTHON) -m pip --python $(PY))
INSTALL  = $(PIP) install --quiet --disable-pip-version-check --require-hashes --only-binary :all:

.DEFAULT_GOAL := help
.PHONY: help demo run test cover pictures lint format types prove extras extras-here bench reference migrations pins clean

help:  ## List these targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

demo: $(RUN_PINS)  ## A whole node, its story played once, then served at http://localhost:8000 (PORT=…; ONCE=1 stops after the story)
	@exec $(PY) manage.py demo

run: $(RUN_PINS)  ## A development node: database in var/, web server that reloads (start the worker with `.venv/bin/python manage.py worker`)
	$(PY) manage.py migrate --verbosity 0
	@exec env DEBUG=1 $(PY) manage.py runserver $(PORT)

test: lint types  ## Lint, types, layer contracts and the test suite (under 12 minutes on two cores)
	$(PY) -m pytest -n $(WORKERS) --dist loadfile -m "not prove and not extras" --durations 15

cover: $(DEV_PINS)  ## The floor of branch coverage, by the tests of privacy/ and domains/ themselves (DATABASE_URL chooses the database)
	$(PY) -m pytest -n $(WORKERS) --dist loadfile -m "not prove and not extras and not own_database" --durations 15 \
		--cov --cov-report term --cov-fail-under $(COVERAGE) tests/privacy tests/domains

lint: $(DEV_PINS)  ## Ruff's rules and format, and the layer contracts
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	PYTHONPATH=.:client $(VENV)/bin/lint-imports --no-cache

types: $(DEV_PINS)  ## Mypy: strict in privacy/ and client/
	$(PY) -m mypy privacy client/gridhouse domains portal

format: $(DEV_PINS)  ## Let ruff repair what it can
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

prove: $(DEV_PINS)  ## The long counts: audits over many runs, kill -9 loops, races, long journeys (some 20 minutes on two cores)
	$(PY) -m pytest -n $(WORKERS) --dist worksteal -m "prove and not extras" --durations 40

pictures: $(DEV_PINS)  ## Take the pictures of docs/tour.md anew (needs Chromium)
	PICTURES=docs/pictures $(PY) -m pytest -q -m prove tests/journeys/test_tour.py

extras:  ## The tests of the optional extras (Spark, mbi), in an environment of their own (needs Java; some 2 GB)
	@$(MAKE) --no-print-directory VENV=.venv-extras extras-here

extras-here: $(EXTRA_PINS)
	$(PY) -m pytest -m extras --durations 10

bench: $(DEV_PINS)  ## Benchmarks: figures and ratios of one run on this machine (BENCH=--large for more; tests/bench/README.md)
	@set -e; for script in tests/bench/bench_*.py; do echo "== $$script"; PYTHONPATH=.:client $(PY) $$script $(BENCH); done

reference: $(RUN_PINS)  ## Write docs/reference/ anew from the code
	$(PY) manage.py reference_docs

migrations: $(RUN_PINS)  ## Make migrations for changed models
	$(PY) manage.py makemigrations

pins: $(DEV_PINS)  ## Resolve pyproject's dependencies anew into requirements*.txt, with hashes (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --no-annotate pyproject.toml -o requirements.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --no-annotate -c requirements.txt pyproject.toml --group dev -o requirements-dev.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --no-annotate -c requirements-dev.txt pyproject.toml --group dev --group extras -o requirements-extras.txt

clean:  ## Remove the environment and caches; var/ (a node's data) is left alone
	rm -rf $(VENV) .venv-extras .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* staticfiles

$(PY):
	@[ -n "$(PYTHON)" ] || { echo "Gridhouse needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "Making the environment in $(VENV) …"
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV)

# The client is used from its own folder: one line in the environment says where it is.
CLIENT = $(PY) -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "gridhouse-client.pth").write_text(str(pathlib.Path("client").resolve()) + "\n")'

$(RUN_PINS): | $(PY)
	@echo "Installing what requirements.txt pins …"
	@$(INSTALL) -r requirements.txt
	@$(CLIENT)
	@rm -f $(VENV)/.pins-run-*; touch $@

$(DEV_PINS): | $(PY)
	@echo "Installing what requirements-dev.txt pins …"
	@$(INSTALL) -r requirements-dev.txt
	@$(CLIENT)
	@rm -f $(VENV)/.pins-dev-* $(VENV)/.pins-run-*; touch $@ $(RUN_PINS)


# Spark is the one package that comes as its source alone: it is Java, packed by Python.
$(EXTRA_PINS): | $(PY)
	@echo "Installing what requirements-extras.txt pins …"
	@$(INSTALL) --no-binary pyspark -r requirements-extras.txt
	@$(CLIENT)
	@rm -f $(VENV)/.pins-*; touch $@
