//! Generates the UniFFI scaffolding from the UDL when the `ffi` feature is on.

fn main() {
    #[cfg(feature = "ffi")]
    if let Err(fault) = uniffi::generate_scaffolding("src/cmemcache.udl") {
        eprintln!("cmemcache.udl: {fault:#}");
        std::process::exit(1);
    }
}
