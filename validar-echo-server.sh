#!/bin/sh
# Proves that the server echoes: sends a message with netcat, from a container on the server's network.
# Prints one line, "action: test_echo_server | result: success" or "... fail", and why it failed on stderr.
set -eu

network=tp0_testing_net
limit=5 # seconds for the echo; "timeout", because BusyBox has two netcats whose -w differ
engine_limit=30 # seconds for any one answer of the engine
said=''  # the result line is printed
work=''  # folder for temporary files
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

trap cleanup EXIT
trap 'fail interrupted' INT TERM HUP

root=$(dirname -- "$(readlink -f -- "$0")")
config=$root/server/config.ini
# Not to end between the making of the folder and the telling of its name.
work=$(trap '' INT TERM HUP && exec mktemp -d)
nonce=$(od -A n -t x1 -N 8 /dev/urandom | tr -d ' \n')
container=validar-echo-server-$nonce

# As the host has it: an old BusyBox's knows no -k, and macOS has none (the one in the container still holds).
if timeout -k 2 1 true 2>/dev/null; then
    limited="timeout -k 2 $engine_limit"
elif command -v timeout >/dev/null; then
    limited="timeout $engine_limit"
else
    limited=''
fi

engine() { $limited docker "$@"; }

# The value as configparser finds it: [DEFAULT] only, a key in any case, "=" or ":", any line ending.
port() {
    tr '\r' '\n' <"$config" | LC_ALL=C awk '
        NR == 1 { sub(/^\357\273\277/, "") }
        { gsub(/^[ \t]+|[ \t]+$/, "") }
        /^\[/ { ours = /^\[DEFAULT\][ \t]*([#;].*)?$/ }
        ours && tolower($0) ~ /^server_port[ \t]*[=:]/ {
            sub(/^[^=:]*[=:][ \t]*/, "")
            print
            exit
        }'
}

# shown FILE: its first bytes, on one line
shown() { printf '%d bytes "%s"' "$(wc -c <"$1")" "$(head -c 100 "$1" | LC_ALL=C tr -c ' -~' '?')"; }

# In the background, for a shell puts off a trap until a command in the foreground ends.
exchange() {
    # shellcheck disable=SC2016 # for the container's shell to expand
    $limited docker run --rm --name "$container" --network "$network" busybox \
        sh -c 'printf "%s\n" "$1" | timeout "$3" nc server "$2" | head -c 4096' sh "$1" "$2" "$limit" \
        >"$work/answer" 2>"$work/errors" &
    child=$!
    wait "$child"
}

[ $# -eq 0 ] || fail "takes no arguments, got: $*"
[ -f "$config" ] || fail "$config: no such file"
port=$(port)
case $port in
'') fail "$config: no SERVER_PORT in [DEFAULT]" ;;
*[!0123456789]*) fail "$config: SERVER_PORT: \"$port\" is not a port number" ;;
esac
number=${port#"${port%%[!0]*}"} # without leading zeros
case $number in
'') fail "$config: SERVER_PORT is 0, a free port that only the server's log shows" ;;
??????* | 6553[6-9] | 655[4-9]? | 65[6-9]?? | 6[6-9]??? | [7-9]????)
    fail "$config: SERVER_PORT: \"$port\" is not a port number: 65535 is the last" ;;
esac
port=$number
command -v docker >/dev/null || fail 'there is no docker command'
engine version >/dev/null 2>"$work/errors" || fail "no Docker engine answers: $(head -n 1 "$work/errors")"
engine network inspect "$network" >/dev/null 2>&1 ||
    fail "there is no network $network: make docker-compose-up creates it"
"$root/docker/base-images.sh" busybox >&2 || fail 'there is no busybox image'

message="Hello Echo $nonce"
exchange "$message" "$port" || fail "no container could run: $(head -n 1 "$work/errors")"
child=''

# Files, not variables: a shell drops trailing newlines and NULs, and those are differences.
printf '%s\n' "$message" >"$work/sent"
if cmp -s "$work/sent" "$work/answer"; then
    say success
elif [ -s "$work/answer" ]; then
    fail "server:$port answered otherwise: sent $(shown "$work/sent"), got $(shown "$work/answer")"
elif grep -q '^nc: ' "$work/errors"; then
    fail "no server at server:$port (docker ps -a and docker logs server may tell why): $(grep '^nc: ' "$work/errors")"
else
    fail "server:$port sent nothing back within $limit seconds"
fi
