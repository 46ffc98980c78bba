#!/usr/bin/env bash
# Runs the server and N clients as plain processes on loopback, without Docker: ./run-local.sh 5
set -eu
LC_ALL=C # for bash's own words are looked at

# No command runs in the foreground here: the terminal sends it a Ctrl-C too, and bash forgets its own when that
# command does not die of it, trap or no trap. So a command whose words are wanted runs in <(...), any other in the
# background, and "wait" waits for it.

IFS= read -r -d '' root < <(exec readlink --canonicalize --zero -- "$0")
root=${root%/*}
binaries=${CARGO_TARGET_DIR:-$root/target}/release
ready_limit=10 # seconds the server may be silent before it listens
clients=${1-5}

exec 3>&2 # for this script's own words; bash's are put aside later
told=''   # why the status is not 0

tell() {
    told=yes
    printf 'run-local.sh: %s\n' "$1" >&3
}

fail() {
    tell "$1"
    exit "${2:-1}"
}

# interrupted_or_fail WHY: what was started in vain may have had the same signal
interrupted_or_fail() {
    [ -z "$ended_by" ] || exit "$ended_by"
    fail "$1"
}

[ $# -le 1 ] || fail "$# arguments; usage: run-local.sh [N]" 2
case $clients in
'' | *[!0123456789]* | 0?*) fail "N: \"$clients\" is not a plain decimal number; usage: run-local.sh [N]" 2 ;;
?????*) fail "N: $clients clients are more than 9999; usage: run-local.sh [N]" 2 ;;
esac
for binary in server client; do
    [ -x "$binaries/$binary" ] || fail "$binaries/$binary: no such program; make build makes it"
done

names=()    # of the programs started
pids=()     # of the same; empty once one has ended
printers=() # the processes that prefix their lines
signals=0   # that this script has received
requests=0  # to end, among them
ended_by='' # the status that the first of them asks for
starting='' # a program is being started, not in pids yet: who wants to stop it must wait
stopping='' # every program has been asked to stop
failures=0
killed=0
unready=0 # stopped before they could handle a signal, as far as is known

# No function has a "local": a signal in the wrong place would make bash complain of its own scopes.

# Once only: to the programs a second signal means "at once".
stop_all() {
    [ -z "$stopping$starting" ] || return 0
    stopping=yes
    send TERM
}

send() {
    for pid in "${pids[@]}"; do
        [ -z "$pid" ] || kill -s "$1" "$pid" || true
    done
}

# interrupted SIGNAL STATUS. What every printer may send, and HUP, which a terminal that goes away sends twice, are
# never the impatient second request.
interrupted() {
    signals=$((signals + 1))
    ended_by=${ended_by:-$2}
    case $1 in
    INT | TERM | QUIT) requests=$((requests + 1)) ;;
    esac
    if [ "$requests" -gt 1 ]; then
        send KILL
    else
        stop_all
    fi
}

# However this script ends, nothing that it started is left.
finish() {
    ended=$?
    starting=''
    stop_all
    for process in "${pids[@]}" "${printers[@]}"; do
        [ -z "$process" ] || await "$process" || true
    done
    trap '' INT TERM HUP QUIT PIPE
    read_complaints
    [ -z "$work" ] || rm -rf -- "$work"
    if [ "$ended" -ne 0 ] && [ -z "$told$ended_by" ]; then
        tell "${complaints[*]:-ended with status $ended}"
    fi
    # Interrupted before there was anything to stop.
    [ ${#pids[@]} -gt 0 ] || [ -z "$ended_by" ] || exit "$ended_by"
}

# read_complaints: what bash itself has had to say
read_complaints() {
    complaints=()
    [ ! -f "$work/errors" ] || mapfile -t complaints <"$work/errors"
}

# start NAME COMMAND ARGUMENT...: its lines come from descriptor 5
start() {
    starting=yes
    [ -z "$stopping" ] || return 0
    # Open before the program starts, both ends: to open one waits for the other, which may never come.
    # shellcheck disable=SC2094 # it is a pipe
    exec 4<>"$work/$1" 5<"$work/$1" 6>"$work/$1" 4>&-
    "${@:2}" >&6 2>&1 </dev/null 3>&- 5<&- 6>&- &
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
    done
}

run_server() {
    export SERVER_BIND=127.0.0.1 SERVER_PORT=0
    [ -z "$level" ] || export LOGGING_LEVEL="$level"
    exec "$binaries/server" --config "$root/server/config.ini"
}

run_client() {
    export CLI_ID="$1" CLI_SERVER_ADDRESS="127.0.0.1:$port"
    exec "$binaries/client" --config "$root/client/config.yaml"
}

# follow NAME: prints the lines of the program just started, and says when that is no longer possible
follow() {
    (
        trap '' PIPE TTOU # nor is it stopped in the background of a terminal with "stty tostop"
        print_lines "$1" <&5 || kill -s PIPE $$
    ) &
    printers+=("$!")
    exec 5<&-
}

# By custom nothing is said of a reader that has gone.
unheard() {
    read_complaints
    case ${complaints[*]-} in
    *'write error: Broken pipe'*) told=yes && exit 141 ;;
    esac
    fail 'stdout cannot be written to'
}

# As Compose prints them, to the end: nobody's log may block because nobody reads it.
print_lines() {
    while IFS= read -r line; do
        printf '%-*s | %s\n' "$width" "$1" "$line" || return
    done
}

# await PID: "wait" also returns for a trap, once for each and perhaps late, and then it is asked again. What it has
# told once it tells again.
await() {
    asked=0
    while :; do
        status=0
        wait "$1" || status=$?
        [ "$asked" -lt "$signals" ] && [ "$status" -gt 128 ] || return "$status"
        asked=$((asked + 1))
    done
}

# check INDEX: waits for a program and notes any exit status but 0
check() {
    await "${pids[$1]}" || true
    ended=$status
    pids[$1]=''
    case $ended in
    0) return ;;
    # Interrupted, it may have been stopped before it was there to handle a signal. And "wait" leaves its work at
    # once for a trap, be it with a status that it has from the kernel and forgets: then -1.
    129 | 130 | 131 | 141 | 143 | -1) [ "$signals" -eq 0 ] || { unready=$((unready + 1)) && return; } ;;
    137) [ "$requests" -lt 2 ] || { killed=$((killed + 1)) && return; } ;;
    esac
    tell "${names[$1]} ended with status $ended"
    failures=$((failures + 1))
}

# The port is learned from lines of level INFO: one that hides them, be it from the environment or the file, is
# replaced. Whether there is a file the server tells better.
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
trap 'interrupted INT 130' INT
trap 'interrupted TERM 143' TERM
trap 'interrupted HUP 129' HUP
trap 'interrupted QUIT 131' QUIT
trap 'interrupted PIPE 141' PIPE
# A signal between the making of the folder and the reading of its name would leave it behind.
IFS= read -r -d '' work < <(trap '' INT TERM HUP QUIT PIPE && exec mktemp -d) || true
work=${work%$'\n'}
[ -n "$work" ] || interrupted_or_fail 'there is no folder for temporary files'
pipes=("$work/server")
for ((id = 1; id <= clients; id++)); do
    pipes+=("$work/client$id")
done
mkfifo "${pipes[@]}" &
await "$!" || interrupted_or_fail 'no pipes can be made for what the programs print'
# What bash says of programs that were killed is not for the user.
exec 2>"$work/errors"

# A process group for each program, so that a Ctrl-C reaches this script alone and not each of them too.
set -m

start server run_server
[ ${#pids[@]} -gt 0 ] || exit "$ended_by"
port='' ready=''
while [ -z "$ready" ] && IFS= read -r -t "$ready_limit" -u 5 said; do
    print_lines server <<<"$said" || unheard
    case $said in
    *'action: config | result: success | port: '*) port=${said#*port: } port=${port%% *} ;;
    *'action: accept_connections | result: in_progress'*) ready=yes ;;
    esac
done
follow server

if [ -n "$ready" ]; then
    for ((id = 1; id <= clients; id++)); do
        start "client$id" run_client "$id"
        [ ${#pids[@]} -gt "$id" ] || break
        follow "client$id"
    done
elif [ "$signals" -eq 0 ]; then
    stop_all
    check 0
    fail 'the server does not listen: no client was started'
fi

for ((id = 1; id < ${#pids[@]}; id++)); do
    check "$id"
done
stop_all
check 0
for printer in "${printers[@]}"; do
    await "$printer" || true
done

count=$((${#pids[@]} - 1)) noun=clients
[ "$count" -ne 1 ] || noun=client
[ "$killed" -eq 0 ] || fail "killed by a second signal: $killed of 1 server and $count $noun" "$ended_by"
[ "$failures" -eq 0 ] || fail "$failures failed of 1 server and $count $noun"
[ "$ended_by" != 141 ] || unheard
how='each with status 0'
[ "$unready" -eq 0 ] || how="$unready before they could handle a signal, the others with status 0"
printf 'run-local.sh: 1 server and %d %s have ended, %s\n' "$count" "$noun" "$how" || unheard
