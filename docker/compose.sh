#!/bin/sh
# What the Compose targets run: docker/compose.sh up|logs|down
set -eu

usage='usage: docker/compose.sh up|logs|down
    up    build the image, start the server of COMPOSE_FILE anew, and once it listens the clients
    logs  follow their logs
    down  stop and remove what Compose has put on the network tp0_testing_net, and the network
COMPOSE_FILE is docker-compose-dev.yaml unless set; if it is missing, up writes it with CLIENTS (5) clients.'
network=tp0_testing_net
limit=30 # seconds for the server to listen

say() { printf '%s\n' "$1"; }

fail() {
    printf 'docker-compose-%s: %s\n' "$verb" "$1" >&2
    exit 1
}

directory() { CDPATH='' cd -- "$1" 2>/dev/null && pwd -P; }

find_file() {
    docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null ||
        fail 'there is no Docker Compose: install its plugin for docker, or docker-compose 1.29'
    file=${COMPOSE_FILE:-docker-compose-dev.yaml}
    case $file in /*) ;; *) file=./$file ;; esac
    base=$(directory "$(dirname -- "$file")") || fail "${file#./}: there is no such directory"
    # Compose names a project after the directory, and finds no name in one without an ASCII letter or digit.
    basename -- "$base" | LC_ALL=C grep -q '[A-Za-z0-9]' || export COMPOSE_PROJECT_NAME="${COMPOSE_PROJECT_NAME:-tp0}"
}

# Compose v2 is a plugin of the docker command. 1.29, a command of its own, waits for itself for ever once it starts
# as many services as its limit (64) at a time, and it gives the engine 60 seconds to start them all.
compose() {
    if docker compose version >/dev/null 2>&1; then
        docker compose --file "$file" "$@"
    else
        COMPOSE_PARALLEL_LIMIT=2048 COMPOSE_HTTP_TIMEOUT=3600 docker-compose --file "$file" "$@"
    fi
}

# The bits for "others" decide: the containers' user owns no file. Only the file's own mode counts, not its directories'.
check_settings() {
    set -- server/config.ini client/config.yaml
    for settings in "$@"; do
        [ ! -d "$settings" ] || fail "$settings: is a directory (an engine makes one where a mounted file is missing): \
sudo rmdir $settings && git checkout $settings"
        [ -f "$settings" ] || fail "$settings: no such file: git checkout $settings"
    done
    unreadable=$(find -L "$@" -prune ! -perm -004 | xargs)
    [ -z "$unreadable" ] || fail "the containers' user (uid 65534) cannot read $unreadable: chmod o+r $unreadable"
}

# A network of that name that Compose has not made is somebody else's.
check_network() {
    labels='{{index .Labels "com.docker.compose.project"}}|{{index .Labels "com.docker.stack.namespace"}}'
    case $(docker network inspect --format "$labels" "$network" 2>/dev/null) in
    '|') fail "the network $network was not made by Compose: $(network_removal)" ;;
    '|'*) fail "the network $network belongs to a stack: make docker-stack-down" ;;
    esac
}

# network_removal [WAY]: prints the command that removes the network. With no container on it, WAY precedes it.
network_removal() {
    users=$(docker network inspect --format '{{range .Containers}}{{.Name}} {{end}}' "$network")
    way=${users:+docker rm --force $users&& }
    say "${way:-${1-}}docker network rm $network"
}

# Prints the ids of what an earlier start from this directory has left, running or not. Fails if something of
# somebody else has a name that the file uses, or was put on the network by another Compose project.
earlier() {
    names=" $(sed -n 's/^ *container_name: *//p' "$file" | xargs) "
    fields='{{.ID}}|{{.Names}}|{{.Image}}|{{.Networks}}|{{.Label "com.docker.compose.project"}}'
    fields=$fields'|{{.Label "com.docker.compose.project.working_dir"}}'
    docker ps --all --format "$fields" | while IFS='|' read -r id name image networks project from; do
        way=''
        case $names in *" $name "*) way="docker rm --force $name" ;; esac
        case ",$networks,$project" in *",$network,"?*) way='make docker-compose-down' ;; esac
        if [ -n "$way" ] && [ -n "$from" ] && [ "$(directory "$from")" = "$base" ]; then
            say "$id"
        elif [ -n "$way" ]; then
            fail "the container $name (image $image${project:+, Compose project $project in $from}) was not started \
from $base: $way"
        fi
    done
}

# Stops by the containers' own signal, so that they end gracefully. Eight at a time: the engine can lose count of a
# network's endpoints otherwise and never remove it (moby/moby issue 42119), or hang (46661).
remove() {
    [ $# -gt 0 ] || return 0
    say "containers to stop and remove: $# (some ten a second)"
    printf '%s\n' "$@" | xargs -n 8 docker stop >/dev/null || true # what is left is looked for afterwards
    docker rm --force "$@" >/dev/null || true
}

# start [SERVICE]: a failure leaves nothing half started.
start() {
    log=$(compose up --detach "$@" 2>&1) || {
        printf '%s\n' "$log" | tail -n 3 >&2
        # shellcheck disable=SC2046 # an argument for each id
        remove $(earlier) >&2
        fail 'Compose could not start them all'
    }
}

# wait_for NAME SETTINGS LINE: until its log has the line. A level above INFO hides it: then until the server's sockets
# tell that it listens, and for a client, which only its settings end at once, two seconds.
wait_for() {
    begin=$(date +%s)
    while :; do
        seconds=$(($(date +%s) - begin))
        state=$(docker inspect --format '{{.State.Running}} {{.State.ExitCode}}' "$1")
        log=$(docker logs "$1" 2>&1)
        case "$1 $state" in
        'server false'* | *' false '[!0]*) fail "$1 has ended with ${state#* }: $(say "$log" | tail -n 1) (mounted: $2)" ;;
        esac
        case $log in *"action: $3"*) return ;; esac
        if [ $seconds -ge 2 ]; then
            [ "$1" != server ] || listens && return
            sleep 1
        fi
        [ $seconds -lt $limit ] || fail "the server does not listen after $limit seconds: docker logs server"
        sleep 0.1
    done
}

# 127.0.0.11 is the engine's name server.
listens() {
    docker/base-images.sh busybox || fail 'there is no busybox image to look at the sockets with'
    docker run --rm --network container:server busybox netstat -ltn | grep -v '127\.0\.0\.11:' | grep -q LISTEN
}

up() {
    find_file
    check_settings
    check_network
    docker/base-images.sh rust:1.85-alpine
    [ -e "$file" ] || {
        log=$(./generar-compose.sh "$file" "${CLIENTS:-5}" 2>&1) || fail "CLIENTS=${CLIENTS:-5}: $log"
        say "${file#./}: written, with CLIENTS=${CLIENTS:-5}"
    }
    [ -f "$file" ] || fail "${file#./}: not a regular file"
    clients=$(grep -c 'container_name: *client' "$file" || true)
    [ "${CLIENTS:-$clients}" = "$clients" ] ||
        say "${file#./}: as it is, with clients: $clients; for $CLIENTS: ./generar-compose.sh ${file#./} $CLIENTS"
    say 'building the image (a minute, if the sources are new)'
    log=$(docker build --tag server:latest --tag client:latest . 2>&1) || fail "$log"
    ids=$(earlier) # on its own, for set -e to see a failure
    # shellcheck disable=SC2086 # an argument for each id
    remove $ids
    docker network rm "$network" >/dev/null 2>&1 || true # 1.29 refuses a network that v2 has made, and v2 one of 1.29
    say 'starting the server (a second or two)'
    start server
    wait_for server server/config.ini 'accept_connections | result: in_progress'
    say "clients to start: $clients (some five a second)"
    start
    client=$(sed -n 's/^ *container_name: *\(client.*\)/\1/p' "$file" | head -n 1) # they share their settings
    [ -z "$client" ] || wait_for "$client" client/config.yaml config
    say 'the server listens: make docker-compose-logs follows it, make docker-compose-down ends it'
}

# Some versions of Compose follow for ever what has ended before, so that is printed first and not followed.
logs() {
    find_file
    [ -f "$file" ] || fail "${file#./}: no such file: set COMPOSE_FILE, or make docker-compose-up"
    running=$(compose ps --services --filter status=running)
    ended=$(compose config --services | grep --line-regexp --fixed-strings --invert-match "$running" || true)
    [ -n "$running$(compose ps --all --quiet)" ] || say 'nothing has been started: make docker-compose-up' >&2
    # docker-compose 1.29 prints colours into a pipe too, and neither Compose knows NO_COLOR.
    plain=''
    { [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; } || plain=--no-color
    # shellcheck disable=SC2086 # an argument for each service
    [ -z "$ended" ] || compose logs $plain $ended
    # shellcheck disable=SC2086
    [ -z "$running" ] || compose logs $plain --follow $running
}

down() {
    set -- --filter "network=$network" --filter label=com.docker.compose.project
    # shellcheck disable=SC2046 # an argument for each id
    remove $(docker ps --all --quiet "$@")
    left=$(docker ps --all --format '{{.Names}}' "$@" | xargs)
    [ -z "$left" ] || fail "still there: $left: docker rm --force $left"
    check_network
    log=''
    ! docker network inspect "$network" >/dev/null 2>&1 || log=$(docker network rm "$network" 2>&1) ||
        fail "the network $network is left ($log): $(network_removal 'restart the Docker engine, then ')"
    say 'nothing is left'
}

verb=${1:-}
case $#:$verb in
1:up | 1:logs | 1:down) ;;
1:--help | 1:-h) say "$usage" && exit ;;
*) say "$usage" >&2 && exit 2 ;;
esac
cd -- "$(dirname -- "$(readlink -f -- "$0")")/.."
command -v docker >/dev/null || fail 'there is no docker command: install Docker'
log=$(docker version 2>&1) ||
    fail "no Docker engine answers: $(say "$log" | tail -n 1) (start Docker, or join the group docker)"
"$verb"
