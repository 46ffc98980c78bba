#!/usr/bin/env bash
# Runs the server and N clients as plain processes on loopback, without Docker: ./run-local.sh 5
set -eu

# No command runs in the foreground here: the terminal sends it a Ctrl-C too, and bash forgets its own when that
# command does not die of it, trap or no trap. What one prints is read from it while it runs, and others are waited for.

IFS= read -r -d '' root < <(exec readlink --canonicalize --zero -- "$0")
root=${root%/*}
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

names=()    # of the programs started
pids=()     # of the same; empty once one has ended
printers=() # the processes that prefix their lines
signals=0   # that this script has received
starting='' # a program is being started, not in pids yet: who wants to stop it must wait
stopping='' # every program has been asked to stop
failures=0

# No function has a "local": a signal in the wrong place would make bash complain of its own scopes.

# Once only: to the programs a second signal means "at once".
stop_all() {
    [ -z "$stopping$starting" ] || return 0
    stopping=yes
    send TERM
}

send() {
    for pid in "${pids[@]}"; do
        [ -z "$pid" ] || kill -s "$1" "$pid" 2>/dev/null || true
    done
}

# PIPE, which every printer may send, is never the impatient second signal.
interrupted() {
    signals=$((signals + 1))
    if [ "$signals" -eq 1 ] || [ "$1" = PIPE ]; then
        stop_all
    else
        send KILL
    fi
}

# However this script ends, nothing that it started is left.
finish() {
    starting=''
    stop_all
    for process in "${pids[@]}" "${printers[@]}"; do
        [ -z "$process" ] || await "$process" || true
    done
    trap '' INT TERM HUP PIPE
    [ -z "$work" ] || rm -rf -- "$work"
}

# start NAME PROGRAM ARGUMENT...: its lines come from descriptor 5
start() {
    starting=yes
    [ -z "$stopping" ] || exit 130
    # Open before the program starts, both ends: to open one waits for the other, which may never come.
    # shellcheck disable=SC2094 # it is a pipe
    exec 4<>"$work/$1" 5<"$work/$1" 6>"$work/$1" 4>&-
    "${@:2}" >&6 2>&1 </dev/null 5<&- 6>&- &
    names+=("$1")
    pids+=("$!")
    until_begun "$!"
    starting=''
    exec 6>&-
    [ "$signals" -eq 0 ] || stop_all
}

# until_begun PID: until it has become another program. As long as it is a copy of this bash it has this bash's
# traps too, and a signal would be forgotten.
until_begun() {
    while words=() && mapfile -d '' -t words <"/proc/$1/cmdline" && [ "${words[*]}" = "${own_words[*]}" ]; do
        :
    done 2>/dev/null
}

# follow NAME: prints the lines of the program just started, and says when that is no longer possible
follow() {
    (
        trap '' PIPE
        print_lines "$1" <&5 2>/dev/null || kill -s PIPE $$
    ) &
    printers+=("$!")
    exec 5<&-
}

# As Compose prints them, to the end: nobody's log may block because nobody reads it.
print_lines() {
    while IFS= read -r line; do
        printf '%-*s | %s\n' "$width" "$1" "$line" || return
    done
}

# await PID: "wait" also returns when a trap has run, and only then is it asked again.
await() {
    while :; do
        before=$signals status=0
        wait "$1" || status=$?
        [ "$signals" -ne "$before" ] || return "$status"
    done
}

# check INDEX: waits for a program and notes any exit status but 0
check() {
    ended=0
    await "${pids[$1]}" || ended=$?
    pids[$1]=''
    case $ended in
    0) return ;;
    # Interrupted, it may have been stopped before it was there to handle a signal: HUP, INT or TERM.
    129 | 130 | 143) [ "$signals" -eq 0 ] || return 0 ;;
    esac
    complain "${names[$1]} ended with status $ended"
}

complain() {
    printf 'run-local.sh: %s\n' "$1" >&2
    failures=$((failures + 1))
}

# The port is learned from lines of level INFO: one that hides them, be it from the environment or the file, is
# replaced.
IFS= read -r -d '' level < <(tr '\r' '\n' 2>/dev/null <"$root/server/config.ini" |
    grep -i '^[[:blank:]]*LOGGING_LEVEL[[:blank:]]*[=:]') || true
level=${LOGGING_LEVEL:-${level#*[=:]}}
case ${level^^} in
*NOTICE* | *WARN* | *ERROR* | *CRITICAL* | *FATAL*) level=INFO ;;
*) level='' ;;
esac

width=client$clients
width=${#width}
mapfile -d '' -t own_words </proc/$$/cmdline
work=''
trap finish EXIT
for signal in INT TERM HUP PIPE; do
    # shellcheck disable=SC2064 # to be expanded now
    trap "interrupted $signal" "$signal"
done
# Not to end between the making of the folder and the telling of its name.
IFS= read -r work < <(trap '' INT TERM HUP PIPE && exec mktemp -d)
pipes=("$work/server")
for ((id = 1; id <= clients; id++)); do
    pipes+=("$work/client$id")
done
mkfifo "${pipes[@]}" &
await "$!"

# A process group for each program, so that a Ctrl-C reaches this script alone and not each of them too.
set -m

start server env SERVER_BIND=127.0.0.1 SERVER_PORT=0 ${level:+LOGGING_LEVEL="$level"} \
    "$binaries/server" --config "$root/server/config.ini"
port='' ready=''
while [ -z "$ready" ] && IFS= read -r -t "$ready_limit" -u 5 said; do
    print_lines server <<<"$said"
    case $said in
    *'action: config | result: success | port: '*) port=${said#*port: } port=${port%% *} ;;
    *'action: accept_connections | result: in_progress'*) ready=yes ;;
    esac
done
follow server

if [ -n "$ready" ]; then
    for ((id = 1; id <= clients; id++)); do
        [ -z "$stopping" ] || break
        start "client$id" env CLI_ID="$id" CLI_SERVER_ADDRESS="127.0.0.1:$port" \
            "$binaries/client" --config "$root/client/config.yaml"
        follow "client$id"
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
