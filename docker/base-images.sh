#!/bin/sh
# Makes sure that base images exist locally: docker/base-images.sh rust:1.85-alpine busybox
# For another platform than the engine's own, as docker pull has it: DOCKER_DEFAULT_PLATFORM=linux/arm64
#
# An image that is there stays as it is. Otherwise it is pulled; where no registry answers, a stand-in
# of the same name is made from Debian's packages, so that the Dockerfile need not know the difference.
set -eu

# Seconds; an engine gives up on a dead registry sooner, but a slow one can go on for hours. A Mac has no such command.
limited='timeout 300'
command -v timeout >/dev/null || limited=''
work=''

usage() { echo "usage: $0 rust:1.85-alpine|busybox ..."; }

refuse() {
    usage >&2
    exit 2
}

step() { printf 'base-images: %s\n' "$*"; }

fail() {
    printf 'base-images: %s\n' "$*" >&2
    exit 1
}

# Shows what a long command said only when it fails.
quietly() {
    "$@" >"$work/log" 2>&1 && return
    tail -n 30 "$work/log" >&2
    fail "failed: $*"
}

# Nothing is ever mounted in our own mount namespace, so removing the directory cannot reach the host's files.
cleanup() { [ -z "$work" ] || rm -rf "$work"; }
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# /tmp may be in memory or forbid device nodes, which debootstrap makes.
new_work_directory() {
    work=$(mktemp -d "${TMPDIR:-/var/tmp}/base-images.XXXXXX")
    chmod 755 "$work"
}

need_apt() {
    command -v apt-get >/dev/null ||
        fail "$1: no registry answers, and a stand-in is made with apt-get, which this machine lacks"
}

make_busybox() {
    need_apt busybox
    new_work_directory
    root=$work/root
    step 'busybox: downloading the package busybox-static'
    (
        cd "$work"
        # A machine that never ran "apt-get update" knows no packages.
        apt-get download --option APT::Sandbox::User=root busybox-static >log 2>&1 ||
            { quietly apt-get update && quietly apt-get download busybox-static; }
        dpkg-deb --extract busybox-static_*.deb package
    )
    mkdir -p "$root/bin" "$root/etc" "$root/root"
    mkdir -m 1777 "$root/tmp"
    cp "$work/package/bin/busybox" "$root/bin/busybox"
    for applet in $("$root/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
    done
    step 'busybox: importing the image'
    version=$(dpkg-deb --field "$work"/busybox-static_*.deb Version)
    import_image busybox "busybox-static $version of Debian" 'CMD ["sh"]'
}

make_rust() {
    need_apt "$1"
    if [ "$(id -u)" -ne 0 ]; then
        sudo --non-interactive true 2>/dev/null ||
            fail "$1: no registry answers, and debootstrap needs root: run  sudo $0 $1"
        sudo --non-interactive --preserve-env=DOCKER_HOST,SSL_CERT_FILE,TMPDIR,https_proxy "$0" "$1"
        return
    fi
    new_work_directory
    root=$work/root
    if ! command -v debootstrap >/dev/null; then
        step "$1: installing debootstrap"
        quietly apt-get update
        quietly apt-get install --yes --no-install-recommends debootstrap debian-archive-keyring
    fi

    step "$1: Debian 13 with its rustc, gcc and musl (a minute)"
    # In a mount namespace of its own, whatever debootstrap mounts is gone with it, even after a Ctrl-C.
    quietly unshare --mount debootstrap --variant=minbase \
        --include=gcc,libc6-dev,musl-dev,rustc,cargo,rust-src,ca-certificates trixie "$root"
    # A build in a container meets the same proxies and authorities as this machine.
    cp "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$root/etc/ssl/certs/ca-certificates.crt"
    cp --dereference /etc/resolv.conf "$root/etc/resolv.conf"

    step "$1: compiling the standard library for musl (a minute)"
    mkdir "$root/std"
    cp "$(dirname "$0")/musl-std.sh" "$root/std/"
    quietly unshare --mount --pid --fork --kill-child --mount-proc --root "$root" \
        env --ignore-environment HOME=/std PATH=/usr/bin:/bin https_proxy="${https_proxy:-}" \
        sh /std/musl-std.sh

    step "$1: importing the image"
    versions="$(chroot "$root" rustc --version), $(chroot "$root" cargo --version), $(
        chroot "$root" dpkg-query --show gcc musl-dev | tr '\t\n' ' ,'
    ) Debian 13"
    rm -rf "$root/std" "$root/usr/src" "$root/var/lib/apt/lists" "$root/var/cache/apt"
    import_image "$1" "$versions" "ENV CARGO_BUILD_TARGET=$(uname -m)-unknown-linux-musl"
}

# import_image NAME VERSIONS INSTRUCTION: tags the tree in $root
import_image() {
    tar --directory "$root" --create . | docker import \
        --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin' \
        --change "$3" \
        --change "LABEL org.opencontainers.image.title=\"stand-in for $1\"" \
        --change "LABEL org.opencontainers.image.description=\"made locally from: $2\"" \
        - "$1" >/dev/null
    cleanup
}

ensure() {
    if there=$(docker image inspect --format '{{.Os}}/{{.Architecture}}' "$1" 2>/dev/null); then
        case $platform in
        "$there" | "$there"/*) return ;;
        esac
    fi
    step "$1: pulling (five minutes at most)"
    if $limited docker pull --quiet "$1"; then
        return
    fi
    [ "$platform" = "$own" ] ||
        fail "$1: no registry answers, and a stand-in is made for $own only: build on a machine of $platform, or where a registry answers"
    step "$1: not to be had from a registry, making a stand-in"
    case $1 in
    busybox) make_busybox ;;
    *) make_rust "$1" ;;
    esac
    step "$1: done"
}

case ${1-} in
--help | -h)
    usage
    exit
    ;;
'') refuse ;;
esac
for image in "$@"; do
    case $image in
    rust:1.85-alpine | busybox) ;;
    *) refuse ;;
    esac
done
command -v docker >/dev/null || fail 'there is no docker command: install Docker'
own=$(docker version --format '{{.Server.Os}}/{{.Server.Arch}}') ||
    fail 'no Docker engine answers: start Docker, or join the group docker'
platform=${DOCKER_DEFAULT_PLATFORM:-$own}
for image in "$@"; do
    ensure "$image"
done
