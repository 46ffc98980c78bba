SHELL := /bin/sh
.DEFAULT_GOAL := help

CLIENTS ?= 5
FUZZ_SECONDS ?= 30
COMPOSE_FILE := docker-compose-dev.yaml
VENV := target/venv
PYTEST := PYTHONDONTWRITEBYTECODE=1 $(VENV)/bin/python -m pytest -p no:cacheprovider
SCRIPTS := $(wildcard *.sh docker/*.sh tests/docker/*.sh fuzz/*.sh) .ci/run

# Looked for at each use: Compose v2 is a plugin of the docker command, 1.29 a command of its own, which
# waits for itself for ever once it starts as many services as its limit (64) allows at a time, and asks the
# engine to start them all at once, but for no longer than 60 seconds.
limits = env COMPOSE_PARALLEL_LIMIT=2048 COMPOSE_HTTP_TIMEOUT=3600
compose = $$(docker compose version >/dev/null 2>&1 && echo docker compose || echo $(limits) docker-compose) --file $(COMPOSE_FILE)

.PHONY: help
help: ## List these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

.PHONY: build
build: ## Build the three programs in target/release
	cargo build --release

.PHONY: run
run: build ## Run the server and CLIENTS=5 clients as plain processes, without Docker
	./run-local.sh $(CLIENTS)

.PHONY: test
test: ## Run the tests that need Rust alone
	cargo test

.PHONY: test-references
test-references: $(VENV) ## Compare the parsers with Python's, Go's and YAML's own
	$(PYTEST) tests/references

.PHONY: test-docker
test-docker: $(VENV) ## Test the image, the Compose file and the validator with a Docker engine
	$(PYTEST) $(DOCKER_TESTS) tests/docker

# Half an environment would look finished to the next call, so a failure removes it.
$(VENV): tests/requirements.txt
	rm -rf $@
	python3 -m venv $@ || { rm -rf $@; echo "python3 -m venv failed: on Debian, install python3-venv" >&2; exit 1; }
	$@/bin/python -m pip install --quiet --requirement tests/requirements.txt || { rm -rf $@; exit 1; }
	touch $@

.PHONY: fuzz
fuzz: ## Fuzz the parsers and the state machines, FUZZ_SECONDS=30 each
	FUZZ_SECONDS=$(FUZZ_SECONDS) fuzz/run.sh

.PHONY: bench
bench: ## Measure side by side with the peers, into bench/RESULTS.md (some five minutes)
	bench/run.py

.PHONY: lint
lint: ## Check format, warnings and scripts
	cargo fmt --check
	cargo clippy --all-targets -- --deny warnings
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo fmt --check --all --manifest-path bench/Cargo.toml
	shellcheck $(SCRIPTS)
	cmp Dockerfile server/Dockerfile
	cmp Dockerfile client/Dockerfile

.PHONY: docker-image
docker-image: ## Build the image and tag it server:latest and client:latest
	docker/base-images.sh rust:1.85-alpine
	docker build --tag server:latest --tag client:latest .

.PHONY: compose-file
compose-file:
	@test -f $(COMPOSE_FILE) || { echo "$(COMPOSE_FILE): no such file: ./generar-compose.sh $(COMPOSE_FILE) $(CLIENTS) writes it" >&2; exit 1; }

# An engine may make a folder of a mount's missing source, which only its owner, root, can remove.
.PHONY: settings
settings:
	@for file in server/config.ini client/config.yaml; do \
		test -f $$file || { echo "$$file: not a regular file: the containers have no settings to mount" >&2; exit 1; }; \
	done

.PHONY: docker-compose-up
docker-compose-up: compose-file settings docker-image ## Start the containers of docker-compose-dev.yaml
	$(compose) up -d

.PHONY: docker-compose-logs
docker-compose-logs: compose-file ## Follow their logs
	$(compose) logs -f

# Compose 1.29 stops the services of its file and kills the rest (left by a larger one). So everything that
# Compose has put on our network is stopped first, by a signal that lets it end by itself. Not all together: the
# engine can lose count of a network's endpoints then and never remove it (moby/moby issue 42119), or hang (46661).
.PHONY: docker-compose-down
docker-compose-down: compose-file ## Stop and remove them, those of a larger file included
	@containers=$$(docker ps --quiet --filter network=tp0_testing_net --filter label=com.docker.compose.project) && \
		echo $$containers | xargs -r -n 8 docker stop -t 1
	$(compose) down --remove-orphans

# Docker Swarm. The script reads its variables from the environment, where make puts those of the command line. With
# REGISTRY the images are there already.
.PHONY: docker-stack-up
docker-stack-up: $(if $(REGISTRY),,docker-image) ## Deploy docker-stack.yaml on Docker Swarm: CLIENTS=5, REGISTRY=host:port, SWARM_INIT=1
	@docker/stack.sh up

.PHONY: docker-stack-logs
docker-stack-logs: ## Print its logs
	@docker/stack.sh logs

.PHONY: docker-stack-down
docker-stack-down: ## Remove it
	@docker/stack.sh down

.PHONY: docker-push
docker-push: docker-image ## Push the images to REGISTRY=host:port, for the other machines of a swarm
	@docker/stack.sh push

.PHONY: clean
clean: ## Remove what was built, except images
	cargo clean
