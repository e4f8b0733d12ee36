//! The binding generator, pinned to the UniFFI version of the core.
//!
//! `uniffi-bindgen generate --library target/release/libcmemcache.so --language python --config uniffi.toml --out-dir DIR`

fn main() {
    uniffi::uniffi_bindgen_main()
}
