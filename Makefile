# Two commands for a newcomer: `make quickstart` and `make test`. Each sets up .venv first; Python 3.11 and pip suffice.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
PLUGINS = $(wildcard plugins/*/pyproject.toml)
STAMP   = $(VENV)/.ready
# Two tests at a time with a thread each; nets of their size do not gain from more.
JOBS   ?= 2
PYTEST  = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

.PHONY: quickstart test test-all test-gpu test-oldest lint types benchmarks publish clean

$(STAMP): pyproject.toml $(PLUGINS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo "Installing zoo, its plugins and what they need (torch among it) into $(VENV): once, some minutes."
	$(BIN)/python -m pip install --editable '.[dev]' $(foreach plugin,$(PLUGINS),--editable $(dir $(plugin)))
	@touch $@

quickstart: $(STAMP)
	$(BIN)/zoo quickstart

test: $(STAMP) lint types
	$(PYTEST) -m "not slow and not gpu"

test-all: $(STAMP) lint types
	$(PYTEST) --timeout 3600 -m "not gpu"

test-gpu: $(STAMP)
	$(BIN)/python -m pytest -m gpu

# The other end of what pyproject.toml allows; `make test` has the newest.
OLDEST = .venv-oldest
test-oldest: $(STAMP)
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet torch==2.11.* torchvision==0.26.* huggingface-hub==1.33.* \
		--editable '.[dev]' $(foreach plugin,$(PLUGINS),--editable $(dir $(plugin)))
	$(OLDEST)/bin/python -m pytest -m "not slow and not gpu"
	$(BIN)/python benchmarks/other_torch.py --other $(OLDEST)/bin/python

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

benchmarks: $(STAMP)
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/load.py
	$(BIN)/python benchmarks/fetch.py
	$(BIN)/python benchmarks/embed_one.py
	$(BIN)/python benchmarks/finetune.py

# A release step (docs/hub.md): the filters of zoo-filters to OWNER's repositories, and where they lie into registry.toml.
publish: $(STAMP)
	@test -n "$(OWNER)" || { echo "Say to whom: make publish OWNER=name [TAG=v1] [DRY=1], with HF_TOKEN set."; exit 1; }
	$(BIN)/python plugins/zoo-filters/recipes/publish.py $(OWNER) $(if $(TAG),--tag $(TAG)) $(if $(DRY),--dry-run)

clean:
	rm -rf $(VENV) .venv* .mypy_cache .pytest_cache .ruff_cache
