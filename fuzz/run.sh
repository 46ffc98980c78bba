#!/bin/sh
# Fuzzes each target, or those that are named, for FUZZ_SECONDS (30) each. What is found stays in
# fuzz/artifacts. cargo-fuzz is installed where it is missing; a nightly toolchain has to be there.
set -eu
cd "$(dirname "$0")"

seconds=${FUZZ_SECONDS:-30}
targets=${*:-ini yaml duration connection exchange}

if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "fuzz/run.sh: no nightly toolchain, which libFuzzer's instrumentation needs: rustup toolchain install nightly --profile minimal" >&2
    exit 1
fi
cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A backtrace would push the reason out of what is shown.
export RUST_BACKTRACE=0
failed=0
summary=
for target in $targets; do
    # No sanitizer: in safe code, what there is to find is a panic. Debug assertions are on.
    cargo +nightly fuzz build --sanitizer none "$target"
    mkdir -p "corpus/$target"
    echo "fuzz/run.sh: $target, for $seconds s"
    # libFuzzer adds what it finds to the first directory only.
    if cargo +nightly fuzz run --sanitizer none "$target" "corpus/$target" "seeds/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=2048 -print_final_stats=1 >"$log" 2>&1; then
        result=ok
    else
        result=FAILED
        failed=1
        sed -n '/panicked at/,$p' "$log" | tail -n 60 >&2
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    summary="$summary$(printf '%-12s %-8s %s runs' "$target" "$result" "${runs:-?}")
"
done
printf '%s' "$summary"
exit "$failed"
