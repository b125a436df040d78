# The commands people need. Each can be called again at any time and does only what is left to do.

ENGINE := target/release/docgenie-engine
VENV   := target/venv
ROUNDS ?= 1000

.DEFAULT_GOAL := help
.PHONY: help setup build run plugins plugins-toolchain test soak bench docs clean

help: ## List these commands.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 25

setup: ## Install the system packages that building and running need.
	@command -v cargo >/dev/null || { echo "setup: Rust 1.95 is missing, see https://rustup.rs" >&2; exit 1; }
	@scripts/install-packages.sh build run

build: setup ## Build target/release/docgenie-engine.
	cargo build --release --locked -p docgenie-cli

run: build ## Make 20 invoices with ground truth in out/invoices.
	$(ENGINE) run invoices --out out/invoices

plugins: build ## Build the shipped plugins and put them beside the program.
	@scripts/plugins.sh

plugins-toolchain: ## Set up the compiler that plugins in Rust need, where rustup has none.
	@scripts/plugins-toolchain.sh

test: setup ## Check and test everything, as CI does.
	@scripts/install-packages.sh test
	@$(MAKE) --no-print-directory $(VENV)/tests.stamp
	@scripts/test.sh

soak: plugins ## Do for longer what tests do: damage the job store (ROUNDS=1000), export 5,000 documents.
	DOCGENIE_CHAOS_ROUNDS=$(ROUNDS) cargo test --release --locked -p docgenie-store --test chaos
	DOCGENIE_EXPORT_DOCUMENTS=5000 cargo test --release --locked -p docgenie-cli -p docgenie-tests --test memory

bench: plugins ## Measure speed and memory, beside a Python program that does the same job.
	@scripts/install-packages.sh bench
	@$(MAKE) --no-print-directory $(VENV)/bench.stamp
	@$(VENV)/bin/python benches/bench.py $(ENGINE)
	@$(VENV)/bin/python benches/serving.py $(ENGINE)
	@scripts/plugins.sh benches/guests target/release/plugins-bench >/dev/null
	cargo bench --quiet --locked -p docgenie-cli -p docgenie-tests --bench plugins

docs: build ## Write the generated pages anew: stage reference, JSON Schema, OpenAPI.
	$(ENGINE) stages --reference > docs/pipeline-reference.md
	$(ENGINE) schema > docs/pipeline.schema.json
	$(ENGINE) schema --openapi > docs/openapi.json

clean: ## Remove what was built and made.
	cargo clean
	rm -rf out

# Python tools, kept out of the system's own packages. A changed list of requirements renews them.
$(VENV)/bin/python:
	python3 -m venv $(VENV)

$(VENV)/tests.stamp: tests/python/requirements.txt tests/python/no-deps.txt | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement tests/python/no-deps.txt
	@touch $@

$(VENV)/bench.stamp: benches/requirements.txt | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@
