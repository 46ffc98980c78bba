SHELL := /bin/sh
.DEFAULT_GOAL := help
.NOTPARALLEL:

CLIENTS ?= 5
export FUZZ_SECONDS ?= 30
VENV := target/venv
PYTEST := PYTHONDONTWRITEBYTECODE=1 $(VENV)/bin/python -m pytest -p no:cacheprovider
SCRIPTS := $(wildcard *.sh docker/*.sh tests/*.sh tests/docker/*.sh fuzz/*.sh) .ci/run

DIRECTORIES := client docker docs server src target templates tests

.PHONY: help rust build run clean docker-image docker-compose-up docker-compose-logs docker-compose-down swarm \
    docker-stack-up docker-stack-logs docker-stack-down docker-push lint test test-references test-docker \
    test-arm64 fuzz bench $(DIRECTORIES)

# The scripts look for the programs in target/release, so this variable must not make cargo put them elsewhere.
unexport CARGO_BUILD_TARGET

help: ## List these targets
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  %-21s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.DEFAULT $(DIRECTORIES):
	@echo "there is no target $@: make alone lists the targets" >&2; exit 1

rust:
	@command -v cargo >/dev/null || { echo "there is no cargo: install Rust (https://rustup.rs), or make docker-compose-up, which needs none" >&2; exit 1; }

##@ Programs

# Remove old programs, so that none runs if cargo's configuration names another target.
build: rust ## Build the three programs in target/release
	@rm -f target/release/server target/release/client target/release/gen
	cargo build --release --target-dir target
	@test -x target/release/server || { echo "cargo has built for another target: remove build.target from its config.toml" >&2; exit 1; }

run: build ## Run the server and CLIENTS=5 clients as plain processes, without Docker
	@bash run-local.sh $(CLIENTS)

clean: rust ## Remove what was built, except images
	cargo clean --target-dir target

##@ Docker on one machine

docker-image: ## Build server:latest and client:latest
	@sh docker/build.sh

docker-compose-up: ## Start COMPOSE_FILE=docker-compose-dev.yaml, of CLIENTS=5 if missing
	@sh docker/compose.sh up

docker-compose-logs: ## Follow the logs of its containers
	@sh docker/compose.sh logs

docker-compose-down: ## Stop and remove all that Compose has put on tp0_testing_net
	@sh docker/compose.sh down

##@ Docker on several machines

# These targets use Docker Swarm. The script reads its variables from the environment, where make puts those of the
# command line. With REGISTRY the images are there already. Without a swarm, make builds nothing.
swarm:
	@sh docker/stack.sh swarm

docker-stack-up: swarm $(if $(REGISTRY),,docker-image) ## Deploy STACK_FILE=docker-stack.yaml, of CLIENTS=5 if missing
	@sh docker/stack.sh up

docker-stack-logs: ## Print the logs of its servers and clients
	@sh docker/stack.sh logs

docker-stack-down: ## Remove its services, configs and network
	@sh docker/stack.sh down

# Without REGISTRY the script fails, so make does not build the image first.
docker-push: $(if $(REGISTRY),docker-image) ## Push the images to REGISTRY=host:port
	@sh docker/stack.sh push

##@ Checks

lint: rust $(VENV) ## Check format, warnings, scripts, YAML and the Dockerfile
	cargo fmt --check
	cargo clippy --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --quiet --no-deps --document-private-items
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
	@echo 'tests/docker: building the image first (a minute); the tests take some six minutes'
	$(PYTEST) $(DOCKER_TESTS) tests/docker

test-arm64: rust ## Build for arm64, and run the tests that work under an emulator
	sh tests/arm64.sh

fuzz: rust ## Fuzz the parsers and the state machines, FUZZ_SECONDS=30 each
	@case $$FUZZ_SECONDS in '' | 0* | *[!0123456789]*) echo "FUZZ_SECONDS=$$FUZZ_SECONDS: not a number from 1" >&2; exit 1 ;; esac
	sh fuzz/run.sh

##@ Measurements

bench: rust ## Measure side by side with the peers, into bench/RESULTS.md (five minutes)
	@python3 -m venv target/bench/venv && \
		target/bench/venv/bin/python -m pip install --quiet --requirement bench/requirements.txt || \
		echo 'bench: matplotlib cannot be installed (on Debian, it takes python3-venv): there is no new plot' >&2
	@PATH="$(CURDIR)/target/bench/venv/bin:$$PATH" python3 bench/bench.py

# Remove the environment after a failure, because the next call would take a half-made one for finished.
$(VENV): tests/requirements.txt
	@echo "$@: installing the Python tools (half a minute)"
	@rm -rf $@
	@python3 -m venv $@ || { rm -rf $@; echo "python3 -m venv failed: on Debian, install python3-venv" >&2; exit 1; }
	@$@/bin/python -m pip install --quiet --requirement tests/requirements.txt || { rm -rf $@; exit 1; }
	@touch $@
