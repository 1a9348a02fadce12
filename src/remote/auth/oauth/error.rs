//! Why there is no token.

/// Why there is no token. Never holds one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The authority could not be reached.
    #[error("the authority at {host}, which issues tokens, cannot be reached: {reason}")]
    Unreachable {
        /// Its host name.
        host: String,
        /// What happened.
        reason: String,
    },
    /// The authority's certificate is not trusted.
    #[error(
        "the authority at {host}, which issues tokens, cannot be reached: {reason} (--ca-file names a private authority)"
    )]
    Untrusted {
        /// Its host name.
        host: String,
        /// Why not.
        reason: String,
    },
    /// Its answer made no sense.
    #[error("the answer of {host}, which issues tokens, makes no sense: {reason}")]
    Protocol {
        /// Its host name.
        host: String,
        /// What was wrong.
        reason: String,
    },
    /// It gives no token.
    #[error(transparent)]
    Refused(Refusal),
    /// Nobody has signed in yet, or what that gave has ended for good.
    #[error("{user} is not signed in: no token is kept that could be renewed")]
    Nothing {
        /// Who should.
        user: String,
    },
    /// The person declined, in the browser or on the other device.
    #[error("the sign-in was declined")]
    Declined,
    /// The person took too long.
    #[error("nobody signed in before the time was up")]
    TimedOut,
    /// Somebody else signed in than was meant.
    #[error("it is {found} who signed in, not {wanted}")]
    SomebodyElse {
        /// Who did.
        found: String,
        /// Who should.
        wanted: String,
    },
    /// What is kept cannot be read or written, or the command that prints a token failed.
    #[error("{0}")]
    Kept(String),
    /// The settings make no sense.
    #[error("{0}")]
    Settings(String),
}

impl TokenError {
    /// Whether it may be otherwise by itself in a while.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Protocol { .. })
    }

    /// Whether a person who signs in anew mends it.
    pub fn wants_person(&self) -> bool {
        match self {
            Self::Nothing { .. } => true,
            Self::Refused(refusal) => matches!(
                refusal.error.as_str(),
                "invalid_grant" | "interaction_required" | "login_required" | "consent_required"
            ),
            _ => false,
        }
    }
}

/// How an authority says no (RFC 6749 §5.2).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the authority at {host} gives no token ({error}){}", if .words.is_empty() { String::new() } else { format!(": {words}") })]
pub struct Refusal {
    /// Its host name.
    pub host: String,
    /// The error's name, such as `invalid_grant`.
    pub error: String,
    /// What Microsoft's authority adds: the number after `AADSTS`.
    pub aadsts: Option<u32>,
    /// The authority's words.
    pub words: String,
}

/// The longest text of an authority's that is passed on.
const LONGEST: usize = 400;

impl Refusal {
    /// Reads what an authority says; `secrets` are what was sent to it, which it must not make us tell.
    pub(super) fn new(host: &str, error: &str, description: &str, secrets: &[&str]) -> Self {
        let words = description.lines().next().unwrap_or_default();
        // What follows helps Microsoft alone.
        let words = words.split(" Trace ID:").next().unwrap_or_default();
        let words = told(words, secrets);
        Self { host: host.to_owned(), aadsts: aadsts(&words), error: told(error, secrets), words }
    }
}

/// A text of somebody else's as it may be shown.
pub(super) fn told(text: &str, secrets: &[&str]) -> String {
    let is_shown = |character: &char| !character.is_control();
    let text: String = text.chars().filter(is_shown).take(LONGEST).collect();
    let hide = |text: String, secret: &&str| if secret.is_empty() { text } else { text.replace(*secret, "…") };
    secrets.iter().fold(text, hide)
}

fn aadsts(words: &str) -> Option<u32> {
    let (_, rest) = words.split_once("AADSTS")?;
    let end = rest.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microsofts_number_is_found_and_what_helps_nobody_left_out() {
        let said = "AADSTS700082: The refresh token has expired due to inactivity. Trace ID: 1-2 Correlation ID: 3\r\nTimestamp: x";
        let refusal = Refusal::new("login.example.org", "invalid_grant", said, &[]);
        assert_eq!(refusal.aadsts, Some(700_082));
        assert_eq!(
            refusal.to_string(),
            "the authority at login.example.org gives no token (invalid_grant): AADSTS700082: The refresh token has expired due to inactivity."
        );
        assert_eq!(Refusal::new("h", "x", "AADSTS", &[]).aadsts, None);
        assert_eq!(Refusal::new("h", "x", "", &[]).to_string(), "the authority at h gives no token (x)");
    }

    #[test]
    fn an_authority_cannot_make_us_tell_a_secret_or_paint_the_terminal() {
        let refusal = Refusal::new("h", "hunter2", "\u{1b}[2Jno hunter2 here", &["hunter2", ""]);
        let told = format!("{refusal} {refusal:?}");
        assert!(!told.contains("hunter2") && !told.contains('\u{1b}'), "{told}");
        assert!(Refusal::new("h", "x", &"long ".repeat(1000), &[]).words.len() <= LONGEST);
    }
}
