//! Whom a connection is encrypted to.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;

use super::RemoteError;
use super::reach::{Pin, Reach};

/// TLS 1.2 or later to servers that the system trusts, or whom `reach` names.
pub(super) fn config(reach: &Reach) -> Result<ClientConfig, RemoteError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match reach.pin {
        Some(pin) => Arc::new(Pinned { pin, provider: Arc::clone(&provider) }),
        None => {
            let roots = reach.ca_file.as_deref().map(|file| read_certificates(file, "--ca-file")).transpose()?;
            let roots = roots.unwrap_or_default();
            let system =
                Verifier::new_with_extra_roots(roots, Arc::clone(&provider)).map_err(|error| unusable(&error))?;
            Arc::new(Explained(system))
        }
    };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| unusable(&error))?.dangerous().with_custom_certificate_verifier(verifier);
    let Some(file) = reach.client_certificate.as_deref() else { return Ok(builder.with_no_client_auth()) };
    let certificates = read_certificates(file, OWN)?;
    let key = PrivateKeyDer::from_pem_slice(&std::fs::read(file)?);
    let key =
        key.map_err(|error| refused(OWN, format!("{} holds no key that can be used: {error}", file.display())))?;
    let config = builder.with_client_auth_cert(certificates, key);
    config.map_err(|error| refused(OWN, format!("{} cannot be used: {}", file.display(), chain(&error))))
}

const OWN: &str = "--client-certificate";

/// An error with all its causes: the first alone rarely says anything.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn unusable(error: &dyn std::error::Error) -> RemoteError {
    refused("TLS", format!("the client cannot be set up: {}", chain(error)))
}

fn refused(code: &str, hint: String) -> RemoteError {
    RemoteError::Refused { code: code.to_owned(), hint }
}

fn read_certificates(file: &Path, option: &str) -> Result<Vec<CertificateDer<'static>>, RemoteError> {
    let pem = std::fs::read(file)?;
    match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(refused(option, format!("{} holds no certificate in PEM form", file.display()))),
        Err(error) => Err(refused(option, format!("{} cannot be used: {}", file.display(), chain(&error)))),
    }
}

/// One certificate is trusted, and no other: not its name, its time or who issued it matter, but that the server holds its key.
#[derive(Debug)]
struct Pinned {
    pin: Pin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = Pin::of(certificate);
        if found == self.pin {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::General(format!("the server's certificate is not the pinned one, but {found}")))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// As the system trusts, with a word on how to trust what it never can: an authority's own certificate, as servers have that made one for themselves.
#[derive(Debug)]
struct Explained(Verifier);

impl ServerCertVerifier for Explained {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.0.verify_server_cert(certificate, others, name, ocsp, now);
        verified.map_err(|error| match &error {
            rustls::Error::InvalidCertificate(CertificateError::Other(other)) if other.to_string().contains("CaUsedAsEndEntity") => {
                rustls::Error::General(format!(
                    "the server's certificate is an authority's own, which is never taken for a server's; once its fingerprint is compared \
                     with what its administrator tells, --pin {} trusts it",
                    Pin::of(certificate)
                ))
            }
            _ => error,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
