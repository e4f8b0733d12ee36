//! Why there is no secure connection, in words that name what to change.

use std::io;

use rustls::{AlertDescription as Alert, CertificateError, Error, PeerIncompatible};

const TOO_OLD: &str = "it speaks neither TLS 1.2 nor TLS 1.3";

/// What a failed input or output has to do with TLS, as the end of a sentence that named the server; `None` when it has
/// nothing to do with it. `has_certificate`: the client has one to show.
pub(crate) fn explain(fault: &io::Error, has_certificate: bool) -> Option<String> {
    let fault = fault.get_ref()?.downcast_ref::<Error>()?;
    Some(match fault {
        Error::InvalidCertificate(fault) => certificate(fault),
        Error::AlertReceived(alert) => received(*alert, has_certificate),
        Error::InvalidMessage(_) => "it does not speak TLS".into(),
        Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => TOO_OLD.into(),
        fault => fault.to_string(),
    })
}

fn certificate(fault: &CertificateError) -> String {
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet".into()
        }
        CertificateError::UnknownIssuer => "its certificate is of no trusted CA (see tls.ca)".into(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let presented = if presented.is_empty() { "no name".into() } else { presented.join(", ") };
            let expected = expected.to_str();
            format!("its certificate is for {presented} and not for {expected} (see tls.server_name)")
        }
        CertificateError::NotValidForName => "its certificate is for another name (see tls.server_name)".into(),
        fault => format!("its certificate is not acceptable: {fault}"),
    }
}

fn received(alert: Alert, has_certificate: bool) -> String {
    match alert {
        Alert::CertificateRequired => "it wants a client certificate (see tls.certificate and tls.key)".into(),
        // What servers say in TLS 1.2 when a certificate is missing; it can mean more than that.
        Alert::HandshakeFailure if !has_certificate => {
            "it refused the handshake: it may want a client certificate (see tls.certificate and tls.key)".into()
        }
        Alert::ProtocolVersion => TOO_OLD.into(),
        Alert::UnknownCA
        | Alert::BadCertificate
        | Alert::CertificateExpired
        | Alert::CertificateRevoked
        | Alert::CertificateUnknown
        | Alert::UnsupportedCertificate
        | Alert::AccessDenied
        | Alert::DecryptError
            if has_certificate =>
        {
            format!("it refused the client certificate (see tls.certificate): {alert:?}")
        }
        alert => format!("it refused with the alert {alert:?}"),
    }
}
