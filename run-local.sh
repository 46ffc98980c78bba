#!/usr/bin/env bash
# Runs the server and N clients as plain processes on loopback, without Docker: ./run-local.sh 5
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
binaries=${CARGO_TARGET_DIR:-$root/target}/release
ready_limit=10 # seconds the server may be silent before it listens
clients=${1-5}

fail() {
    printf 'run-local.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

[ $# -le 1 ] || fail 'usage: run-local.sh [N]' 2
case $clients in
'' | *[!0123456789]* | 0?*) fail "N: \"$clients\" is not a plain decimal number; usage: run-local.sh [N]" 2 ;;
esac
for binary in server client; do
    [ -x "$binaries/$binary" ] || fail "$binaries/$binary: no such program; make build makes it"
done

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
names=()    # of the programs started
pids=()     # of the same; empty once one has ended
printers=() # the processes that prefix their lines
signals=0   # that this script has received
starting='' # a program has been started but is not in pids yet
stopping='' # every program has been asked to stop
failures=0

# Once only: to the programs a second signal means "at once".
stop_all() {
    [ -z "$stopping" ] || return 0
    stopping=yes
    send TERM
}

send() {
    local pid
    for pid in "${pids[@]}"; do
        [ -z "$pid" ] || kill -s "$1" "$pid" 2>/dev/null || true
    done
}

interrupted() {
    signals=$((signals + 1))
    if [ "$signals" -gt 1 ]; then
        send KILL
    elif [ -z "$starting" ]; then
        stop_all
    fi
}

# start NAME PROGRAM ARGUMENT...: its lines go to the pipe $work/NAME
start() {
    mkfifo "$work/$1"
    starting=yes
    "${@:2}" >"$work/$1" 2>&1 </dev/null &
    names+=("$1")
    pids+=("$!")
    starting=''
    [ "$signals" -eq 0 ] || stop_all
}

# As Compose prints them, to the end: nobody's log may block because nobody reads it.
print_lines() {
    local line
    while IFS= read -r line; do
        printf '%-*s | %s\n' "$width" "$1" "$line"
    done
}

# await PID: "wait" also returns when a trap has run, and only then is it asked again.
await() {
    local before status
    while :; do
        before=$signals status=0
        wait "$1" || status=$?
        [ "$signals" -ne "$before" ] || return "$status"
    done
}

# check INDEX: waits for a program and notes any exit status but 0
check() {
    local status=0
    await "${pids[$1]}" || status=$?
    pids[$1]=''
    [ "$status" -eq 0 ] || complain "${names[$1]} ended with status $status"
}

complain() {
    printf 'run-local.sh: %s\n' "$1" >&2
    failures=$((failures + 1))
}

# A process group for each program, so that a Ctrl-C reaches this script alone and not each of them too.
set -m
trap interrupted INT TERM HUP

width=client$clients
width=${#width}
# The port is learned from the log, which therefore must say it, whatever level the settings choose.
start server env SERVER_BIND=127.0.0.1 SERVER_PORT=0 LOGGING_LEVEL="${LOGGING_LEVEL:-INFO}" \
    "$binaries/server" --config "$root/server/config.ini"
exec 3<"$work/server"
port='' ready=''
while [ -z "$ready" ] && IFS= read -r -t "$ready_limit" -u 3 line; do
    print_lines server <<<"$line"
    case $line in
    *'action: config | result: success | port: '*) port=${line#*port: } port=${port%% *} ;;
    *'action: accept_connections | result: in_progress'*) ready=yes ;;
    esac
done
print_lines server <&3 &
printers+=("$!")
exec 3<&-

if [ -n "$ready" ]; then
    for ((id = 1; id <= clients; id++)); do
        [ -z "$stopping" ] || break
        start "client$id" env CLI_ID="$id" CLI_SERVER_ADDRESS="127.0.0.1:$port" \
            "$binaries/client" --config "$root/client/config.yaml"
        print_lines "client$id" <"$work/client$id" &
        printers+=("$!")
    done
elif [ "$signals" -eq 0 ]; then
    complain 'the server does not listen: no client was started'
fi

for ((id = 1; id < ${#pids[@]}; id++)); do
    check "$id"
done
stop_all
check 0
for printer in "${printers[@]}"; do
    await "$printer" || true
done

[ "$failures" -eq 0 ] || fail "$failures failed of 1 server and $((${#pids[@]} - 1)) clients"
printf 'run-local.sh: 1 server and %d clients have ended, each with status 0\n' $((${#pids[@]} - 1))
