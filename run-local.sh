#!/usr/bin/env bash
# Runs the server and N clients as plain processes on loopback, without Docker: ./run-local.sh 5
# "work" reads one pipe: "NAME | TEXT" is a program's line, "NAME" the end of its output, "stop" a signal. It has a
# group of its own, with all that it starts: what is sent to this script's whole group reaches only the lines at the end.
set -u
usage='usage: run-local.sh [N]    N clients, 0 to 9999; 5 if N is left out'
read -r -d '' root < <(exec readlink --canonicalize --zero -- "$0") # in $(...), bash may forget a Ctrl-C of its own
root=${root%/*} binaries=${CARGO_TARGET_DIR:-$root/target}/release
exec 5>&2 # for this script's own words; bash's, about programs that were killed, are dropped
fail() { printf 'run-local.sh: %s\n' "$1" >&5 && exit "${2-1}"; }
say() { printf '%s\n' "$1" || fail 'stdout cannot be written to'; }
clients=${*-5}
[[ $clients != --help && $clients != -h ]] || { say "$usage" && exit; }
[[ $clients =~ ^(0|[1-9][0-9]{0,3})$ ]] || fail "N: \"$clients\" is not a number from 0 to 9999"$'\n'"$usage" 2
[ -x "$binaries/server" ] || fail "$binaries/server: no such program; make build makes it"
# The port and the echoes are learned from the server's lines of level INFO: a level that hides them is replaced.
read -r level < <(exec grep -i '^[[:blank:]]*LOGGING_LEVEL[[:blank:]]*[=:]' "$root/server/config.ini" 2>/dev/null)
level=${LOGGING_LEVEL:-$level}; [[ ! ${level^^} =~ NOTICE|WARN|ERROR|CRITICAL|FATAL ]] || export LOGGING_LEVEL=INFO
declare -A pids=() running=() begun=() # by name; what has begun has printed something, and so handles signals
wanted=-1 echoes=0 width=client$clients stopping='' interrupted='' failed='' how='' amount=''

# start NAME COMMAND...: a program, and a process of this script that passes its lines on
start() {
    exec 4<> <(:)
    (
        exec </dev/fd/4 >/dev/fd/3 3>&- 4>&-
        while IFS= read -r line || [ -n "$line" ]; do printf '%-*s | %s\n' ${#width} "$1" "$line"; done
        echo "$1"
    ) &
    "${@:2}" >/dev/fd/4 2>&1 3>&- 4>&- 5>&- &
    pids[$1]=$! running[$1]=$! && exec 4>&-
}

# stop: asks every program to end; when called again after two seconds or more, kills it
stop() {
    [ -z "$stopping" ] || [ $((SECONDS - stopping)) -ge 2 ] || return
    signal=${stopping:+KILL} stopping=$SECONDS wanted=$((${#pids[@]} - 1))
    for pid in "${running[@]}"; do
        # A process that is still a copy of this bash has this bash's traps, and would forget the signal.
        while read -r -d '' word <"/proc/$pid/cmdline" && [ "$word" = "$self" ]; do :; done
        kill -s "${signal:-TERM}" "$pid"
    done
}

work() {
    trap 'exit 141' PIPE # by custom nothing is said of a reader that has gone
    trap 'stop; wait "${pids[@]}"' EXIT
    read -r -d '' self </proc/$$/cmdline
    SERVER_BIND=127.0.0.1 SERVER_PORT=0 start server "$binaries/server" --config "$root/server/config.ini"
    say "run-local.sh: a server on a free port and $clients clients; ends when they have finished, or with Ctrl-C"
    while [ ${#running[@]} -gt 0 ]; do
        until [ ${#pids[@]} -gt "$wanted" ] || read -r -t 0 -u 3; do
            CLI_ID=${#pids[@]} CLI_SERVER_ADDRESS=127.0.0.1:${port%% *} \
                start "client${#pids[@]}" "$binaries/client" --config "$root/client/config.yaml"
        done
        IFS= read -r -u 3 line
        case $line in
        stop) interrupted=yes && stop ;;
        *' | '*) say "$line" && begun[${line%% *}]=yes ;;&
        'server '*' action: config '*' port: '*) port=${line#* port: } && [ -n "$stopping" ] || wanted=$clients ;;
        'server '*' action: receive_message | result: success'*) echoes=$((echoes + 1)) ;;
        'client1 '*' action: config '*)
            amount=${line##*amount: } amount=${amount%% *} period=${line##*period: } period=${period%% *}
            [[ ! $period =~ ^[0-9]+s$ ]] || period+=", $((amount * ${period%s}))s in all"
            say "run-local.sh: $amount messages each, a pause after each of $period"
            ;;
        *' | '*) ;;
        *) unset "running[$line]" ;;
        esac
        [ "${!running[*]} ${#pids[@]}" != "server $((wanted + 1))" ] || [ -n "$stopping" ] || stop # no client is left
    done
    for name in "${!pids[@]}"; do
        wait "${pids[$name]}"
        case $?$interrupted${begun[$name]-} in 0*) ;;
        143yes) how='stopped before all of them could handle a signal' ;;
        *) failed+="; $name ended with status $?" ;;
        esac
    done
    summary="1 server and $((${#pids[@]} - 1)) clients, $echoes${amount:+ of $((clients * amount))} messages echoed"
    [ -z "$failed" ] || fail "$summary$failed"
    say "run-local.sh: $summary; ${how:-all ended with status 0}"
}

exec 2>/dev/null 3<> <(:)
set -m
trap 'echo stop >&3' INT TERM HUP QUIT
trap '' TTOU # "work" is in the background of the terminal, and writes to it whatever "stty tostop" says
work &
while kill -s 0 $!; do wait $!; done
wait $!
