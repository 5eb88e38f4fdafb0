# How this machine compiles for wasm32: sets `cargo` and `target`, and gives `wasm_bindgen`. Sourced by `build` and by
# the gate.
target=wasm32-unknown-unknown
cargo=(cargo)

missing() {
    echo "$1" >&2
    exit 1
}

# rustup's target or, where it cannot be fetched, Debian's compiler, which builds the standard library from source.
has_std() { [ -d "$(rustc --print target-libdir --target $target 2>/dev/null)" ]; }
has_source() {
    [ -x /usr/bin/cargo ] && [ -x /usr/bin/wasm-ld-19 ] &&
        [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library" ]
}
flags="-Ctarget-feature=+simd128"
if ! has_std && ! has_source; then
    timeout 60 rustup target add $target >&2 || missing "no standard library for $target: run 'rustup target add $target' \
(on Debian 13: apt-get install rustc-web cargo-web rust-web-src lld-19)"
fi
if ! has_std; then
    export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19
    flags="$flags -Clinker-flavor=wasm-ld"
    cargo=(/usr/bin/cargo -Z "build-std=std,panic_abort")
fi
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="$flags"

# The program that makes the glue, of the very version that the crate has: it is built where it is missing.
wasm_bindgen() {
    local lock version tools=$CARGO_TARGET_DIR/tools
    lock=$(cargo locate-project --workspace --message-format plain)
    version=$(grep -A1 '^name = "wasm-bindgen"$' "${lock%.toml}.lock" | sed -n 's/^version = "\(.*\)"$/\1/p')
    for program in wasm-bindgen "$tools/bin/wasm-bindgen"; do
        if [ "$("$program" --version 2>/dev/null)" = "wasm-bindgen $version" ]; then
            command -v "$program"
            return
        fi
    done
    env -u RUSTC -u RUSTC_BOOTSTRAP CARGO_TARGET_DIR="$tools" \
        cargo install wasm-bindgen-cli --version "$version" --root "$tools" --no-default-features --quiet >&2
    echo "$tools/bin/wasm-bindgen"
}
