//! TLS and credentials, against a real memcached with `-Z` and `-Y`: who may not be trusted is not spoken to, and why is said.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod certificates;
mod credentials;
mod faults;
mod options;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod versions;

use certificates::certificate;
use cmemcache::{Client, Config, Exptime, Pem, TlsOptions};
use support::{client, config, Memcached};

/// A memcached that speaks TLS with this certificate.
fn secured(name: &str, options: &str) -> Memcached {
    let (chain, key) = (certificate(&format!("{name}.pem")), certificate(&format!("{name}.key")));
    let options = format!("ssl_chain_cert={},ssl_key={}{options}", chain.display(), key.display());
    Memcached::with(&["-Z", "-o", &options])
}

/// A memcached that asks for a certificate of the tests' CA.
fn asking() -> Memcached {
    secured("server", &format!(",ssl_verify_mode=2,ssl_ca_cert={}", certificate("ca.pem").display()))
}

fn file(name: &str) -> Option<Pem> {
    Some(Pem::File(certificate(name)))
}

/// TLS that trusts the tests' CA.
fn trusting() -> TlsOptions {
    TlsOptions { ca: file("ca.pem"), ..TlsOptions::default() }
}

/// A client of one server with these TLS options.
fn over(address: &str, tls: TlsOptions) -> Client {
    client(Config { tls: Some(tls), ..config(address) })
}

fn set_and_get(client: &Client, key: &str, value: &[u8]) {
    client.set(key, value, 7, Exptime::Never).unwrap();
    let item = client.get(key).unwrap().unwrap();
    assert_eq!((&item.value[..], item.flags), (value, 7));
}
