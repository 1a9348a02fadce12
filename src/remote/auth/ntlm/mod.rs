//! NTLMv2 (MS-NLMP) over HTTP (MS-NTHT), with channel binding and MIC; nothing older, and no encryption of messages: TLS does that.
//!
//! Own code, since what there is either leaves the MIC out, which hardened servers insist on, panics where a challenge is odd, or brings more
//! than a hundred crates. The hashes are others'.

mod keys;
mod messages;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use super::{BadChallenge, Channel, Handshake, Handshakes, Manner, Scheme, SignIn, header};
use keys::Key;
use messages::{Challenge, Proof};

/// Proves name and password without sending the password; once for each connection.
pub struct Ntlm {
    user: String,
    password: SecretString,
}

impl Ntlm {
    /// Signs in with this name (`DOMAIN\name`, or `name@domain`) and password.
    pub fn new(user: impl Into<String>, password: SecretString) -> Self {
        Self { user: user.into(), password }
    }

    pub(super) fn exchange(&self, channel: &Channel, now: u64, chance: [u8; 8]) -> Exchange {
        let (domain, name) = match self.user.split_once('\\') {
            Some((domain, name)) => (domain, name),
            // A name with a domain behind it is found by the server as it is.
            None => ("", self.user.as_str()),
        };
        Exchange {
            domain: domain.to_owned(),
            name: name.to_owned(),
            key: Key::of_response(name, domain, self.password.expose_secret()),
            channel: channel.clone(),
            now,
            chance,
            hello: messages::negotiate(),
        }
    }
}

impl SignIn for Ntlm {
    fn user(&self) -> &str {
        &self.user
    }

    fn manner(&self) -> Manner<'_> {
        Manner::Connection(self)
    }
}

impl Handshakes for Ntlm {
    fn scheme(&self) -> Scheme {
        Scheme::Ntlm
    }

    fn begin(&self, channel: &Channel, now: u64, chance: [u8; 8]) -> Box<dyn Handshake> {
        Box::new(self.exchange(channel, now, chance))
    }
}

impl std::fmt::Debug for Ntlm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ntlm").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The three messages of one sign-in: hello, the server's challenge, the answer to it.
pub(super) struct Exchange {
    domain: String,
    name: String,
    key: Key,
    channel: Channel,
    now: u64,
    chance: [u8; 8],
    hello: Vec<u8>,
}

/// The last message, and what signs what comes after it.
pub(super) struct Answer {
    pub(super) message: Vec<u8>,
    session: Key,
}

impl Exchange {
    pub(super) fn hello(&self) -> &[u8] {
        &self.hello
    }

    /// Answers the server's challenge.
    pub(super) fn answer(&self, challenge: &[u8]) -> Result<Answer, &'static str> {
        let said = Challenge::read(challenge)?;
        let proof = Proof::new(&said, &self.key, &self.channel, self.now, self.chance)?;
        let mut message = messages::authenticate(&said, &proof, &self.domain, &self.name)?;
        let mic = proof.session.mac(&[&self.hello, challenge, &message]);
        messages::put_mic(&mut message, &mic);
        Ok(Answer { message, session: proof.session })
    }
}

impl Answer {
    /// The client's signature of a first message besides the handshake (MS-NLMP §3.4.4.2, without key exchange).
    pub(super) fn sign(&self, text: &[u8]) -> [u8; 16] {
        self.session.sign(text)
    }
}

impl Handshake for Exchange {
    fn hello(&mut self) -> SecretString {
        header(Scheme::Ntlm, &self.hello)
    }

    fn prove(&mut self, challenge: &str) -> Result<SecretString, BadChallenge> {
        let bad = |reason| BadChallenge { scheme: Scheme::Ntlm, reason };
        let challenge = STANDARD.decode(challenge).map_err(|_| bad("is not base64"))?;
        let answer = self.answer(&challenge).map_err(bad)?;
        Ok(header(Scheme::Ntlm, &answer.message))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exchange(user: &str) -> Exchange {
        Ntlm::new(user, SecretString::from("Password")).exchange(&Channel::open("mail.example.org"), 0, [0xaa; 8])
    }

    #[test]
    fn domain_and_name_are_told_apart() {
        let parts = |user: &str| {
            let exchange = exchange(user);
            (exchange.domain, exchange.name)
        };
        assert_eq!(parts("EXAMPLE\\anna"), ("EXAMPLE".to_owned(), "anna".to_owned()));
        assert_eq!(parts("anna@example.org"), (String::new(), "anna@example.org".to_owned()));
    }

    #[test]
    fn the_password_shows_nowhere() {
        let ntlm = Ntlm::new("a", SecretString::from("sesame"));
        assert!(!format!("{ntlm:?}").contains("sesame"));
    }

    proptest! {
        #[test]
        fn no_challenge_is_too_odd(challenge in prop::collection::vec(any::<u8>(), 0..200), flags: u32, at in 0_u32..80, length: u16) {
            let mut whole = messages::tests::challenge(flags, &challenge);
            let _ = exchange("a").answer(&whole);
            whole[40..42].copy_from_slice(&length.to_le_bytes());
            whole[44..48].copy_from_slice(&at.to_le_bytes());
            let _ = exchange("a").answer(&whole);
            let _ = exchange("a").answer(&challenge);
        }

        #[test]
        fn nor_is_its_spelling(text: String) {
            let _ = exchange("a").prove(&text);
        }
    }
}
