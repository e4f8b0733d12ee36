//! Links C's libmemcached, from the system's own package.

fn main() {
    println!("cargo:rustc-link-lib=memcached");
}
