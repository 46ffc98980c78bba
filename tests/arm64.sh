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
# - client: names: a process with threads, as the emulator is, gets no user namespace from unshare(2).
# - Tests that look into /proc see the emulator's handlers, memory, processor time and descriptors, not the program's.
# - server: nothing_is_lost_when_it_ends_under_load: an emulated message is late.
#   nobody_new_connects: the emulator has no IP_MINTTL.
# - scripts: a shell starts the programs, and does not know of the emulator.
cargo test --target "$target" --no-fail-fast --lib --test server --test client --test config -- \
    --skip names:: --skip table:: --skip nothing_is_lost --skip nobody_new_connects --skip peers:: --skip limit:: \
    --skip log:: --skip handlers_go_in_before --skip in_the_first_milliseconds \
    --skip from_the_start_stays_ignored --skip stdout_that_nobody_reads
