#!/bin/sh
# Gives Debian's rustc the musl standard library that Debian does not ship. base-images.sh runs it as root in a chroot
# with gcc, musl-dev, rustc, cargo and rust-src.
set -eu

cpu=$(uname -m)
target=$cpu-unknown-linux-musl
musl=/usr/lib/$cpu-linux-musl
gcc=$(dirname "$(gcc -print-libgcc-file-name)")
installed=/usr/lib/rustlib/$target/lib
cd "$(dirname "$0")"

# rustc refuses to link a panic_abort that was not itself compiled to abort, and cargo has no setting for one crate of
# the standard library.
cat >rustc-wrapper <<'END'
#!/bin/sh
case " $* " in *' --crate-name panic_abort '*) set -- "$@" -C panic=abort ;; esac
exec "$@"
END
chmod +x rustc-wrapper

# Build a library, because rustc cannot link a program before the files below are in place.
cargo init --quiet --lib --vcs none --name empty empty
RUSTC_BOOTSTRAP=1 \
    RUSTC_WRAPPER=$PWD/rustc-wrapper \
    RUSTFLAGS='-C target-feature=+crt-static -C link-self-contained=no -C embed-bitcode=yes' \
    cargo build --release --manifest-path empty/Cargo.toml --target "$target" \
    -Z build-std=std,panic_abort,panic_unwind,test

# Install the files as the official component does, so that rustc finds them without a flag.
mkdir -p "$installed/self-contained"
rm "empty/target/$target/release/deps/"libempty-*
cp "empty/target/$target/release/deps/"*.rlib "$installed/"
cd "$installed/self-contained"
cp "$musl/crt1.o" "$musl/rcrt1.o" "$musl/Scrt1.o" "$musl/crti.o" "$musl/crtn.o" "$musl/libc.a" .
cp "$gcc/crtbegin.o" "$gcc/crtbeginS.o" "$gcc/crtend.o" "$gcc/crtendS.o" .

# gcc's unwinder asks glibc for a table that musl does not have. If the answer is "not found", it searches without it.
cp "$gcc/libgcc_eh.a" libunwind.a
printf 'int _dl_find_object(void *address, void *result) { (void)address; (void)result; return -1; }\n' |
    gcc -O2 -c -x c - -o dl_find_object.o
ar r libunwind.a dl_find_object.o
rm dl_find_object.o
