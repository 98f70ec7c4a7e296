# One Map 一张图. Two commands: `make demo` serves a sample city, `make test` runs every test.
PYTHON ?= python3
RUN := .venv/bin/python

.PHONY: demo test lint bench setup clean

demo:
	@$(PYTHON) deploy/setup.py demo
	@exec $(RUN) -m onemap demo

test:
	@$(PYTHON) deploy/setup.py test
	$(RUN) -m pytest -n 2 --dist loadscope
	cd web && npm test --silent

lint:
	@$(PYTHON) deploy/setup.py test
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	cd web && npm run check --silent

bench:
	@$(PYTHON) deploy/setup.py demo
	$(RUN) -m onemap bench

setup:
	@$(PYTHON) deploy/setup.py test

clean:
	rm -rf .venv web/node_modules web/dist .mypy_cache .ruff_cache .pytest_cache
