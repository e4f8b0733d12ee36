//! From a user's options to what rustls needs, with every mistake named.

use std::borrow::Cow;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::Resumption;
use rustls::crypto::{ring, verify_tls12_signature, verify_tls13_signature, CryptoProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::{Pem, TlsOptions};
use crate::address::{Address, ServerSpec};
use crate::config::Config;
use crate::conn::session::Session;
use crate::error::{Error, Result};

/// Longest record sent, in bytes. memcached reads into a buffer of 16 KiB, in which an unfinished line of up to half of that
/// may stand, and leaves what does not fit of a record unread until more arrives.
const RECORD: usize = 8 * 1024;

/// What a client's connections need for TLS. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
    has_certificate: bool,
}

impl Tls {
    /// What these options ask for; `None` without TLS. Reads the files that they name.
    pub(crate) fn of(config: &Config) -> Result<Option<Self>> {
        let servers = &config.servers;
        let Some(options) = &config.tls else { return Ok(None) };
        let name = options.server_name.as_deref().map(|name| {
            let name = ServerName::try_from(name.to_owned());
            name.map_err(|_| Error::invalid("tls.server_name is neither a domain name nor an IP address"))
        });
        let mut config = build(options)?;
        config.max_fragment_size = Some(RECORD);
        let tls = Self { config: Arc::new(config), name: name.transpose()?, has_certificate: options.certificate.is_some() };
        tls.check(servers)?;
        Ok(Some(tls))
    }

    /// Whether each of the servers can be spoken to over TLS.
    pub(crate) fn check(&self, servers: &[ServerSpec]) -> Result<()> {
        servers.iter().try_for_each(|server| self.name_of(&server.address).map(|_| ()))
    }

    /// The name that a server's certificate has to bear.
    fn name_of(&self, address: &Address) -> Result<ServerName<'static>> {
        let host = match address {
            Address::Unix { .. } => return Err(Error::invalid(format!("tls: {address} is a unix socket; TLS needs TCP"))),
            Address::Tcp { host, .. } => host,
        };
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        let host = host.split('%').next().unwrap_or_default();
        let refuse = |_| Error::invalid(format!("tls: {host:?} can be no certificate's name; give tls.server_name"));
        ServerName::try_from(host.to_owned()).map_err(refuse)
    }

    /// The same for a forked child: the locks within the memory of past sessions may have been held at the moment of the fork.
    pub(crate) fn renewed(&self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::default();
        Self { config: Arc::new(config), ..self.clone() }
    }

    /// The session of a new connection.
    pub(crate) fn begin(&self, address: &Address) -> Result<Session> {
        let connection = ClientConnection::new(self.config.clone(), self.name_of(address)?);
        let connection = connection.map_err(|fault| Error::invalid(format!("tls: {fault}")))?;
        Ok(Session::new(connection, self.has_certificate))
    }
}

type Verifying = ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn build(options: &TlsOptions) -> Result<ClientConfig> {
    let builder = verifying(options)?;
    let (certificate, key) = match (&options.certificate, &options.key) {
        (None, None) => return Ok(builder.with_no_client_auth()),
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => return Err(Error::invalid("tls.certificate is given without tls.key")),
        (None, Some(_)) => return Err(Error::invalid("tls.key is given without tls.certificate")),
    };
    let chain = certificates("tls.certificate", certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&text("tls.key", key)?)
        .map_err(|_| Error::invalid("tls.key holds no private key in PEM; an encrypted one cannot be read"))?;
    builder.with_client_auth_cert(chain, key).map_err(|fault| match fault {
        rustls::Error::InconsistentKeys(_) => Error::invalid("tls.key is not the key of tls.certificate"),
        fault => Error::invalid(format!("tls.certificate and tls.key: {fault}")),
    })
}

fn verifying(options: &TlsOptions) -> Result<Verifying> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|fault| Error::invalid(format!("tls: {fault}")))?;
    if options.danger_accept_any_certificate {
        if options.ca.is_some() {
            return Err(Error::invalid("tls.ca is of no use with tls.danger_accept_any_certificate"));
        }
        return Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny(provider))));
    }
    let mut roots = RootCertStore::empty();
    match &options.ca {
        Some(ca) => {
            for certificate in certificates("tls.ca", ca)? {
                roots.add(certificate).map_err(|fault| Error::invalid(format!("tls.ca: {fault}")))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(Error::invalid("tls: this system has no trusted CAs; give tls.ca"));
            }
        }
    }
    Ok(builder.with_root_certificates(roots))
}

fn text<'p>(option: &str, pem: &'p Pem) -> Result<Cow<'p, [u8]>> {
    match pem {
        Pem::Text(text) => Ok(text.into()),
        Pem::File(path) => match std::fs::read(path) {
            Ok(text) => Ok(text.into()),
            Err(fault) => Err(Error::invalid(format!("{option}: cannot read {}: {fault}", path.display()))),
        },
    }
}

fn certificates(option: &str, pem: &Pem) -> Result<Vec<CertificateDer<'static>>> {
    let text = text(option, pem)?;
    let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(Error::invalid(format!("{option} holds no certificate in PEM"))),
        Ok(found) => Ok(found),
        Err(_) => Err(Error::invalid(format!("{option} holds PEM that is damaged"))),
    }
}

/// Accepts every certificate, and checks no more than that the other side has its key.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
