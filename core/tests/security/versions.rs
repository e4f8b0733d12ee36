//! Which versions of TLS are spoken.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cmemcache::ErrorKind;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ProtocolVersion, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

use crate::support::{failure, Memcached, Peer};
use crate::{certificate, over, set_and_get, trusting};

/// A server that speaks one version.
fn speaking(version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(certificate("server.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(certificate("server.key")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Arc::new(builder.with_protocol_versions(&[version]).unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap())
}

/// Passes requests that have one small reply each on to a memcached; returns the version that was spoken.
fn serve(client: TcpStream, config: Arc<ServerConfig>, server: &str) -> io::Result<Option<ProtocolVersion>> {
    client.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut front = StreamOwned::new(ServerConnection::new(config).map_err(io::Error::other)?, client);
    let mut back = TcpStream::connect(server)?;
    back.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut buffer = [0; 4096];
    loop {
        match front.read(&mut buffer) {
            Ok(0) | Err(_) => return Ok(front.conn.protocol_version()),
            Ok(length) => back.write_all(&buffer[..length])?,
        }
        let length = back.read(&mut buffer)?;
        front.write_all(&buffer[..length])?;
        front.flush()?;
    }
}

#[test]
fn tls_1_2_and_1_3_are_spoken() {
    for (version, spoken) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let memcached = Memcached::start();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (config, server) = (speaking(version), memcached.address());
        let front = thread::spawn(move || serve(listener.accept().unwrap().0, config, &server));
        let client = over(&address, trusting());
        set_and_get(&client, "k", b"value");
        client.shutdown();
        assert_eq!(front.join().unwrap().unwrap(), Some(spoken));
    }
}

#[test]
fn a_server_that_speaks_nothing_newer_than_tls_1_1_is_refused() {
    // The alert `protocol_version` in a record of TLS 1.1, with which such a server answers a hello that offers only more.
    let alert: &[u8] = &[21, 3, 2, 0, 2, 2, 70];
    let peer = Peer::start(move |session| {
        session.receive()?;
        session.send(alert)?;
        session.silence()
    });
    let error = failure(over(&peer.address(), trusting()).get("k"), ErrorKind::Tls);
    assert!(error.message().ends_with(": it speaks neither TLS 1.2 nor TLS 1.3"), "{error}");
    // A server hello of TLS 1.1, with a cipher suite of its time.
    let hello = Peer::start(|session| {
        session.receive()?;
        let mut hello = vec![22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
        hello.extend([7; 32]);
        hello.extend([0, 0, 47, 0]);
        session.send(&hello)?;
        session.silence()
    });
    let error = failure(over(&hello.address(), trusting()).get("k"), ErrorKind::Tls);
    assert!(error.message().ends_with(": it speaks neither TLS 1.2 nor TLS 1.3"), "{error}");
}
