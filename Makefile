# Every target sets up what it needs. The environment is made once, again only when its versions change.
#   PYTHON=…       the Python to make it with        PY=…    a Python that has everything already: nothing is set up
#   TORCH_INDEX=…  index to take torch from          VENV=…  the environment's folder
# Default values of the targets' own variables stand beside the targets.

VENV ?= .venv
PY ?= $(VENV)/bin/python
READY := $(VENV)/.ready-$(shell cat pyproject.toml constraints.txt .ci/setup | cksum | cut -d' ' -f1)
SETUP := $(if $(filter $(VENV)/bin/python,$(PY)),$(READY))
DEEPGRADE := $(PY) -m autograder
PYTEST := $(PY) -m pytest
PYTEST_ARGS ?= -n auto --dist worksteal

export OMP_NUM_THREADS ?= 1
# One worker more than processors, since some tests wait.
export PYTEST_XDIST_AUTO_NUM_WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

.DEFAULT_GOAL := help
.PHONY: help grade test fuzz check lint audit release starter docs site bench gpu-test clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

grade: $(SETUP) ## Grade a submission: ASSIGNMENT=conv SUBMISSION=file, folder or zip OUT=out
	$(DEEPGRADE) grade $(or $(ASSIGNMENT),conv) "$(or $(SUBMISSION),tests/submissions/conv/wrong/half_right.py)" --out "$(or $(OUT),out)"

test: $(SETUP) ## Run the whole suite in parallel, lint and types included: PYTEST_ARGS="-n auto"
	$(PYTEST) $(PYTEST_ARGS)

fuzz: $(SETUP) ## Search for input that breaks what reads foreign bytes: DEEPGRADE_FUZZ_SECONDS=300
	DEEPGRADE_FUZZ_SECONDS=$(or $(DEEPGRADE_FUZZ_SECONDS),300) $(PYTEST) -q -s -n 0 tests/test_fuzz.py

check: lint test ## Everything that must hold before a change is sent in

lint: $(SETUP) ## Style, format, types, and whether student_starter/ is what would be built
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(DEEPGRADE) starter --check

audit: $(SETUP) ## Prove that the grading is right: reference, stub, variants, known mistakes: ASSIGNMENT=all SEEDS="1 2 3"
	$(DEEPGRADE) audit $(ASSIGNMENT) $(addprefix --seed ,$(or $(SEEDS),1 2 3))

release: $(SETUP) ## Audit, then build the bundles that go to students and to Gradescope: ASSIGNMENT=all
	$(DEEPGRADE) release $(ASSIGNMENT)

starter: $(SETUP) ## Build student_starter/ from the references: ASSIGNMENT=all
	$(DEEPGRADE) starter $(ASSIGNMENT)

docs: $(SETUP) ## Rewrite the generated pages: docs/coverage.md, the tables of docs/results.md, docs/intake.md, docs/breakages.md and docs/kinds.md, and the pictures of the handouts
	$(PY) docs/results_table.py
	$(PY) docs/coverage_table.py
	$(PY) docs/intake_table.py
	$(PY) docs/breakages_table.py
	$(PY) docs/kinds_table.py
	$(PY) docs/figures.py

site: $(SETUP) ## Build the documentation as a site in out/site, links checked, with a page of results and a report graded now
	@$(PY) -c "import material" 2>/dev/null || $(PY) -m pip install --quiet --no-build-isolation --constraint constraints.txt --editable ".[docs]"
	$(DEEPGRADE) grade conv tests/submissions/conv/wrong/half_right.py --out out
	$(PY) docs/sample_class.py out
	$(PY) -m mkdocs build --strict

bench: $(SETUP) ## Print the ratios: speed of grading, verdicts of races, reference against library
	$(PY) -m benchmarks

gpu-test: $(SETUP) ## Run the tests that need a GPU, on a machine with one: PY=python to use a torch that is there
	$(PYTEST) -m gpu tests/test_gpu.py

clean: ## Remove everything that was built, the environment too
	rm -rf $(VENV) out dist build *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY):
	@.ci/setup $(VENV)
	@rm -f $(VENV)/.ready-*
	@touch $@
