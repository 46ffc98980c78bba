#!/bin/sh
# Fetches Compose v2, the one of Debian 13, for an older Debian's docker command, without installing it.
# Prints the settings directory in which docker finds it: DOCKER_CONFIG=$(tests/docker/compose-v2.sh)
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
config=$root/target/compose-v2
plugin=$config/cli-plugins/docker-compose

if [ ! -x "$plugin" ]; then
    work=$(mktemp -d)
    trap 'rm -rf -- "$work"' EXIT
    # The mirror that this machine already uses, with another release, in directories of our own.
    # shellcheck disable=SC2016 # for apt to expand
    mirror=$(apt-get indextargets --format '$(SITE)' 'Origin: Debian' 'Component: main' | head -n 1)
    [ -n "$mirror" ] || { echo 'compose-v2.sh: apt knows no Debian mirror: run apt-get update' >&2; exit 1; }
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$work/sources"
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    cat >"$work/apt.conf" <<END
Dir::Etc::SourceList "$work/sources";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$work/lists";
Dir::Cache "$work/cache";
APT::Sandbox::User "root";
END
    cd "$work"
    export APT_CONFIG="$work/apt.conf"
    apt-get update >&2
    apt-get download docker-compose >&2
    dpkg-deb --extract docker-compose_*.deb package
    mkdir -p "$config/cli-plugins"
    mv package/usr/libexec/docker/cli-plugins/docker-compose "$plugin"
fi
echo "$config"
