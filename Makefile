SHELL := /bin/sh
.DEFAULT_GOAL := help

CLIENTS ?= 5
FUZZ_SECONDS ?= 30
VENV := target/venv
PYTEST := PYTHONDONTWRITEBYTECODE=1 $(VENV)/bin/python -m pytest -p no:cacheprovider
SCRIPTS := $(wildcard *.sh docker/*.sh tests/*.sh tests/docker/*.sh fuzz/*.sh) .ci/run

.PHONY: help rust build run clean docker-image docker-compose-up docker-compose-logs docker-compose-down swarm \
    docker-stack-up docker-stack-logs docker-stack-down docker-push lint test test-references test-docker \
    test-arm64 fuzz bench picture

help: ## List these targets
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  %-21s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.DEFAULT:
	@echo "there is no $@: make alone lists the targets" >&2; exit 1

rust:
	@command -v cargo >/dev/null || { echo "there is no cargo: install Rust (https://rustup.rs), or make docker-compose-up, which needs none" >&2; exit 1; }

##@ Programs

build: rust ## Build the three programs in target/release
	cargo build --release

run: build ## Run the server and CLIENTS=5 clients as plain processes, without Docker
	@./run-local.sh $(CLIENTS)

clean: rust ## Remove what was built, except images
	cargo clean

##@ Docker on one machine

docker-image: export DOCKER_DEFAULT_PLATFORM := $(or $(PLATFORM),$(DOCKER_DEFAULT_PLATFORM))
docker-image: ## Build server:latest and client:latest (PLATFORM=linux/arm64 for another CPU)
	@test -z "$(PLATFORM)" || docker buildx version >/dev/null 2>&1 || { \
		echo "PLATFORM=$(PLATFORM): Docker's legacy builder builds for its own machine alone: install buildx (on Debian 13: docker-buildx)" >&2; exit 1; }
	@docker/base-images.sh rust:1.85-alpine
	docker build --tag server:latest --tag client:latest .

docker-compose-up: ## Start COMPOSE_FILE=docker-compose-dev.yaml, of CLIENTS=5 if missing
	@docker/compose.sh up

docker-compose-logs: ## Follow the logs of its containers
	@docker/compose.sh logs

docker-compose-down: ## Stop and remove all that Compose has put on tp0_testing_net
	@docker/compose.sh down

##@ Docker on several machines

# Docker Swarm. The script reads its variables from the environment, where make puts those of the command line. With
# REGISTRY the images are there already. Nothing is built where there is no swarm.
swarm:
	@docker/stack.sh swarm

docker-stack-up: swarm $(if $(REGISTRY),,docker-image) ## Deploy STACK_FILE=docker-stack.yaml, of CLIENTS=5 if missing
	@docker/stack.sh up

docker-stack-logs: ## Print what its servers and clients have logged
	@docker/stack.sh logs

docker-stack-down: ## Remove its services, configs and network
	@docker/stack.sh down

# Without REGISTRY the script says so, and there is nothing to build for.
docker-push: $(if $(REGISTRY),docker-image) ## Push the images to REGISTRY=host:port
	@docker/stack.sh push

##@ Checks

lint: rust $(VENV) ## Check format, warnings, scripts, YAML and the Dockerfile
	cargo fmt --check
	cargo clippy --all-targets -- --deny warnings
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo fmt --check --all --manifest-path bench/Cargo.toml
	shellcheck $(SCRIPTS)
	$(VENV)/bin/yamllint --strict .yamllint .github client tests/golden
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/ci.yaml
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.compose-spec tests/golden/*.yaml
	$(VENV)/bin/hadolint Dockerfile
	cmp Dockerfile server/Dockerfile
	cmp Dockerfile client/Dockerfile

test: rust ## Run the tests that need Rust alone
	cargo test --no-fail-fast

test-references: $(VENV) ## Compare the parsers with Python's, Go's and YAML's own
	$(PYTEST) tests/references

test-docker: $(VENV) ## Test image, Compose file, validator and stack with a Docker engine
	@echo 'tests/docker: building the image first (a minute); the tests take some ten minutes'
	$(PYTEST) $(DOCKER_TESTS) tests/docker

test-arm64: rust ## Build for arm64, and run the tests that an emulator bears
	tests/arm64.sh

fuzz: rust ## Fuzz the parsers and the state machines, FUZZ_SECONDS=30 each
	FUZZ_SECONDS=$(FUZZ_SECONDS) fuzz/run.sh

##@ Measurements

bench: rust ## Measure side by side with the peers, into bench/RESULTS.md (five minutes)
	@python3 -m venv target/bench/venv && \
		target/bench/venv/bin/python -m pip install --quiet --requirement bench/requirements.txt || \
		echo 'bench: matplotlib cannot be installed (on Debian, it takes python3-venv): there is no new plot' >&2
	@PATH="$(CURDIR)/target/bench/venv/bin:$$PATH" bench/bench.py

picture: build $(VENV) ## Draw docs/run.svg from a run in a terminal
	$(VENV)/bin/python -m pip install --quiet --requirement docs/requirements.txt
	$(VENV)/bin/python docs/record.py

# A failure removes the environment: the next call would take half of one for finished.
$(VENV): tests/requirements.txt
	@echo "$@: installing the Python tools (half a minute)"
	@rm -rf $@
	@python3 -m venv $@ || { rm -rf $@; echo "python3 -m venv failed: on Debian, install python3-venv" >&2; exit 1; }
	@$@/bin/python -m pip install --quiet --requirement tests/requirements.txt || { rm -rf $@; exit 1; }
	@touch $@
