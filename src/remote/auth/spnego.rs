//! Negotiate (RFC 4559): SPNEGO (RFC 4178, MS-SPNG) with NTLM in it. Servers that offer no plain NTLM offer this.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use super::der::{Der, ENUMERATED, OCTETS, OID, SEQUENCE, context, element};
use super::ntlm::{Exchange, Ntlm};
use super::{BadChallenge, Channel, Handshake, Handshakes, Manner, Scheme, SignIn, header};

/// 1.3.6.1.5.5.2: SPNEGO.
const SPNEGO: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x02];
/// 1.3.6.1.4.1.311.2.2.10: NTLM.
const NTLM: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a];

/// NTLM within Negotiate.
#[derive(Debug)]
pub struct Negotiate(Ntlm);

impl Negotiate {
    /// Signs in with this name (`DOMAIN\name`, or `name@domain`) and password.
    pub fn new(user: impl Into<String>, password: SecretString) -> Self {
        Self(Ntlm::new(user, password))
    }
}

impl SignIn for Negotiate {
    fn user(&self) -> &str {
        self.0.user()
    }

    fn manner(&self) -> Manner<'_> {
        Manner::Connection(self)
    }
}

impl Handshakes for Negotiate {
    fn scheme(&self) -> Scheme {
        Scheme::Negotiate
    }

    fn begin(&self, channel: &Channel, now: u64, chance: [u8; 8]) -> Box<dyn Handshake> {
        Box::new(Wrapped(self.0.exchange(channel, now, chance)))
    }
}

/// The messages of NTLM in tokens of SPNEGO.
struct Wrapped(Exchange);

/// The list of mechanisms: NTLM.
fn mechanisms() -> Vec<u8> {
    element(SEQUENCE, &element(OID, NTLM))
}

impl Wrapped {
    /// `NegTokenInit`.
    fn init(&self) -> Vec<u8> {
        let mechanisms = element(context(0), &mechanisms());
        let token = element(context(2), &element(OCTETS, self.0.hello()));
        let init = element(context(0), &element(SEQUENCE, &[mechanisms, token].concat()));
        // [APPLICATION 0] (RFC 2743 §3.1).
        element(0x60, &[element(OID, SPNEGO), init].concat())
    }

    /// `NegTokenResp`. The signature over the list of mechanisms is due since NTLM's own message has a MIC (MS-SPNG §3.3.5.1).
    fn response(&self, challenge: &[u8]) -> Result<Vec<u8>, &'static str> {
        let answer = self.0.answer(challenge)?;
        let state = element(context(0), &element(ENUMERATED, &[1]));
        let token = element(context(2), &element(OCTETS, &answer.message));
        let signature = element(context(3), &element(OCTETS, &answer.sign(&mechanisms())));
        Ok(element(context(1), &element(SEQUENCE, &[state, token, signature].concat())))
    }
}

/// NTLM's challenge in a `NegTokenResp`.
fn challenge_in(token: &[u8]) -> Option<&[u8]> {
    let response = Der(Der(token).expect(context(1))?).expect(SEQUENCE)?;
    Der(Der(response).find(context(2))?).expect(OCTETS)
}

impl Handshake for Wrapped {
    fn hello(&mut self) -> SecretString {
        header(Scheme::Negotiate, &self.init())
    }

    fn prove(&mut self, challenge: &str) -> Result<SecretString, BadChallenge> {
        let bad = |reason| BadChallenge { scheme: Scheme::Negotiate, reason };
        let token = STANDARD.decode(challenge).map_err(|_| bad("is not base64"))?;
        // Some servers answer without the wrapping, and are answered so.
        let answer = if token.starts_with(b"NTLMSSP\0") {
            self.0.answer(&token).map(|answer| answer.message)
        } else {
            let inner = challenge_in(&token).ok_or_else(|| bad("holds none of NTLM"))?;
            self.response(inner)
        };
        answer.map(|token| header(Scheme::Negotiate, &token)).map_err(bad)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wrapped() -> Wrapped {
        Wrapped(Ntlm::new("a", SecretString::from("b")).exchange(&Channel::open("h"), 0, [1; 8]))
    }

    #[test]
    fn the_first_token_offers_ntlm_alone() {
        let token = wrapped().init();
        let mut outer = Der(Der(&token).expect(0x60).unwrap());
        assert_eq!(outer.expect(OID), Some(SPNEGO));
        let init = Der(Der(outer.expect(context(0)).unwrap()).expect(SEQUENCE).unwrap());
        assert_eq!(init.find(context(0)), Some(mechanisms().as_slice()));
        let hello = Der(init.find(context(2)).unwrap()).expect(OCTETS).unwrap();
        assert!(hello.starts_with(b"NTLMSSP\0\x01"));
    }

    proptest! {
        #[test]
        fn no_challenge_is_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = challenge_in(&bytes);
            let _ = wrapped().prove(&STANDARD.encode(&bytes));
        }
    }
}
