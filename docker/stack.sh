#!/bin/sh
# Runs the system on several machines, as the stack "tp0" of Docker Swarm: docker/stack.sh swarm|up|logs|down|push
set -eu

CDPATH='' cd -- "$(dirname -- "$0")/.."
file=${STACK_FILE:-docker-stack.yaml}
registry=${REGISTRY:-}
limit=120 # seconds until the server runs, and until the stack is gone
# A Mac has no timeout command.
command -v timeout >/dev/null || timeout() { shift && "$@"; }

say() { printf 'stack: %s\n' "$1"; }

fail() {
    say "$1" >&2
    exit 1
}

# Makes this node a swarm of its own, if it is in none and SWARM_INIT=1 asks for it.
swarm() {
    state=$(docker info --format '{{.Swarm.LocalNodeState}}')
    [ "$state" = inactive ] || return 0
    [ "${SWARM_INIT:-}" = 1 ] ||
        fail 'this node is in no swarm: make docker-stack-up SWARM_INIT=1 makes one, "docker swarm join" joins one'
    docker swarm init
}

up() {
    if ! [ -f "$file" ]; then
        say "writing $file for ${CLIENTS:-5} clients"
        sh ./generar-compose.sh --stack "$file" "${CLIENTS:-5}"
    fi
    down
    # Many clients that start at once would keep the server from starting.
    say 'deploying the server'
    # For this deploy only: the file reads ${REPLICAS-N}.
    (
        REPLICAS=0
        export REPLICAS
        deploy
    )
    await_server
    say 'deploying the clients'
    deploy
    say 'deployed: make docker-stack-logs prints its logs, make docker-stack-down removes it'
}

deploy() {
    # Without a registry, the node has the images already.
    resolve=never
    [ -z "$registry" ] || resolve=always
    IMAGE_PREFIX=${registry:+$registry/} docker stack deploy --with-registry-auth --resolve-image "$resolve" \
        --compose-file "$file" tp0
}

# A server that cannot listen ends at once, so it has to run for a second. The first task may fail on a node that has
# not removed the old network yet.
await_server() {
    left=$limit
    until server_runs && sleep 1 && server_runs; do
        failures=$(docker service ps --format '{{.CurrentState}}' tp0_server | grep -c '^Failed') || true
        if [ "$failures" -ge 3 ] || [ "$left" -eq 0 ]; then
            docker service ps --no-trunc tp0_server >&2
            fail 'the server does not run: make docker-stack-logs may tell why'
        fi
        left=$((left - 1))
        sleep 1
    done
}

server_runs() {
    docker service ps --filter desired-state=running --format '{{.CurrentState}}' tp0_server | grep -q '^Running'
}

# The engine waits forever for the logs of a node that is down, so such a node is left out, and each task has a limit.
logs() {
    docker node ls --format 'stack: node {{.Hostname}} is {{.Status}}, its logs are missing' |
        grep -v ' is Ready, ' >&2 || true
    nodes=$(docker node ls --format '{{.Status}} {{.ID}}' | sed -n 's/^Ready //p')
    for node in $nodes; do
        tasks=$(docker service ps --quiet --no-trunc --filter "node=$node" tp0_server tp0_client)
        for task in $tasks; do
            timeout 10 docker service logs "$task" 2>&1 || say "the logs of task $task are incomplete" >&2
        done
    done
}

down() {
    say 'removing the stack'
    left=$limit
    parts=$(list_parts)
    while [ -n "$parts" ]; do
        [ "$left" -gt 0 ] || fail "still there after $limit seconds: $parts"
        left=$((left - 1))
        # This fails while tasks on the network are ending.
        docker stack rm tp0 >/dev/null 2>&1 || true
        sleep 1
        parts=$(list_parts)
    done
}

# Lists all parts of the stack that exist.
list_parts() {
    label=label=com.docker.stack.namespace=tp0
    docker service ls --filter "$label" --format 'service {{.Name}}'
    docker config ls --filter "$label" --format 'config {{.Name}}'
    docker network ls --filter "$label" --format 'network {{.Name}}'
    docker ps --all --filter "$label" --format 'container {{.Names}}'
}

push() {
    [ -n "$registry" ] || fail 'REGISTRY is missing: make docker-push REGISTRY=host:port'
    for image in server:latest client:latest; do
        docker tag "$image" "$registry/$image"
        docker push "$registry/$image"
    done
}

case $#:${1-} in
1:swarm | 1:up | 1:logs | 1:down | 1:push) "$1" ;;
*)
    echo 'usage: docker/stack.sh swarm|up|logs|down|push' >&2
    exit 2
    ;;
esac
