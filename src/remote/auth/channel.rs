//! The connection that a sign-in is bound to, so that nobody in between can pass it on (Extended Protection for Authentication).

use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::der::{Der, OID, SEQUENCE, context};

/// A connection as a sign-in sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The server's host name, for the service's name (`HTTP/host`).
    pub host: String,
    /// What the TLS connection is bound by; none without TLS.
    binding: Option<Vec<u8>>,
}

impl Channel {
    /// A connection without TLS, within this machine.
    pub fn open(host: &str) -> Self {
        Self { host: host.to_owned(), binding: None }
    }

    /// A TLS connection to a server with this certificate (DER), bound by `tls-server-end-point` (RFC 5929 §4).
    pub fn tls(host: &str, certificate: &[u8]) -> Self {
        let mut binding = b"tls-server-end-point:".to_vec();
        binding.extend_from_slice(&digest(certificate));
        Self { host: host.to_owned(), binding: Some(binding) }
    }

    /// The `gss_channel_bindings_struct` (RFC 2744 §3.11) as NTLM hashes it: no addresses, and the application's data. None without TLS.
    pub(crate) fn gss_bindings(&self) -> Option<Vec<u8>> {
        let data = self.binding.as_deref()?;
        let mut bindings = vec![0; 16];
        bindings.extend_from_slice(&u32::try_from(data.len()).unwrap_or_default().to_le_bytes());
        bindings.extend_from_slice(data);
        Some(bindings)
    }
}

/// The certificate's hash by the algorithm that it is signed with, SHA-256 in place of MD5 and SHA-1 (RFC 5929 §4.1). For algorithms that name
/// none the RFC has no binding; SHA-256 is what others take then.
fn digest(certificate: &[u8]) -> Vec<u8> {
    match signature_hash(certificate) {
        Hash::Sha256 => Sha256::digest(certificate).to_vec(),
        Hash::Sha384 => Sha384::digest(certificate).to_vec(),
        Hash::Sha512 => Sha512::digest(certificate).to_vec(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// 1.2.840.113549.1.1 (PKCS #1), without its last number.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// 1.2.840.10045.4.3 (ECDSA with SHA-2), without its last number.
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
/// 2.16.840.1.101.3.4.2 (NIST hash algorithms), without its last number.
const NIST: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];

fn signature_hash(certificate: &[u8]) -> Hash {
    named_hash(certificate).unwrap_or(Hash::Sha256)
}

/// Reads the second element of a certificate, `signatureAlgorithm` (RFC 5280 §4.1.1.2).
fn named_hash(certificate: &[u8]) -> Option<Hash> {
    let mut parts = Der(Der(certificate).expect(SEQUENCE)?);
    parts.expect(SEQUENCE)?;
    let mut algorithm = Der(parts.expect(SEQUENCE)?);
    let (last, family) = algorithm.expect(OID)?.split_last()?;
    match (family, *last) {
        (RSA, 12) | (ECDSA, 3) => Some(Hash::Sha384),
        (RSA, 13) | (ECDSA, 4) => Some(Hash::Sha512),
        // RSASSA-PSS names the hash in its parameters (RFC 4055 §3.1).
        (RSA, 10) => {
            let hash = Der(Der(algorithm.expect(SEQUENCE)?).find(context(0))?).expect(SEQUENCE)?;
            match Der(hash).expect(OID)?.split_last()? {
                (2, NIST) => Some(Hash::Sha384),
                (3, NIST) => Some(Hash::Sha512),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

    use super::*;
    use crate::remote::auth::der::element;

    fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap().der().to_vec()
    }

    fn signed_with(oid: &[u8], parameters: &[u8]) -> Vec<u8> {
        let algorithm = element(SEQUENCE, &[element(OID, oid), parameters.to_vec()].concat());
        element(SEQUENCE, &[element(SEQUENCE, b""), algorithm, element(3, b"\0")].concat())
    }

    #[test]
    fn the_hash_is_that_of_the_signature() {
        for (algorithm, hash) in [
            (&PKCS_ECDSA_P256_SHA256, Hash::Sha256),
            (&PKCS_ECDSA_P384_SHA384, Hash::Sha384),
            (&PKCS_ED25519, Hash::Sha256),
        ] {
            assert_eq!(signature_hash(&certificate(algorithm)), hash);
        }
        let rsa = |last: u8| signed_with(&[RSA, &[last]].concat(), &[5, 0]);
        let hashes = [4, 5, 11, 12, 13].map(|last| signature_hash(&rsa(last)));
        assert_eq!(hashes, [Hash::Sha256, Hash::Sha256, Hash::Sha256, Hash::Sha384, Hash::Sha512]);
        let hash = element(SEQUENCE, &element(OID, &[NIST, &[3]].concat()));
        let parameters = element(SEQUENCE, &element(context(0), &hash));
        assert_eq!(signature_hash(&signed_with(&[RSA, &[10]].concat(), &parameters)), Hash::Sha512);
        assert_eq!(signature_hash(&signed_with(&[RSA, &[10]].concat(), &element(SEQUENCE, b""))), Hash::Sha256);
        assert_eq!(signature_hash(b"no certificate"), Hash::Sha256);
    }

    #[test]
    fn another_certificate_is_another_channel() {
        let (one, other) = (certificate(&PKCS_ECDSA_P256_SHA256), certificate(&PKCS_ECDSA_P256_SHA256));
        assert_ne!(Channel::tls("h", &one).gss_bindings(), Channel::tls("h", &other).gss_bindings());
        assert_eq!(Channel::open("h").gss_bindings(), None);
        let bindings = Channel::tls("h", &one).gss_bindings().unwrap();
        assert_eq!(bindings.len(), 20 + 21 + 32);
        assert_eq!(bindings[16..20], 53_u32.to_le_bytes());
        assert!(bindings.ends_with(&Sha256::digest(&one)));
    }
}
