#!/usr/bin/env bash
# Runs the server and N clients as plain processes on 127.0.0.1, without Docker: ./run-local.sh 5
set -u

fail() {
    printf 'run-local.sh: %s\n' "$2" >&2
    exit "$1"
}

clients=${1-5}
if [ $# -gt 1 ] || [[ ! $clients =~ ^(0|[1-9][0-9]{0,3})$ ]]; then
    fail 2 'usage: run-local.sh [N]    N clients, 0 to 9999; 5 if N is left out'
fi
[[ $0 != */* ]] || CDPATH='' cd -- "${0%/*}/" || exit
[ -x target/release/server ] || fail 1 "$PWD/target/release/server does not exist: make build makes it"

port=$(sed -n 's/^[[:blank:]]*address:[^#]*:\([0-9][0-9]*\).*/\1/p' client/config.yaml)
address=${CLI_SERVER_ADDRESS:-127.0.0.1:$port}
summary="1 server and $clients clients"
[ "$clients" -ne 1 ] || summary='1 server and 1 client'
width=client$clients # of the names, which are padded as Compose pads them

declare -A pids=() # the programs that still run, by name
readers=()         # the processes that put the name before each line
stopping=''
failed=''
trap 'stopping=yes' INT TERM HUP QUIT

# start NAME COMMAND...
start() {
    # The reader ignores signals, because a program still prints lines after a signal.
    exec 3> >(
        trap '' INT TERM HUP QUIT
        while IFS= read -r line; do
            printf '%-*s | %s\n' ${#width} "$1" "$line" || exit
        done
    )
    readers+=($!)
    "${@:2}" >&3 2>&1 3>&- &
    pids[$1]=$!
    exec 3>&-
}

printf 'run-local.sh: %s; ends when the clients have finished, or with Ctrl-C\n' "$summary"
SERVER_BIND=127.0.0.1 start server target/release/server --config server/config.ini
for ((id = 1; id <= clients; id++)); do
    [ -z "$stopping" ] || break
    CLI_ID=$id CLI_SERVER_ADDRESS=$address start "client$id" target/release/client --config client/config.yaml
done

rounds=0 # how often the loop has run since it began to stop the programs
while [ ${#pids[@]} -gt 0 ]; do
    sleep 0.1
    signal=0 # kill with signal 0 only asks whether a process still runs
    if [ -n "$stopping" ]; then
        # Send it again every two seconds, because a process that bash has just forked loses a signal that comes before
        # the exec of the program.
        [ $((rounds % 20)) -ne 0 ] || signal=TERM
        rounds=$((rounds + 1))
    fi
    for name in "${!pids[@]}"; do
        # kill fails once bash has reaped the program; wait still returns its status.
        if ! kill -s "$signal" "${pids[$name]}" 2>/dev/null; then
            wait "${pids[$name]}"
            status=$?
            # 130 and 143 are no failure once it stops the programs: a signal may come before a program can handle it.
            [[ $status =~ ^(130|143)$ && -n $stopping ]] || [ "$status" -eq 0 ] || failed+="; $name ended with status $status"
            unset "pids[$name]"
        fi
    done
    # Without the server, or without clients, there is nothing left to do.
    if [ -z "${pids[server]-}" ] || [ ${#pids[@]} -eq 1 ]; then
        stopping=yes
    fi
done
wait "${readers[@]}"

[ -z "$failed" ] || fail 1 "$summary$failed"
printf 'run-local.sh: %s; all ended with status 0\n' "$summary"
