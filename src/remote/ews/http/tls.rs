//! Whom a connection is encrypted to.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::Verifier;

use super::chain;
use crate::remote::RemoteError;

/// TLS 1.2 or later to servers that the system trusts, or who is named in `ca_file`.
pub(super) fn config(ca_file: Option<&Path>) -> Result<ClientConfig, RemoteError> {
    let unusable = |error: rustls::Error| RemoteError::Refused {
        code: "TLS".to_owned(),
        hint: format!("the client cannot be set up: {}", chain(&error)),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = ca_file.map(read_roots).transpose()?.unwrap_or_default();
    let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider)).map_err(unusable)?;
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(unusable)?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(builder.with_no_client_auth())
}

fn read_roots(file: &Path) -> Result<Vec<CertificateDer<'static>>, RemoteError> {
    let refused = |hint: String| RemoteError::Refused { code: "--ca-file".to_owned(), hint };
    let pem = std::fs::read(file)?;
    match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
        Ok(roots) if !roots.is_empty() => Ok(roots),
        Ok(_) => Err(refused(format!("{} holds no certificate in PEM form", file.display()))),
        Err(error) => Err(refused(format!("{} cannot be used: {}", file.display(), chain(&error)))),
    }
}
