#!/bin/sh
# Proves that the server echoes: sends a message with netcat, from a container on the server's network.
# Prints one line, "action: test_echo_server | result: success" or "... fail", and why it failed on stderr.
set -eu

network=tp0_testing_net
limit=5 # seconds for the echo, by "timeout": netcat's own -w means different things in different builds
engine_limit=30 # seconds for any one answer of the engine
said=''  # the result line is printed
work=''  # directory for temporary files
child='' # process that runs the container

# say RESULT: the one line, after which no signal can bring another
say() {
    trap '' INT TERM HUP
    said=yes
    printf 'action: test_echo_server | result: %s\n' "$1"
}

fail() {
    printf 'validar-echo-server.sh: %s\n' "$1" >&2
    say fail
    exit 1
}

# Whatever ends this script: a command that failed has told why.
cleanup() {
    if [ -n "$child" ]; then
        kill "$child" 2>/dev/null || true
        engine rm --force "$container" >/dev/null 2>&1 || true
    fi
    [ -z "$work" ] || rm -rf -- "$work"
    [ -n "$said" ] || {
        say fail
        exit 1
    }
}

if [ "${1-}" = --help ] || [ "${1-}" = -h ]; then
    printf 'usage: validar-echo-server.sh\nPrints "action: test_echo_server | result: success" or "... fail".\n'
    exit
fi
true >&2 || exec 2>/dev/null # closed: a file opened here would become stderr
trap cleanup EXIT
trap 'fail interrupted' INT TERM HUP

root=$(dirname -- "$(readlink -f -- "$0")")
config=$root/server/config.ini
# Ignores signals until the name is known, so that the trap can delete the directory.
work=$(trap '' INT TERM HUP && exec mktemp -d)
nonce=$(od -A n -t x1 -N 8 /dev/urandom | tr -d ' \n')
container=validar-echo-server-$nonce

# The form of timeout that this host has, or none (macOS): then the limit in the container holds alone.
for limited in "timeout -k 2 $engine_limit" "timeout $engine_limit" ''; do
    ! $limited true 2>/dev/null || break
done

engine() { $limited docker "$@"; }

# reason STATUS: all that the engine has said, its warnings too, on one line
reason() {
    case $1 in
    124 | 137 | 143) printf 'no answer within %d seconds' "$engine_limit" ;;
    *) [ -s "$work/errors" ] && paste -s -d ' ' "$work/errors" || printf 'status %d' "$1" ;;
    esac
}

# The value as configparser finds it: [DEFAULT] only, a key in any case, "=" or ":", any line ending, a BOM.
port() {
    LC_ALL=C tr -d '\357\273\277' <"$config" | tr '\r' '\n' | LC_ALL=C awk -F '[ \t]*[=:][ \t]*' '
        { gsub(/^[ \t]+|[ \t]+$/, "") }
        /^\[/ { ours = /^\[DEFAULT\]/ }
        ours && tolower($1) == "server_port" { print ($2 ~ /^[0-9]+$/ ? $2 + 0 : $2); exit }'
}

# shown FILE: its first bytes, as a C programmer writes them. od gives each of them four columns.
shown() {
    printf '%d bytes "' "$(wc -c <"$1")"
    head -c 100 "$1" | LC_ALL=C od -A n -v -t c | LC_ALL=C awk '{
        for (i = 1; i <= length($0); i += 4) {
            byte = substr($0, i, 4)
            sub(/^ +/, "", byte)
            if (byte ~ /^[0-7][0-7][0-7]$/ || byte ~ /^[\\"]$/) byte = "\\" byte
            printf "%s", (byte == "" ? " " : byte)
        }
    }'
    printf '"'
}

# In the background: a signal interrupts "wait", but no command in the foreground. netcat ends with 0 or 1, and
# with more if the limit has ended it.
exchange() {
    # shellcheck disable=SC2016 # for the container's shell to expand
    $limited docker run --rm --name "$container" --network "$network" busybox sh -c '
        printf "%s\n" "$1" | { timeout "$3" nc server "$2" || [ $? -eq 1 ] || echo "late" >&2; } | head -c 4096
        ' sh "$1" "$2" "$limit" >"$work/answer" 2>"$work/errors" &
    child=$!
    wait "$child"
}

[ $# -eq 0 ] || fail "takes no arguments, got: $*"
[ ! -d "$config" ] || fail "$config: is a directory (an engine makes one of a missing mount): remove it, and git checkout $config"
[ -f "$config" ] || fail "$config: no such file: git checkout $config"
[ -r "$config" ] || fail "$config: no permission to read it"
port=$(port)
[ -n "$port" ] || fail "$config: no SERVER_PORT in [DEFAULT]"
[ "$port" != 0 ] || fail "$config: SERVER_PORT is 0, a free port that only the server's log shows"
{ [ "$port" -gt 0 ] && [ "$port" -le 65535 ]; } 2>/dev/null || fail "$config: SERVER_PORT: \"$port\" is not a port number"
command -v docker >/dev/null || fail 'there is no docker command: install Docker'
engine version >/dev/null 2>"$work/errors" ||
    fail "the Docker engine cannot be asked: $(reason $?) (start Docker, or join the group docker)"
# A worker of a swarm learns of the network only when something there joins it.
engine network inspect "$network" >/dev/null 2>&1 ||
    [ "$(engine info --format '{{.Swarm.LocalNodeState}}' 2>/dev/null)" = active ] ||
    fail "there is no network $network: start the server, by make docker-compose-up (with COMPOSE_FILE=… for a file \
of another name than docker-compose-dev.yaml)"
"$root/docker/base-images.sh" busybox >&2 || fail 'there is no busybox image'

message="Hello Echo $nonce"
exchange "$message" "$port" || fail "no container could run: $(reason $?)"
child=''

# Files, not variables: a shell drops trailing newlines and NULs, and those are differences.
printf '%s\n' "$message" >"$work/sent"
if cmp -s "$work/sent" "$work/answer"; then
    say success
elif [ -s "$work/answer" ]; then
    fail "server:$port answered otherwise: sent $(shown "$work/sent"), got $(shown "$work/answer")"
elif grep -q '^nc: ' "$work/errors"; then
    fail "no server at server:$port: $(grep '^nc: ' "$work/errors"): docker logs server may tell why; make docker-compose-up \
starts it anew, with the settings as they are now"
elif grep -q '^late$' "$work/errors"; then
    fail "server:$port sent nothing back within $limit seconds"
else
    fail "server:$port closed the connection and sent nothing back"
fi
