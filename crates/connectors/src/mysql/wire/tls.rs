//! TLS for the raw connection: trust anchors, client certificate, and the switch that accepts any certificate.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use syncline_engine::error::{Code, Error, Result};

use crate::connection::TlsOptions;

/// Makes the TLS configuration of a connection.
pub fn client_config(name: &str, tls: &TlsOptions) -> Result<Arc<ClientConfig>> {
    let fail = |what: String, cause: &dyn std::fmt::Display| {
        Error::new(Code::Tls, format!("connection {name}: {what}")).cause(cause)
    };
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = &tls.ca_file {
        for certificate in certificates(path).map_err(|e| fail(path.display().to_string(), &e))? {
            roots.add(certificate).map_err(|e| fail(path.display().to_string(), &e))?;
        }
    }
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| fail("no TLS version in common".into(), &e))?;
    let builder = if tls.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
    } else {
        builder.with_root_certificates(roots)
    };
    let config = match (&tls.cert_file, &tls.key_file) {
        (Some(cert), Some(key)) => {
            let chain = certificates(cert).map_err(|e| fail(cert.display().to_string(), &e))?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|e| fail(key.display().to_string(), &e))?;
            builder.with_client_auth_cert(chain, key).map_err(|e| fail(cert.display().to_string(), &e))?
        }
        (None, None) => builder.with_no_client_auth(),
        _ => return Err(fail("tls".into(), &"cert_file and key_file belong together")),
    };
    Ok(Arc::new(config))
}

fn certificates(path: &std::path::Path) -> std::result::Result<Vec<CertificateDer<'static>>, String> {
    let certificates =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>);
    let certificates = certificates.map_err(|e| e.to_string())?;
    if certificates.is_empty() { Err("holds no certificate".into()) } else { Ok(certificates) }
}

/// `verify: false`: signatures are checked, names and authorities are not.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
