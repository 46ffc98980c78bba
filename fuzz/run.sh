#!/bin/sh
# Fuzzes all targets, or the named ones, for FUZZ_SECONDS (30) each. Inputs that fail stay in fuzz/artifacts. It
# installs cargo-fuzz if that is missing; a nightly toolchain has to be there.
set -eu
cd "$(dirname "$0")"

seconds=${FUZZ_SECONDS:-30}
targets=${*:-ini yaml duration connection exchange}

if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "fuzz/run.sh: no nightly toolchain, which libFuzzer's instrumentation needs: rustup toolchain install nightly --profile minimal" >&2
    exit 1
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo 'fuzz/run.sh: installing cargo-fuzz (some minutes)'
    cargo install --locked cargo-fuzz
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A backtrace would push the reason out of the 60 lines that are shown.
export RUST_BACKTRACE=0
failed=0
summary=
for target in $targets; do
    # Use no sanitizer, because safe code can only panic. Debug assertions are on.
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
