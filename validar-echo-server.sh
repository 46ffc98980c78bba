#!/bin/sh
# Proves that the server echoes: it sends a message with netcat, from a container on the server's network.
# It prints one line, "action: test_echo_server | result: success" or "... fail", and the reason on stderr.
set -eu

limit=5         # seconds for the echo. timeout keeps it, because netcat's -w differs from build to build
engine_limit=30 # seconds for Docker to run the container
result=fail
work=''
container=''

fail() {
    printf 'validar-echo-server.sh: %s\n' "$1" >&2
    exit 1
}

remove_container() { $limited docker rm --force "$container" >/dev/null 2>&1 || true; }

# Runs whatever ends the script. No signal can end it before the one line is printed.
finish() {
    trap '' HUP INT TERM
    if [ -n "$container" ]; then
        remove_container
        wait
        remove_container # Docker may have been creating it the first time
    fi
    rm -rf -- "$work"
    printf 'action: test_echo_server | result: %s\n' "$result"
    [ "$result" = success ] || exit 1
}
trap finish EXIT
trap 'fail interrupted' HUP INT TERM

[ $# -eq 0 ] || fail 'takes no arguments'
CDPATH='' cd -- "$(dirname -- "$0")"
port=$(sed -n '/^[[:blank:]]*SERVER_PORT[[:blank:]]*[=:][[:blank:]]*\([0-9]*\).*/{s//\1/p;q;}' server/config.ini)
[ -n "$port" ] || fail 'server/config.ini: there is no line SERVER_PORT = NUMBER'
sh docker/base-images.sh busybox >&2 || fail 'there is no busybox image'
limited="timeout -s KILL $engine_limit"
command -v timeout >/dev/null || limited='' # a Mac has no timeout: only the limit in the container holds then
work=$(mktemp -d)
nonce=$(od -A n -t x1 -N 8 /dev/urandom | tr -d ' \n')
printf 'Hello Echo %s\n' "$nonce" >"$work/sent"

# The container runs this. It prints what netcat receives, 4096 bytes at most, and ends with netcat's status.
# shellcheck disable=SC2016 # for the container's shell to expand
exchange='{ echo "Hello Echo $1" | timeout "$3" nc server "$2"; echo $? >status; } | head -c 4096
exit "$(cat status)"'

# Run it in the background, because a signal interrupts "wait" but no command in the foreground.
container=validar-echo-server-$nonce
status=0
$limited docker run --rm --name "$container" --network tp0_testing_net busybox \
    sh -c "$exchange" sh "$nonce" "$port" "$limit" >"$work/answer" 2>"$work/errors" &
wait $! || status=$?

# Compare files, because a shell variable drops trailing newlines and NULs.
if cmp -s "$work/sent" "$work/answer"; then
    result=success
elif [ -s "$work/answer" ]; then
    od -A n -c -N 64 "$work/answer" >&2
    fail "server:$port answered other bytes than \"Hello Echo $nonce\\n\", namely those above"
# 124 or 143: by the timeout in the container, which depends on the busybox. 137: by the KILL of the other one.
elif [ "$status" = 124 ] || [ "$status" = 143 ]; then
    fail "server:$port sent nothing back within $limit seconds"
elif [ "$status" = 137 ]; then
    fail "Docker did not run the container within $engine_limit seconds"
elif [ "$status" = 0 ] && [ ! -s "$work/errors" ]; then
    fail "server:$port closed the connection and sent nothing back"
else
    cat "$work/errors" >&2
    fail "no echo from server:$port (status $status): make docker-compose-up starts the server"
fi
