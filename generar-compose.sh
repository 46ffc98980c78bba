#!/bin/sh
# Writes the Compose file for one server and N clients: ./generar-compose.sh docker-compose-dev.yaml 5
# With --stack before FILE, the file for "docker stack deploy".
set -eu

usage='usage: generar-compose.sh [--stack] FILE N, as in ./generar-compose.sh docker-compose-dev.yaml 5'
root=$(dirname -- "$(readlink -f -- "$0")")

fail() {
    printf 'generar-compose.sh: %s\n' "$1" >&2
    exit 1
}

refuse() {
    printf 'generar-compose.sh: %s\n%s\n' "$1" "$usage" >&2
    exit 2
}

# The same answer with a gen already built, a Rust compiler, or only Docker.
generate() {
    built=${CARGO_TARGET_DIR:-$root/target}/release/gen
    # One that is out of date, or for another machine, is passed over.
    if [ -z "$(find "$root/gen.rs" "$root/templates" -newer "$built" 2>&1)" ] &&
        "$built" --version >/dev/null 2>&1; then
        "$built" "$@"
    # The compiler alone is quicker than cargo, and needs no network. What it makes cannot run where TMPDIR is noexec.
    elif { rustc --edition 2024 -o "$work/gen" "$root/gen.rs" && "$work/gen" --version; } >"$work/log" 2>&1; then
        "$work/gen" "$@"
    else
        ! command -v rustc >/dev/null || cat "$work/log" >&2
        "$root/docker/base-images.sh" rust:1.85-alpine >&2 ||
            fail 'gen.rs needs one of: target/release/gen (make build), Rust 1.85 or later, Docker'
        # By a pipe, for the engine may be on another machine.
        tar -C "$root" -c -f - gen.rs templates |
            docker run --rm --interactive --network none rust:1.85-alpine sh -c \
                'cd /tmp && tar -x -f - && rustc --edition 2024 gen.rs && exec ./gen "$@"' gen "$@"
    fi
}

quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }

stack='' verb=docker-compose-up variable=COMPOSE_FILE
case ${1-} in
--help | -h)
    printf '%s\n' "$usage"
    exit
    ;;
--stack)
    stack=--stack verb=docker-stack-up variable=STACK_FILE
    shift
    ;;
esac
[ $# -eq 2 ] || refuse "FILE and N expected, got $# arguments"
case $1 in
'') refuse 'FILE is empty' ;;
*'
'*) refuse 'FILE has a line end in its name' ;;
/*) file=$1 ;;
*) file=./$1 ;;
esac
# gen refuses the same and more; this spares compiling it for nothing.
case $2 in
'' | *[!0123456789]* | 0?*) refuse "N: \"$2\" is not a plain decimal number" ;;
esac
[ -f "$root/gen.rs" ] || fail "$root/gen.rs: no such file; this script belongs beside it"
directory=$(CDPATH='' cd -- "$(dirname -- "$file")" 2>/dev/null && pwd -P) || fail "$1: there is no such directory"
[ ! -d "$file" ] || fail "$1: is a directory"
[ "${file%/}" = "$file" ] || fail "$1: there is no such directory, nor would it be a file"
[ ! -e "$file" ] || [ -w "$file" ] || fail "$1: no permission to write it"

work='' # directory for temporary files
new=''  # the file to be, beside the old one
trap 'rm -rf -- ${work:+"$work"} ${new:+"$new"}' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
# Ignores signals until the name is known, so that the trap can delete the file.
make_temporary() { trap '' HUP INT TERM && exec mktemp "$@"; }
work=$(make_temporary -d) || fail "$1: left as it was"

# Compose resolves a relative source against the directory of FILE, whatever FILE may be a link to.
elsewhere=yes
[ "$directory" != "$root" ] || elsewhere=''
text=$(generate ${stack:+"$stack"} ${elsewhere:+--root "$root"} "$2") || exit

# A pipe or a device cannot be replaced. /dev/stdout may lead to a file: what it has stays, and the text is appended.
case $file in
/dev/std* | /dev/fd/* | /proc/*) replaceable='' ;;
*) replaceable=yes ;;
esac
if [ -e "$file" ] && { [ -z "$replaceable" ] || [ ! -f "$file" ]; }; then
    printf '%s\n' "$text" | cat >>"$file" || fail "$1: not all of it is written"
    exit
fi

# Made beside the old file and moved over it, so that nobody ever sees half of one. A link stays a link.
target=$file
[ ! -L "$file" ] || target=$(readlink -f -- "$file") || fail "$1: a link that leads nowhere"
beside=$(dirname -- "$target")
new=$(make_temporary "$beside/.compose.XXXXXX") || fail "$1: left as it was"
if [ -e "$target" ]; then
    cp -p -- "$target" "$new" || fail "$1: left as it was" # for its permissions
else
    chmod +rw "$new" # for everybody, but for what the umask withholds
fi
# By cat, which says why it cannot write.
{ printf '%s\n' "$text" | cat >"$new" && mv -f -- "$new" "$target"; } || fail "$1: left as it was"

[ "$directory/${file##*/} $verb" = "$root/docker-compose-dev.yaml docker-compose-up" ] ||
    printf 'generar-compose.sh: to start it: make -C %s %s %s=%s\n' "$(quoted "$root")" "$verb" "$variable" \
        "$(quoted "$directory/${file##*/}")" >&2 || true # FILE is written, even if stderr is not
