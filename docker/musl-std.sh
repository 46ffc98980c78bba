#!/bin/sh
# Gives Debian's rustc the musl standard library that Debian does not ship. Runs as root in a chroot or
# container with gcc, musl-dev, rustc, cargo and rust-src; called by base-images.sh.
set -eu

cpu=$(uname -m)
target=$cpu-unknown-linux-musl
musl=/usr/lib/$cpu-linux-musl
gcc=$(dirname "$(gcc -print-libgcc-file-name)")
installed=/usr/lib/rustlib/$target/lib
cd "$(dirname "$0")"

# rustc refuses to link a panic_abort that was not itself compiled to abort, and cargo has no setting
# for one crate of the standard library.
cat >rustc-wrapper <<'END'
#!/bin/sh
case " $* " in *' --crate-name panic_abort '*) set -- "$@" -C panic=abort ;; esac
exec "$@"
END
chmod +x rustc-wrapper

# A library, for a program could not be linked before the files below are in place.
cargo init --quiet --lib --vcs none --name empty empty
RUSTC_BOOTSTRAP=1 \
    RUSTC_WRAPPER=$PWD/rustc-wrapper \
    RUSTFLAGS='-C target-feature=+crt-static -C link-self-contained=no -C embed-bitcode=yes' \
    cargo build --release --manifest-path empty/Cargo.toml --target "$target" \
    -Z build-std=std,panic_abort,panic_unwind,test

# The layout of the official component, in which rustc finds everything without a flag.
mkdir -p "$installed/self-contained"
rm "empty/target/$target/release/deps/"libempty-*
cp "empty/target/$target/release/deps/"*.rlib "$installed/"
cd "$installed/self-contained"
cp "$musl/crt1.o" "$musl/rcrt1.o" "$musl/Scrt1.o" "$musl/crti.o" "$musl/crtn.o" "$musl/libc.a" .
cp "$gcc/crtbegin.o" "$gcc/crtbeginS.o" "$gcc/crtend.o" "$gcc/crtendS.o" .

# gcc's unwinder asks glibc for a table that musl has not; "not found" makes it search as it did before.
cp "$gcc/libgcc_eh.a" libunwind.a
printf 'int _dl_find_object(void *address, void *result) { (void)address; (void)result; return -1; }\n' |
    gcc -O2 -c -x c - -o dl_find_object.o
ar r libunwind.a dl_find_object.o
rm dl_find_object.o
