#!/bin/sh
# The Compose targets of the Makefile run this script: docker/compose.sh up|logs|down
set -eu

network=tp0_testing_net
export COMPOSE_FILE="${COMPOSE_FILE:-docker-compose-dev.yaml}" # Compose reads this variable itself

fail() {
    printf 'docker-compose-%s: %s\n' "$verb" "$1" >&2
    exit 1
}

# Compose v2 is a plugin of the docker command; 1.29 is a command of its own. By default 1.29 waits forever when it
# starts 64 services or more, and fails when the engine needs more than 60 seconds for them.
compose() {
    if docker compose version >/dev/null 2>&1; then
        docker compose "$@"
    else
        COMPOSE_PARALLEL_LIMIT=2048 COMPOSE_HTTP_TIMEOUT=3600 docker-compose "$@"
    fi
}

# Lists the containers that Compose has put on the network, from any file, running or not.
containers() { docker ps --all --filter "network=$network" --filter label=com.docker.compose.project "$@"; }

check_settings() {
    for file in server/config.ini client/config.yaml; do
        [ -f "$file" ] || fail "$file is not a regular file: remove it if it is a directory, and git checkout $file"
    done
    # The containers' user owns no file of this machine, so the permission for "others" decides.
    [ -z "$(find -L server/config.ini client/config.yaml ! -perm -004)" ] ||
        fail 'user 65534 of the containers cannot read the settings: chmod o+r server/config.ini client/config.yaml'
    listens=$(sed -n '/^[[:blank:]]*SERVER_PORT[[:blank:]]*[=:][[:blank:]]*\([0-9]*\).*/{s//\1/p;q;}' server/config.ini)
    connects=$(sed -n '/^[[:blank:]]*address:[^#]*:\([0-9]*\).*/{s//\1/p;q;}' client/config.yaml)
    [ "$listens" = "$connects" ] || [ -z "$listens" ] || [ -z "$connects" ] ||
        fail "SERVER_PORT is $listens in server/config.ini, but the port of server.address is $connects in \
client/config.yaml: make them equal"
}

up() {
    trap 'fail "interrupted: run make docker-compose-down, then make docker-compose-up"' INT TERM
    case ${CLIENTS:-5} in *[!0123456789]*) fail "CLIENTS=$CLIENTS: not a number" ;; esac
    check_settings
    case $COMPOSE_FILE in
    *:*) ;; # several files: Compose says which one is missing
    *)
        if [ ! -e "$COMPOSE_FILE" ]; then
            sh generar-compose.sh "$COMPOSE_FILE" "${CLIENTS:-5}"
            echo "$COMPOSE_FILE: written, with CLIENTS=${CLIENTS:-5}"
        fi
        ;;
    esac
    services=$(compose config --services)
    clients=$(printf '%s\n' "$services" | grep -c '^client') || true
    sh docker/build.sh
    echo "starting the server and clients: $clients"
    compose up --detach --force-recreate --remove-orphans ||
        fail 'not everything has started: make docker-compose-down removes what any Compose has started'
    # A program that cannot use its settings, or cannot listen, ends at once.
    sleep 1
    ended=$(containers --filter status=exited --format '{{.Names}} {{.Status}}')
    failed=$(printf '%s\n' "$ended" | grep -v -e ' Exited (0) ' -e '^$' || true)
    if [ -n "$failed" ]; then
        printf '%s\n' "$failed" | while read -r name status; do
            echo "$name: $status: $(docker logs --tail 1 "$name" 2>&1)" >&2
        done
        fail 'not everything runs: fix what these lines report, and run make docker-compose-up again'
    fi
    [ "${CLIENTS:-$clients}" = "$clients" ] ||
        echo "$COMPOSE_FILE has $clients clients: for $CLIENTS, ./generar-compose.sh $COMPOSE_FILE $CLIENTS"
    echo 'started: make docker-compose-logs follows the logs, make docker-compose-down stops and removes it all'
}

# Some versions of Compose follow an ended service forever, so print the logs of these first and do not follow them.
logs() {
    if [ -z "$(containers --quiet)" ]; then
        echo 'nothing has been started: make docker-compose-up starts it'
        return
    fi
    color=''
    [ -t 1 ] || color=--no-color # 1.29 and 2.26 print colors even into a pipe
    services=$(compose config --services)
    running=$(compose ps --services --filter status=running)
    # If nothing runs, the empty pattern matches only empty lines, so all have ended.
    ended=$(printf '%s\n' "$services" | grep -v -x -F "$running" || true)
    # shellcheck disable=SC2086 # an argument for each service
    [ -z "$ended" ] || compose logs $color $ended
    # shellcheck disable=SC2086
    [ -z "$running" ] || compose logs $color --follow $running
}

down() {
    ids=$(containers --quiet)
    if [ -n "$ids" ]; then
        echo "stopping and removing containers: $(printf '%s\n' "$ids" | wc -l)"
        # Each container gets SIGTERM and ends gracefully. Stop eight at a time, because Docker 20.10 can lose count of
        # a network's endpoints when more end at once (moby/moby issue 42119).
        printf '%s\n' "$ids" | xargs -n 8 docker stop >/dev/null || true
        printf '%s\n' "$ids" | xargs docker rm --force >/dev/null
    fi
    id=$(docker network ls --quiet --filter "name=^$network\$" --filter label=com.docker.compose.project)
    [ -z "$id" ] || docker network rm "$id" >/dev/null ||
        fail "docker network inspect $network lists who is on it: remove them, or if there is nobody, restart Docker"
    echo 'nothing is left'
}

verb=${1:-}
case $#:$verb in
1:up | 1:logs | 1:down) ;;
*) echo 'usage: docker/compose.sh up|logs|down' >&2 && exit 2 ;;
esac
CDPATH='' cd -- "$(dirname -- "$0")/.."
docker version >/dev/null || fail 'install Docker, start it, or join the group docker'
compose version >/dev/null 2>&1 || fail 'install Docker Compose'
"$verb"
