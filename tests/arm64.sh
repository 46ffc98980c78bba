#!/bin/sh
# Builds the programs for arm64 (aarch64, musl) and tests them on any machine: tests/arm64.sh
#
# Needs rustup's Rust, which brings a linker and musl for this target, and Debian's qemu-user-static. The tests run
# under the emulator too; on an arm64 machine "make test" is enough.
set -eu
cd "$(dirname "$0")/.."

target=aarch64-unknown-linux-musl
TEST_RUNNER=$(command -v qemu-aarch64-static) || {
    echo 'arm64.sh: no qemu-aarch64-static; on Debian, install qemu-user-static' >&2
    exit 1
}
export TEST_RUNNER
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUNNER="$TEST_RUNNER"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld
rustup target add "$target"

# Build the programs as they are shipped. The emulator has no dynamic loader for them, so they start only if they are
# static.
cargo build --release --target "$target"
for program in server client; do
    "$TEST_RUNNER" "${CARGO_TARGET_DIR:-target}/$target/release/$program" --version
done

# These tests do not work under the emulator:
# - client: a_network_that_comes_back: the emulator has no SO_DETACH_FILTER, by which the test lets packets pass again.
#   names: a process with threads, as the emulator is, gets no user namespace from unshare(2).
# - server: nothing_is_lost…short_queue: the server waits 50 ms for a message that is on its way, and an emulated one
#   is late. signals: /proc shows the emulator's handlers, not the program's. peers, limit, log, long_run and
#   system_calls: memory, processor time and descriptors are the emulator's own.
# - scripts: a shell starts the programs, and does not know of the emulator.
cargo test --target "$target" --no-fail-fast --lib --test server --test client --test config -- \
    --skip a_network_that_comes_back_is_used --skip names:: --skip table:: \
    --skip nothing_is_lost_when_it_ends_with_a_short_queue --skip signals:: --skip peers:: --skip limit:: \
    --skip log:: --skip long_run:: --skip system_calls::
