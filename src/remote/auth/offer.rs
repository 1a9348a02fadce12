//! What a server offers, and which of it is taken.

use std::sync::OnceLock;

use secrecy::SecretString;

use super::{Manner, Scheme, SignIn};

/// The challenges of a server's answer: schemes, each with what is said to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenges(Vec<(String, String)>);

impl Challenges {
    /// Reads all `WWW-Authenticate` headers of an answer (RFC 9110 §11.6.1): a header each, as Exchange sends them, or several in one.
    pub fn read<'h>(headers: impl IntoIterator<Item = &'h str>) -> Self {
        let mut challenges: Vec<(String, String)> = Vec::new();
        for part in headers.into_iter().flat_map(parts) {
            let (word, rest) = part.split_once([' ', '\t']).unwrap_or((part, ""));
            match challenges.last_mut() {
                // A parameter of the challenge before.
                Some((_, said)) if word.contains('=') || rest.trim_start().starts_with('=') => {
                    said.push_str(", ");
                    said.push_str(part);
                }
                _ => challenges.push((word.to_owned(), rest.trim().to_owned())),
            }
        }
        Self(challenges)
    }

    /// What is said to a scheme; `None` where it is not offered.
    pub fn said_to(&self, scheme: Scheme) -> Option<&str> {
        let mut all = self.0.iter().filter(|(name, _)| name.eq_ignore_ascii_case(scheme.name()));
        let first = all.next()?;
        // Some servers offer a scheme anew besides the challenge that continues it.
        Some(
            if first.1.is_empty() { all.find(|(_, said)| !said.is_empty()).unwrap_or(first) } else { first }.1.as_str(),
        )
    }

    /// The scheme to use of those that are offered.
    pub fn best(&self) -> Option<Scheme> {
        Scheme::ALL.into_iter().find(|scheme| self.said_to(*scheme).is_some())
    }

    /// All schemes by the server's names for them.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (name, _) in &self.0 {
            if !names.iter().any(|other| other.eq_ignore_ascii_case(name)) {
                names.push(name.clone());
            }
        }
        names
    }
}

/// The parts between commas that are in no quotes.
fn parts(header: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let split = move |character: char| {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' => return !quoted,
            _ => {}
        }
        false
    };
    header.split(split).map(str::trim).filter(|part| !part.is_empty())
}

/// Name and password, used in the best way that the server offers. It is asked once.
pub struct Offered {
    user: String,
    password: SecretString,
    taken: OnceLock<Box<dyn SignIn>>,
}

/// A server offers nothing that is known here.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown {
    /// What it offers, by its own names.
    pub offered: Vec<String>,
}

impl Offered {
    /// Signs in with this name and password.
    pub fn new(user: impl Into<String>, password: SecretString) -> Self {
        Self { user: user.into(), password, taken: OnceLock::new() }
    }

    /// Takes the best of what the server offers; the password in each request where it asks for nothing.
    ///
    /// # Errors
    /// [`Unknown`] where it offers only what is not known here.
    pub fn choose(&self, offered: &Challenges) -> Result<(), Unknown> {
        let scheme = match offered.best() {
            Some(scheme) => scheme,
            None if offered.0.is_empty() => Scheme::Basic,
            None => return Err(Unknown { offered: offered.names() }),
        };
        self.taken.get_or_init(|| scheme.sign_in(self.user.clone(), self.password.clone()));
        Ok(())
    }
}

impl SignIn for Offered {
    fn user(&self) -> &str {
        &self.user
    }

    fn manner(&self) -> Manner<'_> {
        match self.taken.get() {
            Some(taken) => taken.manner(),
            None => Manner::Ask(self),
        }
    }
}

impl std::fmt::Debug for Offered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Offered").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn challenges_are_read_in_any_arrangement() {
        let read = |headers: &[&str]| Challenges::read(headers.iter().copied());
        let exchange = read(&["Negotiate", "NTLM", "Basic realm=\"mail.example.org\""]);
        assert_eq!(exchange.names(), ["Negotiate", "NTLM", "Basic"]);
        assert_eq!(exchange.said_to(Scheme::Ntlm), Some(""));
        assert_eq!(exchange.said_to(Scheme::Basic), Some("realm=\"mail.example.org\""));
        let one = read(&["basic realm=\"a, NTLM b\", charset=\"UTF-8\", negotiate"]);
        assert_eq!(one.names(), ["basic", "negotiate"]);
        assert_eq!(one.said_to(Scheme::Ntlm), None);
        assert_eq!(read(&["NTLM TlRMTVNTUAAC=="]).said_to(Scheme::Ntlm), Some("TlRMTVNTUAAC=="));
        assert_eq!(read(&["NTLM", "NTLM abc="]).said_to(Scheme::Ntlm), Some("abc="));
        assert_eq!(read(&["Bearer client_id=\"x\" , realm = \"*\""]).names(), ["Bearer"]);
    }

    #[test]
    fn what_keeps_the_password_here_is_taken_first() {
        let best = |headers: &[&str]| Challenges::read(headers.iter().copied()).best();
        assert_eq!(best(&["Basic realm=\"x\"", "Negotiate", "NTLM"]), Some(Scheme::Ntlm));
        assert_eq!(best(&["Basic realm=\"x\"", "Negotiate"]), Some(Scheme::Negotiate));
        assert_eq!(best(&["Basic"]), Some(Scheme::Basic));
        let offered = Offered::new("a", SecretString::from("b"));
        let unknown = offered.choose(&Challenges::read(["Bearer", "Digest realm=\"x\""]));
        assert_eq!(unknown, Err(Unknown { offered: vec!["Bearer".to_owned(), "Digest".to_owned()] }));
        assert!(offered.manner().scheme().is_none(), "the password goes nowhere");
        offered.choose(&Challenges::default()).unwrap();
        assert_eq!(offered.manner().scheme(), Some(Scheme::Basic));
    }

    proptest! {
        #[test]
        fn no_header_is_too_odd(headers in prop::collection::vec("[ -~ß]{0,40}", 0..4)) {
            let _ = Challenges::read(headers.iter().map(String::as_str)).best();
        }
    }
}
