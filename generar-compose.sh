#!/bin/sh
# Writes the Compose file for one server and N clients: ./generar-compose.sh docker-compose-dev.yaml 5
# With --stack before FILE, it writes the file for "docker stack deploy".
set -eu

usage='usage: generar-compose.sh [--stack] FILE N, as in ./generar-compose.sh docker-compose-dev.yaml 5'

refuse() {
    printf 'generar-compose.sh: %s\n%s\n' "$1" "$usage" >&2
    exit 2
}

# generate ARGUMENTS...: runs the gen in target/release if it is newer than its sources. Otherwise it compiles gen with
# rustc, and without rustc it runs the gen of the image.
generate() {
    built=$root/target/release/gen
    # 2>&1: without a target/release/gen, find prints an error, and the test fails as for an old one.
    if [ -z "$(find "$root/gen.rs" "$root/templates" -newer "$built" 2>&1)" ] && "$built" --version >/dev/null 2>&1; then
        "$built" "$@"
    elif command -v rustc >/dev/null && mkdir "$work" && rustc --edition 2024 -o "$work/gen" "$root/gen.rs" &&
        "$work/gen" --version >/dev/null; then # it does not run if the directory is mounted noexec
        "$work/gen" "$@"
    elif command -v docker >/dev/null; then
        docker image inspect server:latest >/dev/null 2>&1 || sh "$root/docker/build.sh" >&2
        docker run --rm --network none --entrypoint /gen server:latest "$@"
    else
        echo 'generar-compose.sh: gen needs one of: target/release/gen (make build), Rust 1.85, Docker' >&2
        exit 1
    fi
}

stack=''
case ${1-} in
--help | -h)
    printf '%s\n' "$usage"
    exit
    ;;
--stack)
    stack=--stack
    shift
    ;;
esac
[ $# -eq 2 ] || refuse "FILE and N expected, got $# arguments"
case $1 in
'') refuse 'FILE is empty' ;;
/*) file=$1 ;;
*) file=./$1 ;;
esac
case $2 in
'' | *[!0123456789]* | 0?*) refuse "N: \"$2\" is not a plain decimal number" ;;
esac

root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
directory=$(cd -- "${file%/*}/" 2>/dev/null && pwd -P) || refuse "$file: its directory cannot be entered"
work=${TMPDIR:-/tmp}/generar-compose.$$ # for the gen that rustc makes
target=$file
case $file in
/dev/*) ;; # such as /dev/stdout, which is written into
*) # a link stays a link
    [ ! -L "$file" ] || target=$(readlink -f -- "$file") || refuse "$file: a link that leads nowhere"
    ;;
esac
new=${target%/*}/.compose.$$ # for the new file, beside the old one
trap 'trap "" HUP INT TERM; rm -rf -- "$work" "$new"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Compose looks for a relative source below the directory of FILE.
set -- "$2" # N alone: gen prints to stdout, and knows no FILE
[ "$directory" = "$root" ] || set -- --root "$root" "$@"
text=$(generate ${stack:+"$stack"} "$@")

# A new file cannot replace a pipe or a device: write into these.
if [ -L "$target" ] || { [ -e "$target" ] && [ ! -f "$target" ]; }; then
    printf '%s\n' "$text" | cat >"$target"
    exit
fi
mkdir "$new"
# Keep the permissions of the old file. Some file systems have none.
[ ! -e "$target" ] || cp -p -- "$target" "$new/file" 2>/dev/null || true
printf '%s\n' "$text" | cat >"$new/file"
mv -f -- "$new/file" "$target"
