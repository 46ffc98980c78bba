#!/bin/sh
# Makes sure that base images exist locally: docker/base-images.sh rust:1.85-alpine busybox
#
# It pulls an image that is missing. If no registry answers, it makes a substitute image of the same name from Debian's
# packages, so that the Dockerfile stays as it is.
set -eu

work='' # directory for temporary files

step() { printf 'base-images: %s\n' "$1"; }

fail() {
    printf 'base-images: %s\n' "$1" >&2
    exit 1
}

# Runs a long command, and shows its output only if it fails.
quietly() {
    "$@" >"$work/log" 2>&1 && return
    tail -n 30 "$work/log" >&2
    fail "failed: $*"
}

# This script mounts nothing in its own mount namespace, so removing the directory cannot reach the host's files.
cleanup() { [ -z "$work" ] || rm -rf "$work"; }
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Use /var/tmp, because /tmp may be in memory, or may forbid the device nodes that debootstrap makes.
new_work_directory() {
    work=$(mktemp -d "${TMPDIR:-/var/tmp}/base-images.XXXXXX")
    chmod 755 "$work"
    root=$work/root
}

make_busybox() {
    new_work_directory
    step 'busybox: downloading the package busybox-static'
    cd "$work"
    # A machine that has never run "apt-get update" knows no packages.
    apt-get download --option APT::Sandbox::User=root busybox-static >log 2>&1 ||
        { quietly apt-get update && quietly apt-get download busybox-static; }
    dpkg-deb --extract busybox-static_*.deb package
    mkdir -p root/bin root/etc root/root
    mkdir -m 1777 root/tmp
    cp package/bin/busybox root/bin/busybox
    for applet in $(root/bin/busybox --list); do
        [ "$applet" = busybox ] || ln -s busybox "root/bin/$applet"
    done
    step 'busybox: importing the image'
    import_image busybox "busybox-static $(dpkg-deb --field busybox-static_*.deb Version) of Debian" 'CMD ["sh"]'
    cd - >/dev/null
}

make_rust() {
    [ "$(id -u)" -eq 0 ] || fail "$1: debootstrap needs root: sudo sh docker/base-images.sh $1"
    new_work_directory
    if ! command -v debootstrap >/dev/null; then
        step "$1: installing debootstrap"
        quietly apt-get update
        quietly apt-get install --yes --no-install-recommends debootstrap debian-archive-keyring
    fi

    step "$1: Debian 13 with its rustc, gcc and musl (a minute)"
    # debootstrap gets a mount namespace of its own, so its mounts end with it, even after a Ctrl-C.
    quietly unshare --mount debootstrap --variant=minbase \
        --include=gcc,libc6-dev,musl-dev,rustc,cargo,rust-src,ca-certificates trixie "$root"
    # A build in a container meets the same proxy and certificate authorities as this machine.
    cp "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$root/etc/ssl/certs/ca-certificates.crt"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"

    step "$1: compiling the standard library for musl (a minute)"
    mkdir "$root/std"
    cp docker/musl-std.sh "$root/std/"
    quietly unshare --mount --pid --fork --kill-child --mount-proc --root "$root" \
        env --ignore-environment HOME=/std PATH=/usr/bin:/bin https_proxy="${https_proxy:-}" \
        sh /std/musl-std.sh

    step "$1: importing the image"
    version=$(chroot "$root" rustc --version)
    rm -rf "$root/std" "$root/usr/src" "$root/var/lib/apt/lists" "$root/var/cache/apt"
    import_image "$1" "$version of Debian 13" "ENV CARGO_BUILD_TARGET=$(uname -m)-unknown-linux-musl"
}

# import_image NAME VERSION INSTRUCTION: makes an image of the tree in $root
import_image() {
    tar -C "$root" -c . | docker import \
        --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin' \
        --change "$3" \
        --change "LABEL org.opencontainers.image.description=\"substitute image, made locally from $2\"" \
        - "$1" >/dev/null
    cleanup
}

# limited SECONDS COMMAND...: runs a command with a limit, because a slow registry can take hours. A Mac has no timeout.
limited() {
    if command -v timeout >/dev/null; then
        timeout -s KILL "$@"
    else
        shift
        "$@"
    fi
}

for image in "$@"; do
    case $image in
    rust:1.85-alpine | busybox) ;;
    *) fail "usage: docker/base-images.sh rust:1.85-alpine busybox" ;;
    esac
done
CDPATH='' cd -- "$(dirname -- "$0")/.."
limited 30 docker version >/dev/null || fail 'install Docker, start it, or join the group docker'
for image in "$@"; do
    docker image inspect "$image" >/dev/null 2>&1 && continue
    step "$image: pulling (five minutes at most)"
    limited 300 docker pull --quiet "$image" && continue
    command -v apt-get >/dev/null ||
        fail "$image: no registry answers, and only Debian's apt-get could make a substitute image"
    step "$image: no registry has it, making a substitute image"
    case $image in
    busybox) make_busybox ;;
    *) make_rust "$image" ;;
    esac
    step "$image: done"
done
