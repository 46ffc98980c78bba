#!/bin/sh
# Writes the Compose file for one server and N clients: ./generar-compose.sh docker-compose-dev.yaml 5
set -eu

usage='usage: generar-compose.sh FILE N'
root=$(dirname -- "$(readlink -f -- "$0")")

refuse() {
    printf 'generar-compose.sh: %s\n%s\n' "$1" "$usage" >&2
    exit 2
}

fail() {
    printf 'generar-compose.sh: %s\n' "$1" >&2
    exit 1
}

# The same answer with a binary already built, a Rust compiler, or only Docker.
generate() {
    for binary in "${CARGO_TARGET_DIR:-$root/target}/release/gen" "${CARGO_TARGET_DIR:-$root/target}/debug/gen"; do
        # One that is out of date, or for another machine, is passed over.
        if [ -z "$(find "$root/gen.rs" "$root/src/templates.rs" -newer "$binary" 2>&1)" ] && "$binary" --version >/dev/null 2>&1; then
            "$binary" "$@"
            return
        fi
    done
    # gen.rs needs nothing but std: the compiler alone is quicker than cargo, and needs no network.
    if rustc --edition 2024 -o "$work/gen" "$root/gen.rs" 2>"$work/rustc.log"; then
        status=0
        "$work/gen" "$@" || status=$?
        [ "$status" -ne 126 ] || fail "$work: no program runs there (noexec?): set TMPDIR to another folder"
        return "$status"
    fi
    generate_in_docker "$@"
}

generate_in_docker() {
    docker version >/dev/null 2>&1 || {
        cat "$work/rustc.log" >&2
        fail "nothing to run gen.rs with: no target/release/gen, no Rust 1.85 or later, no Docker engine"
    }
    status=0
    docker run --rm --network none --entrypoint /gen server:latest "$@" 2>"$work/docker.log" || status=$?
    case $status in
    125 | 126 | 127) # Docker's own failures: no such image, or one without /gen
        {
            "$root/docker/base-images.sh" rust:1.85-alpine
            docker build --tag server:latest --tag client:latest "$root"
        } >&2 || fail 'the image with gen could not be built'
        docker run --rm --network none --entrypoint /gen server:latest "$@"
        ;;
    *)
        cat "$work/docker.log" >&2
        return "$status"
        ;;
    esac
}

[ $# -eq 2 ] || refuse "two arguments expected, got $#"
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
folder=$(dirname -- "$file")
[ -d "$folder" ] || fail "$1: there is no folder $folder"
[ ! -d "$file" ] || fail "$1: is a folder"
[ "${file%/}" = "$file" ] || fail "$1: there is no such folder, nor would it be a file"
[ ! -e "$file" ] || [ -w "$file" ] || fail "$1: no permission to write it"

work='' # folder for temporary files
new=''  # the file to be, beside the old one
trap 'rm -rf -- ${work:+"$work"} ${new:+"$new"}' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
# Not to end between the making of a file and the telling of its name.
make_temporary() { trap '' HUP INT TERM && exec mktemp "$@"; }
work=$(make_temporary -d)

# Compose resolves a relative source against the folder of FILE, whatever FILE may be a link to.
if [ "$(CDPATH='' cd -- "$folder" && pwd -P)" = "$root" ]; then
    generate "$2" >"$work/compose" || exit
else
    generate --root "$root" "$2" >"$work/compose" || exit
fi

# A pipe or a device cannot be replaced; nor can /dev/stdout, whatever it leads to: its other lines stay.
if [ -e "$file" ]; then
    case $folder in
    /dev | /dev/fd | /proc/*/fd) replaceable='' ;;
    *) [ -f "$file" ] && replaceable=yes || replaceable='' ;;
    esac
    [ -n "$replaceable" ] || {
        cat "$work/compose" >>"$file" || fail "$1: not all of it is written"
        exit
    }
fi

# Made beside the old file and moved over it, so that nobody ever sees half of one. A link stays a link.
target=$file
[ ! -L "$file" ] || target=$(readlink -f -- "$file") || fail "$1: a link that leads nowhere"
beside=$(dirname -- "$target")
new=$(make_temporary "$beside/.compose.XXXXXX" 2>/dev/null) || fail "$1: no permission to write in $beside"
if [ -e "$target" ]; then
    cp -p -- "$target" "$new" # for its permissions
else
    chmod +rw "$new" # for everybody, but for what the umask withholds
fi
cat "$work/compose" >"$new" || fail "$1: left as it was"
mv -f -- "$new" "$target"
