#!/bin/sh
# The system on several machines: deploys it as the stack "tp0" of Docker Swarm, and removes it.
set -eu

cd -- "$(dirname -- "$(readlink -f -- "$0")")/.."
stack=tp0
server=${stack}_server
network=tp0_testing_net # the real name, as in the stack file
file=${STACK_FILE:-docker-stack.yaml}
registry=${REGISTRY:-}
limit=120 # seconds until the server listens, and until all is removed
said=$(mktemp) # what a command said, to be shown if it fails
trap 'rm -f "$said"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

usage() {
    cat <<END
usage: docker/stack.sh swarm|up|logs|down|push

  swarm with SWARM_INIT=1, make this node a swarm of its own where it is in none
  up    deploy STACK_FILE (docker-stack.yaml; written for CLIENTS=5 where it is missing):
        the server anew, and once it listens the clients
  logs  print what the servers and the clients have logged
  down  remove the services, their configs and the network
  push  tag server:latest and client:latest for REGISTRY, and push them there

With REGISTRY=host:port, up takes the images from there.
END
}

say() { printf 'stack: %s\n' "$*"; }

fail() {
    printf 'stack: %s\n' "$*" >&2
    exit 1
}

# Shows what a command said only when it fails.
quietly() {
    "$@" >"$said" 2>&1 && return
    cat "$said" >&2
    fail "failed: $*"
}

# is_manager: false where this node is in no swarm
is_manager() {
    state=$(docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}') ||
        fail 'no Docker engine answers: start Docker, or join the group docker'
    case $state in
    'active true') ;;
    active*) fail 'this node is a worker: run this on a manager, which "docker info" lists as Manager Addresses' ;;
    *) return 1 ;;
    esac
}

hash() { sha256sum <"$1" | cut -c 1-16; }

# deploy: the file as it is; REPLICAS in the environment is the number of clients to begin with
deploy() {
    # Without a registry the local images are used; with one, the image that the tag means now.
    quietly docker stack deploy --prune --with-registry-auth \
        --resolve-image "$([ -n "$registry" ] && echo always || echo never)" --compose-file "$file" "$stack"
}

swarm() {
    ! is_manager || return 0
    [ "${SWARM_INIT:-}" = 1 ] ||
        fail 'this node is in no swarm: make docker-stack-up SWARM_INIT=1 makes one, "docker swarm join" joins one'
    say 'making this node a swarm of its own'
    quietly docker swarm init
}

up() {
    swarm
    # A node can have a local network and an overlay of the same name.
    [ "$(docker network inspect --format '{{.Scope}}' "$network" 2>/dev/null)" != local ] ||
        fail "there is a network $network of this machine alone: make docker-compose-down removes it"
    for settings in server/config.ini client/config.yaml; do
        if ! [ -f "$settings" ] || ! [ -r "$settings" ]; then
            fail "$settings: not a regular file that can be read: git checkout $settings"
        fi
    done
    if [ -f "$file" ]; then
        say "$file is used as it is (./generar-compose.sh --stack $file N writes another)"
    else
        say "writing $file for ${CLIENTS:-5} clients"
        quietly ./generar-compose.sh --stack "$file" "${CLIENTS:-5}"
    fi
    nodes=$(docker node ls --quiet | wc -l)
    [ "$nodes" -eq 1 ] || [ -n "$registry" ] ||
        say "$nodes nodes and no REGISTRY: each of them needs the images server:latest and client:latest"

    IMAGE_PREFIX=${registry:+$registry/}
    SERVER_HASH=$(hash server/config.ini)
    CLIENT_HASH=$(hash client/config.yaml)
    export IMAGE_PREFIX SERVER_HASH CLIENT_HASH
    # In a service that is there, a server would go on with an older image of the same name, and clients that have
    # finished would stay so.
    docker service rm "${stack}_client" "$server" >/dev/null 2>&1 || true
    say 'deploying the server'
    REPLICAS=0 deploy
    await_server
    say 'deploying the clients'
    unset REPLICAS
    deploy
    say 'deployed: make docker-stack-logs prints what it logs, make docker-stack-down removes it'
}

# Until a task logs that it listens. One that has run for a while listens too: LOGGING_LEVEL may hide that line, and an
# engine loses one at times.
await_server() {
    say "waiting until the server listens ($limit seconds at most)"
    silent=0 deadline=$(($(date +%s) + limit))
    until listens; do
        if [ "$(date +%s)" -ge "$deadline" ] || [ "$(failed | wc -l)" -ge 2 ]; then
            failed >&2
            timeout 10 docker service logs --raw --tail 5 "$server" >&2 || true
            fail 'the server does not listen; make docker-stack-down removes the stack'
        fi
        sleep 1
    done
}

listens() {
    for task in $(docker service ps --quiet --no-trunc --filter desired-state=running "$server"); do
        [ "$(docker inspect --type task --format '{{.Status.State}}' "$task")" = running ] || continue
        log=$(timeout 5 docker service logs --raw "$task" 2>&1) || true
        case $log in *'action: accept_connections | result: in_progress'*) return ;; esac
        silent=$((silent + 1))
    done
    [ "$silent" -ge 5 ]
}

# The tasks that have failed, with the reason.
failed() {
    docker service ps --no-trunc --format '{{.Name}} on {{.Node}}: {{.CurrentState}}: {{.Error}}' "$server" |
        grep --extended-regexp ': (Failed|Rejected) '
}

logs() {
    is_manager || fail 'this node is in no swarm: make docker-stack-up SWARM_INIT=1 makes one'
    # The engine waits for ever for the lines of a node that is down, so each task is asked for, with a limit.
    docker node ls --format '{{.Hostname}} {{.Status}}' | grep --invert-match ' Ready$' >"$said" || true
    while read -r node state; do
        say "$node is $state: what ran there is missing" >&2
    done <"$said"
    for service in server client; do
        docker service ps --no-trunc --format '{{.Node}} {{.ID}}' "${stack}_$service" 2>/dev/null |
            while read -r node task; do
                # No task: it has no node yet.
                if [ -z "$task" ] || grep --quiet "^$node " "$said"; then continue; fi
                timeout 10 docker service logs "$task" 2>&1 || say "$task on $node: its lines cannot be had" >&2
            done
    done
}

# What is there of the stack, one thing a line.
left() {
    label=label=com.docker.stack.namespace=$stack
    docker service ls --filter "$label" --format 'service {{.Name}}'
    docker config ls --filter "$label" --format 'config {{.Name}}'
    docker ps --all --filter "$label" --format 'container {{.Names}}'
    docker network ls --filter "$label" --format 'network {{.Name}}'
}

# The network is in use until the last task has ended, so the engine is asked again.
down() {
    if ! is_manager; then
        say 'this node is in no swarm: there is no stack'
        return
    fi
    say 'removing the services, their configs and the network (some ten seconds)'
    deadline=$(($(date +%s) + limit))
    things=$(left)
    while [ -n "$things" ]; do
        docker stack rm "$stack" >"$said" 2>&1 || true
        if [ "$(date +%s)" -ge "$deadline" ]; then
            cat "$said" >&2
            fail "still there: $(echo "$things" | tr '\n' ' '): try again, or remove by hand what is on the network"
        fi
        sleep 1
        things=$(left)
    done
    say 'nothing is left'
}

push() {
    [ -n "$registry" ] || {
        echo 'stack: REGISTRY is missing: make docker-push REGISTRY=host:port' >&2
        exit 2
    }
    for image in server:latest client:latest; do
        say "pushing $registry/$image"
        quietly docker tag "$image" "$registry/$image"
        quietly docker push "$registry/$image"
    done
}

case $#:${1-} in
1:swarm | 1:up | 1:logs | 1:down | 1:push)
    command -v docker >/dev/null || fail 'there is no docker command: install Docker'
    "$1"
    ;;
1:--help | 1:-h) usage ;;
*)
    usage >&2
    exit 2
    ;;
esac
